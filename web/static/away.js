// Pages of floor work while the node is out of reach: they say so and what can be done, and what is done is kept here.

import { outbox } from "./outbox.js";
import { say } from "./page.js";
import { reach } from "./reach.js";
import { ageWords } from "./times.js";
import { titleOf } from "./waiting.js";
import { _ } from "./words.js";

const GRACE_MS = 1500;
export const OUT = _("The node is out of reach.");
export const SCAN_ON = _("Scan on. It is on this tablet, and sent as soon as the node answers.");

// `words()`: what can be done now; `back()`: the node answers again.
export function whenAway(words, back = () => {}) {
  let away = false, done = false;
  outbox.addEventListener("put", () => { done = true; });
  const tell = () => {
    away = true;
    say("warn", `${OUT} ${words()}`, { aloud: false });
  };
  reach.addEventListener("change", ({ detail: ok }) => {
    if (!ok) { tell(); return; }
    if (!away) return;
    away = false;
    say("quiet", _("The node is in reach again"), { aloud: false });
    back();
  });
  // What the page said meanwhile of what it could not load gives way; what the person did meanwhile is read on.
  setTimeout(() => { if (!reach.ok && !(away && done)) tell(); }, GRACE_MS);
}

export const since = (answer) => (answer.told ? _("What is shown is %(age)s old.", { age: ageWords(Date.now() - answer.told) }) : "");

const sayKept = (item) => say("held", _("%(what)s: on this tablet", { what: titleOf(item) }));
outbox.addEventListener("put", ({ detail: item }) => { if (reach.ok === false) sayKept(item); });

// An act that was begun: what the node answers, or null as soon as the act is on this tablet's disk and the node out of
// reach, whichever came first. Whatever the node says later to that one stands in the outbox.
export function answerOrKept(path, body, act) {
  const over = new AbortController(), { signal } = over;
  const kept = new Promise((resolve) => {
    outbox.addEventListener("put", ({ detail: item }) => {
      if (item.path !== path) return;
      if (reach.ok === false) resolve(null);
      reach.addEventListener("change", () => { sayKept(item); resolve(null); }, { signal });
    }, { signal });
  });
  return Promise.race([act(path, body), kept]).finally(() => over.abort());
}
