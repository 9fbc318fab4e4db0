// What was done on this tablet and the node has not answered yet. Put on disk before it is sent; sent in order, one at a
// time, by one page; taken out when the node has said yes or no. Logging out, closing or a dead battery take nothing out.
//
// An act belongs to who did it. It is sent only while they are logged in (the node checks that), and waits otherwise.
// Each person's acts are numbered without a gap, so that the node can tell whether one of them is missing.

import { alone } from "./alone.js";
import { heard, lost } from "./reach.js";
import { change, look } from "./store.js";
import { Failed, LoggedOut, newId, post, Refused } from "./wire.js";
import { _ } from "./words.js";

const AGAIN_MS = 3000;
const WAIT_MS = [400, 800, 1600, 3200, 6400, 8000];
const LATE_MS = 10000; // a refusal after that comes when the person has gone on: it is kept until they have seen it
const NO_USE = ["late", "refused", "ignored", "nobody", "item"]; // outcomes of a scan that nothing came of
const FAILURES_MAX = 5; // then it is set aside with the node's words: it must not hold up what comes after it
const page = newId();

export const outbox = new EventTarget(); // "change" {mine, others, kept, items}, "put" {item}, "late" {why}, "held"
const askers = new Map(); // op_id → what to tell the part of this page that asked
const channel = new BroadcastChannel("tallyman-outbox");

// Who is logged in here, {actor, name}, or null.
let me = null, nowKnown;
const known = new Promise((resolve) => { nowKnown = resolve; });
let state = { mine: 0, others: 0, kept: 0, items: [] };
let sending = ""; // op_id of what is on its way
let working = false, again = false, timer = 0, tries = 0, failures = 0, unanswered = false, back = 0;

export function belongTo(person) {
  me = person;
  nowKnown();
  refresh();
  flush();
}

export const person = () => me;
// The same, once the page knows it.
export const whose = async () => { await known; return me; };

// ---------------------------------------------------------------- put

// How long ago it was done. The tablet's clock may be set in between, and its running time stands still in sleep: the
// longer of the two is believed, because a gap that is not seen does more harm than one that was none.
function waitedMs(item) {
  const ran = item.page === page ? performance.now() - item.ran : 0;
  return Math.max(0, Math.round(Math.max(Date.now() - item.at, ran)));
}

export async function sendOff(path, body) {
  await known; // a scan may come before the page knows whose it is
  if (!me) throw new Refused(_("Nobody is logged in on this tablet."));
  const item = { opId: body.op_id, actor: me.actor, name: me.name, path, body, at: Date.now(), ran: performance.now(), page };
  const answered = new Promise((resolve, reject) => askers.set(item.opId, { resolve, reject }));
  answered.catch(() => {}); // until somebody listens
  try {
    await change(async ({ items, facts }, asked) => {
      const box = await asked(facts.get("outbox")) || newId();
      const lanes = await asked(facts.get("lanes")) || {};
      item.box = box;
      item.number = (lanes[item.actor] || 0) + 1;
      await asked(facts.put(box, "outbox"));
      await asked(facts.put({ ...lanes, [item.actor]: item.number }, "lanes"));
      await asked(items.add(item));
    });
  } catch (cause) {
    askers.delete(item.opId);
    throw new Refused(_("This tablet cannot keep anything (%(cause)s). It was not recorded: free some room and repeat it.",
      { cause: cause?.name || cause }), { cause });
  }
  outbox.dispatchEvent(new CustomEvent("put", { detail: item }));
  tell({ changed: true });
  tries = 0;
  flush();
  return answered;
}

// ---------------------------------------------------------------- send

