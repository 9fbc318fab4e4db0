// What a tablet tells its node of itself while somebody is logged in: acts that wait on it, whether the browser promises
// to keep them, its battery. Told when there is news, and now and then all the same, so that silence means something.
//
// Nobody waits for it and nobody is shown that it failed: the next word says the same and more.

import { outbox } from "./outbox.js";
import { reach } from "./reach.js";
import { post } from "./wire.js";

const LOOK_MS = 5000, APART_MS = 60000;
const REPEAT_MS = 600000; // three times in what the node calls silent
const WAITS_MS = 10000; // what is younger is on its way
const STEP = 5, LOW = 20; // per cent: below, each one is news
const NAME = "telling"; // the last word, {at, word}: of all pages of this tablet

let waiting = null; // none known yet
let tried = -APART_MS;
let away = false, looking = false;

async function battery() {
  const found = await navigator.getBattery?.();
  return found ? { battery: { percent: Math.round(found.level * 100), charging: found.charging } } : {};
}

async function word() {
  const before = Date.now() - WAITS_MS;
  return {
    unsent: waiting.filter((item) => item.at < before || item.at > Date.now()).length,
    kept: Boolean(await navigator.storage?.persisted?.().catch(() => false)),
    ...await battery().catch(() => ({})),
  };
}

const isNews = (now, last) => now.unsent !== last.unsent || now.kept !== last.kept
  || now.battery?.charging !== last.battery?.charging
  || Math.abs((now.battery?.percent ?? 0) - (last.battery?.percent ?? 0)) >= (now.battery?.percent > LOW ? STEP : 1);

function isDue(now, { at, word: last }) {
  const since = Date.now() - at;
  if (since < 0 || since >= REPEAT_MS) return true; // the clock was set, or it is time
  // That nothing waits any more is told at once: whoever leaves now would be missed for what has come.
  return isNews(now, last) && (since >= APART_MS || (last.unsent > 0 && now.unsent === 0));
}

async function look() {
  if (!waiting || looking || !reach.ok || !navigator.onLine) return;
  looking = true;
  try {
    const now = await word(), last = JSON.parse(localStorage.getItem(NAME));
    const again = performance.now() - tried >= APART_MS;
    if (again && (!last || isDue(now, last))) {
      tried = performance.now();
      await post("tablets/this", now, {}, "PUT");
      tried = -APART_MS;
      localStorage.setItem(NAME, JSON.stringify({ at: Date.now(), word: now }));
    }
  } catch { /* the next look tries again */ }
  looking = false;
}

// Somebody is logged in, from now on until this page ends.
export function tellOfItself() {
  setInterval(look, LOOK_MS);
  outbox.addEventListener("change", ({ detail }) => {
    const sent = waiting?.length && !detail.items.length;
    waiting = detail.items;
    if (sent) look();
  });
  reach.addEventListener("change", ({ detail: ok }) => {
    if (ok && away) look();
    away = !ok;
  });
}
