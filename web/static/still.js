// Acts that are still on this tablet, at the top of what the node tells of the same thing: the first step of the proof
// ladder, of which the node knows nothing yet.

import { itemOf } from "./names.js";
import { outbox, waiting } from "./outbox.js";
import { element, ltr } from "./page.js";
import { momentWords } from "./times.js";
import { onTablet, titleOf } from "./waiting.js";

const ROWS_MAX = 50; // all of them stand in the outbox
const PLACES = ["bin", "location", "source", "target", "tote"];

// `show(acts, gone)`, newest first, whenever other ones of those that are `wanted` wait here; `gone`: one of those that
// were shown was answered. Ends with the controller that it answers.
export function whileHere(wanted, show) {
  const over = new AbortController();
  let before = [];
  const look = (items) => {
    const now = items.filter(wanted).reverse(), gone = before.some(({ opId }) => now.every((each) => each.opId !== opId));
    if (over.signal.aborted || (!gone && now.length === before.length)) return;
    before = now;
    show(now, gone);
  };
  outbox.addEventListener("change", ({ detail: { items } }) => look(items), { signal: over.signal });
  waiting().then(look, () => {});
  return over;
}

// Whether an act names this item or this place, {item} or {location}, as far as this tablet knows what was scanned.
export function concerns({ path, body }, { item, location }) {
  if (path === "scans" && item && itemOf(body.text) === item) return true;
  const names = (value) => Boolean(value) && typeof value === "object" && Object.entries(value).some(([name, said]) => names(said)
    || (item ? name === "item" && said === item : PLACES.includes(name) && said === location));
  return names(body);
}

// A row of each in a table whose columns are what, when, …, proof. `between(act)`: the cells in the middle.
export function rowsOf(acts, between) {
  return acts.slice(0, ROWS_MAX).map((each) => element("tr", {},
    element("td", { className: "wide", textContent: titleOf(each) }), element("td", { textContent: momentWords(each.at) }),
    ...between(each).map((content) => element("td", {}, content)), element("td", {}, onTablet())));
}

export const idOf = ({ opId }) => Object.assign(ltr(`${opId.slice(0, 8)}…`, "code"), { title: opId });