export async function flush() {
  clearTimeout(timer);
  again = true;
  if (working) return;
  working = true;
  try {
    while (me && again) {
      again = false;
      await alone(sendAll);
    }
  } catch (error) {
    console.warn(error);
  }
  working = false;
  await refresh();
  clearTimeout(timer);
  // An event may be missed, and a reconnect be too short to be one: while something waits, a timer asks too.
  if (state.mine) timer = setTimeout(flush, tries ? WAIT_MS[Math.min(tries, WAIT_MS.length) - 1] * (0.5 + Math.random() / 2) : AGAIN_MS);
}

async function sendAll(stillAlone) {
  for (;;) {
    const item = await oldest();
    if (!item || !await stillAlone()) return;
    const sent = `${item.box} ${item.actor} ${item.number} ${item.opId} ${waitedMs(item)}`;
    let answer = null, refusal = "", title = "", failed = false;
    sending = item.opId;
    try {
      answer = await post(item.path, item.body, { "Tallyman-Sent": sent });
    } catch (error) {
      if (error instanceof LoggedOut) { tries = WAIT_MS.length; outbox.dispatchEvent(new CustomEvent("held")); return; }
      if (error instanceof Failed) failures += 1;
      if (!(error instanceof Refused) || (error instanceof Failed && failures < FAILURES_MAX)) {
        tries += 1;
        unanswered = true;
        lost();
        return;
      }
      ({ message: refusal, title } = error);
      failed = error instanceof Failed;
    } finally {
      sending = "";
    }
    if (unanswered) back = performance.now();
    tries = failures = 0;
    unanswered = false;
    heard();
    await settle(item, answer, { refusal, title, failed });
  }
}

const oldest = () => look(async ({ items }, asked) => {
  // All of them are few: what waits on one tablet, of at most a handful of people.
  const all = await asked(items.getAll());
  return all.find((item) => item.actor === me?.actor);
});

// The node has answered. If we die before this is on disk, the act is sent again and the node answers the same.
async function settle(item, answer, { refusal, title, failed }) {
  const no = refusal || answer?.ask || (item.path === "scans" && NO_USE.includes(answer.outcome) ? answer.why : "");
  // Whoever did it while there was no answer went on, too.
  const late = no && (failed || item.page !== page || item.ran < back || waitedMs(item) > LATE_MS);
  await change(async ({ items, kept }, asked) => {
    await asked(items.delete(item.key));
    if (late) await asked(kept.put({ ...item, why: no, answeredAt: Date.now() }));
  });
  tell({ changed: true, opId: item.opId, answer, refusal, title, late: late ? no : "" });
}

// ---------------------------------------------------------------- hear

function tell(news) {
  channel.postMessage(news);
  hear(news);
}

function hear(news) {
  const asker = askers.get(news.opId);
  askers.delete(news.opId);
  if (asker && news.refusal) asker.reject(new Refused(news.refusal, news.title));
  else if (asker) asker.resolve(news.answer);
  if (news.late) outbox.dispatchEvent(new CustomEvent("late", { detail: { why: news.late } }));
  refresh();
}
channel.addEventListener("message", (event) => { hear(event.data); flush(); });

// ---------------------------------------------------------------- what waits

export const isSent = ({ opId }) => opId === sending;
export const waiting = () => look(({ items }, asked) => asked(items.getAll()));
export const refusals = () => look(({ kept }, asked) => asked(kept.getAll()));

export async function seen(opId) {
  await change(({ kept }, asked) => asked(kept.delete(opId)));
  tell({ changed: true });
}

export async function refresh() {
  const [items, kept] = await Promise.all([waiting(), refusals()]).catch(() => [[], []]);
  const mine = items.filter((item) => item.actor === me?.actor).length;
  state = { mine, others: items.length - mine, kept: kept.length, items };
  outbox.dispatchEvent(new CustomEvent("change", { detail: state }));
}

// Something came from the node. While acts get no answer that proves nothing: they are tried instead.
export function sign() {
  if (unanswered && state.mine) kick();
  else heard();
}

// Whoever waits for contact may be early: ask at once.
export function kick() {
  tries = 0;
  flush();
}
addEventListener("online", kick);
document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") kick(); });
