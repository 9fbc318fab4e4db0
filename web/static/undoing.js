// What "Undo" takes back: what the person saw as last. What was done on this tablet and is not shown yet stands above what
// is shown, in the order in which it was done and is sent; each undo among it has taken one away. So an undo that waits
// behind other acts names what it is about, and never takes back what another tablet or scanner has added by then.

import { outbox, person } from "./outbox.js";
import { settled } from "./settled.js";

const SAYS = ["scans", "scans/resolve", "counts/enter", "counts/empty", "tasks/enter", "tasks/part"], UNDO = "counts/undo";
let items = []; // in the outbox, also from before a reload
let recent = []; // done on this page, whether it is still in there or not
let named = []; // what undos of this page are about: such an act is not in the outbox at once

outbox.addEventListener("change", ({ detail }) => { items = detail.items; });
outbox.addEventListener("put", ({ detail }) => { recent.push(detail); });

// `shown`: the newest events of the task, newest first; `here`: {bin} or {task} to which an act belongs. Answers what names
// the last that stands, {of} an act or {seen} a number; {} where nothing does.
export function lastSaid(shown, here) {
  if (settled()) { recent = []; named = []; }
  const done = [...items.filter((each) => !recent.some(({ opId }) => opId === each.opId)), ...recent].filter(({ actor, path, body }) => (
    actor === person()?.actor && (path === UNDO || SAYS.includes(path))
    && ("park" in body || Object.entries(here).every(([name, value]) => body[name] === value))));
  // They are sent in order: what was done before one that is shown has its answer, too.
  const since = done.findLastIndex(({ opId }) => shown.some(({ act }) => act === opId)) + 1;
  const stands = shown.filter(({ kind, undone }) => !undone && kind !== "undo").reverse().map(({ number, act }) => ({ seen: number, of: act }));
  const take = ({ of, number, seen }) => {
    const at = stands.findLastIndex((each) => (of ? each.of === of : number ? each.seen === number : !seen || each.seen <= seen));
    if (at >= 0) stands.splice(at, 1);
  };
  for (const { opId, path, body } of done.slice(since)) {
    if (path === UNDO) take(body);
    else stands.push({ of: opId });
  }
  const last = stands.findLast(({ of, seen }) => !named.some((each) => (seen ? each.seen === seen : each.of === of)));
  return !last ? {} : last.seen ? { seen: last.seen } : { of: last.of };
}

// The same for an undo that is done now: the next one is about another.
export function undoLast(shown, here) {
  const last = lastSaid(shown, here);
  named.push(last);
  return last;
}
