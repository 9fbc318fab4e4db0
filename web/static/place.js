// Where the counter is: the bin to which what is done now belongs, so that nothing sent late is counted elsewhere.
//
// The person's own acts say it first, the node's state only when nothing is under way: a state may be older than the act
// that was just answered.

import { stream } from "./bar.js";
import { person, whose } from "./outbox.js";
import { reader } from "./labels.js";
import { byId } from "./page.js";
import { settled } from "./settled.js";
import { fact, setFact } from "./store.js";

const KEY = "place";
const read = reader(JSON.parse(byId("counting").dataset.labels));
let bin = "", written = null, shown = "", bins = [];

// Known after a reload without the node, and after a flat battery: it is on the disk before what is scanned there.
function be(code) {
  bin = code;
  if (code === written) return;
  written = code;
  setFact(KEY, { actor: person()?.actor, bin }).catch(() => {}); // a disk that takes nothing refuses the scan itself
}

// What this tablet remembers, unless something newer was said by then.
const known = (async () => {
  const me = await whose(), kept = await fact(KEY).catch(() => null);
  if (written === null && kept && kept.actor === me?.actor) bin = written = kept.bin;
})();

// What the node said of it, or said last: somebody who is not logged in is nowhere.
const told = new Promise((resolve) => {
  stream.addEventListener("state", resolve, { once: true });
  whose().then((me) => me || resolve());
});

stream.addEventListener("state", ({ detail: state }) => {
  bins = state.bins.map((each) => each.bin);
  if (state.held) return;
  shown = state.screen?.kind === "count" ? state.screen.target : "";
  if (settled()) be(shown);
});

// The bin that a label names, or "": as the node reads it, with or without a symbology identifier. A bare code names one
// where none is open, and where it was `typed`, in any case. A unit's label does where the unit is counted as a bin is.
function label(text, { typed = false } = {}) {
  const { kind, code = "" } = read(text) || {};
  if (kind === "bin") return code;
  if (kind === "unit") return code === bin || (!bin && bins.includes(code)) ? code : "";
  if (kind) return "";
  const plain = text.replace(/^\][A-Za-z][0-9]/, "");
  const names = typed ? (each) => each.toLowerCase() === plain.toLowerCase() : (each) => !bin && each === plain;
  return bins.find(names) || "";
}

export const place = {
  known, // until then nobody can say where a scan belongs
  told, // nor, where this tablet remembers no bin, until then
  label,
  here: () => (bin ? { bin } : {}),
  goTo(code) {
    be(code);
    return { bin: code };
  },
  // A scan: the label of a bin leads there, everything else belongs where the counter is.
  of(text, how) {
    const code = label(text, how);
    if (code) be(code);
    return code ? { text } : { text, ...place.here() };
  },
  leave(code) {
    if (code === bin) be("");
  },
  // The node did not let the counter in there: they are where it shows them.
  refused(code) {
    if (code === bin) be(shown);
  },
};
