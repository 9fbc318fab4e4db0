// Counting while the node is out of reach. The open bin goes on taking scans; what this tablet holds of it is listed as
// such and added to nothing, because only the node counts. The bins are those that the node named last.

import { stream } from "./bar.js";
import { lastState, recall } from "./last.js";
import { loadNames, nameOf } from "./names.js";
import { outbox, person, waiting } from "./outbox.js";
import { byId, element, ltr, say } from "./page.js";
import { place } from "./place.js";
import { reach } from "./reach.js";
import { enteredOf, onTablet, titleOf } from "./waiting.js";
import { stayAwake } from "./shell.js";
import { _ } from "./words.js";

const GRACE_MS = 1500; // what is answered sooner is not worth a line that comes and goes
const ROWS_MAX = 50;
const MOVES = ["counts/open", "counts/close", "counts/leave"];
const ACTS = { "counts/undo": _("Undo"), "counts/empty": _("Bin empty") };
let held = [], timer = 0;

// ---------------------------------------------------------------- the bin as far as this tablet knows it

function show() {
  const { bin = "" } = place.here(), last = lastState();
  const gone = new Set(held.filter((item) => item.path !== "counts/open" && MOVES.includes(item.path)).map((item) => item.body.bin));
  let screen = last.screen;
  if (!bin && screen?.kind === "count") screen = null;
  if (bin && screen?.target !== bin) {
    screen = { task: `held ${bin}`, kind: "count", target: bin, lines: [], last: [], parked: 0, empty: false };
  }
  const bins = last.bins.filter((each) => !gone.has(each.bin));
  stream.dispatchEvent(new CustomEvent("state", { detail: { ...last, screen, bins, held: true } }));
  list();
}

async function resume() {
  await Promise.all([recall(), place.known]);
  if (reach.ok) return;
  if (person()) show();
  else say("warn", _("The node is out of reach, and nobody is logged in here"), { aloud: false });
}

// ---------------------------------------------------------------- what this tablet holds of it

function titled(item) {
  if (item.path === "scans") return nameOf(item.body.text) || item.body.text;
  if (item.path === "counts/enter") return `${item.body.item}: ${enteredOf(item.body)}`;
  return ACTS[item.path] || titleOf(item);
}

function rows() {
  const { bin } = place.here(), found = [];
  for (const item of held.filter((each) => bin && each.body.bin === bin && !MOVES.includes(each.path))) {
    const same = item.path === "scans" && found.find((row) => row.item.body.text === item.body.text);
    if (same) same.count += 1;
    else found.push({ item, count: 1 });
  }
  return found;
}

function rowOf({ item, count }) {
  const code = item.path === "scans" && titled(item) !== item.body.text ? ltr(item.body.text, "quiet") : "";
  const what = element("div", { className: "what" }, element("strong", { textContent: titled(item) }), code);
  return element("article", { className: "line card held" }, what, onTablet(), element("output", { className: "count", textContent: count > 1 || item.path === "scans" ? count : "" }));
}

function list() {
  clearTimeout(timer);
  const found = rows(), oldest = Math.min(...held.map((item) => item.at));
  const young = reach.ok !== false && Date.now() - oldest < GRACE_MS;
  if (found.length && young) timer = setTimeout(list, GRACE_MS);
  const shown = found.length > 0 && !young;
  byId("held").hidden = !shown;
  byId("held-lines").replaceChildren(...(shown ? found.slice(-ROWS_MAX).reverse().map(rowOf) : []));
  if (!shown) return;
  byId("no-lines").hidden = true;
  byId("undo").disabled = byId("done").disabled = false;
  byId("empty").disabled = true;
}

outbox.addEventListener("change", (event) => { held = event.detail.items.filter((item) => item.actor === person()?.actor); list(); });
outbox.addEventListener("put", async ({ detail: item }) => {
  if (reach.ok !== false) return;
  held = (await waiting()).filter((each) => each.actor === item.actor);
  const moved = MOVES.includes(item.path) || (item.path === "scans" && !item.body.bin);
  if (moved) show();
  else list();
  const row = rows().find((each) => each.item.body.text === item.body.text && item.path === "scans");
  if (row) say("held", titled(item), { figure: row.count });
  else if (titled(item)) say("held", _("%(what)s: on this tablet", { what: titled(item) }));
});
reach.addEventListener("change", ({ detail: ok }) => {
  if (ok) say("quiet", _("The node is in reach again"), { aloud: false });
  else say("warn", place.here().bin ? _("The node is out of reach: count on, this tablet keeps it") : _("The node is out of reach: scan a bin first"), { aloud: false });
  if (!ok) show();
});
loadNames();
stayAwake();
setTimeout(() => { if (!reach.ok) resume(); }, GRACE_MS);
