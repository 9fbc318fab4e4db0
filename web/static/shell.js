// Who uses this tablet, also without the node; pages that open without it; and the screen that stays on at work.

import { forget } from "./told.js";
import { fact, setFact } from "./store.js";
import { post } from "./wire.js";

// Who is logged in, {actor, name, roles} or null: the node's page says it, and an empty page of the worker remembers it.
export async function whoIsHere(bar) {
  const { actor, name, roles = "" } = bar.dataset;
  if ("shell" in bar.dataset) return (await fact("me").catch(() => null)) || null;
  const me = actor ? { actor, name, roles } : null;
  await setFact("me", me).catch(() => {});
  return me;
}

// A log-out that the node could not hear of is done as soon as it can: until then this tablet acts for nobody.
export async function logOut() {
  await setFact("me", null).catch(() => {});
  await forget().catch(() => {});
  await setFact("leaving", true).catch(() => {});
  await finishLogOut();
}

// Answers "" when nobody is leaving, else whether the node has heard of it: "done" or "pending".
export async function finishLogOut() {
  if (!await fact("leaving").catch(() => false)) return "";
  try {
    await post("auth/logout", {});
  } catch {
    return "pending";
  }
  await setFact("leaving", null).catch(() => {});
  return "done";
}

export const secure = isSecureContext && "serviceWorker" in navigator;
export let worker = Promise.resolve(false);
const AGAIN_MS = 5000;
// One file that does not come, and the browser keeps none of them: on a bad link it is tried until there is a first worker.
async function register() {
  const kept = await navigator.serviceWorker.register("/sw.js"), coming = kept.installing;
  coming?.addEventListener("statechange", () => {
    if (coming.state === "redundant" && !kept.active) setTimeout(() => register().catch(() => {}), AGAIN_MS);
  });
}
if (secure) {
  // After a click through a certificate warning the context looks secure and this is refused all the same.
  worker = register().then(() => true, (error) => { console.info(error.message); return false; });
}

// The language of the empty pages that the worker keeps.
export async function pagesSpeak(language) {
  if (!secure) return;
  await caches.open("language").then((kept) => kept.put("/language", new Response(language))).catch(() => {});
  navigator.serviceWorker.ready.then(({ active }) => active.postMessage({ language }));
}
// An empty page may be in another language than the tablet's, for want of the node.
if (!document.querySelector("[data-shell]")) pagesSpeak(document.documentElement.lang);

const reduced = document.getElementById("reduced");
if (reduced) worker.then((kept) => { reduced.hidden = kept; });

// The screen stays on while this page is in front; the lock is lost whenever it is not.
export async function stayAwake() {
  if (!navigator.wakeLock) return;
  let lock = null;
  const hold = async () => {
    if (document.visibilityState !== "visible" || (lock && !lock.released)) return;
    lock = await navigator.wakeLock.request("screen").catch(() => null);
  };
  document.addEventListener("visibilitychange", hold);
  await hold();
}
