// What the pages of floor work share: a code and what it stands for, amounts, questions, the proof of what was done.

import { act, post, Unreachable } from "./api.js";
import { withMark, written } from "./amounts.js";
import { answerOrKept } from "./away.js";
import { takeCodes } from "./bar.js";
import "./files.js";
import { Keypad } from "./keypad.js";
import { follow } from "./ladder.js";
import { attempt, byId, element, makeWay, openDialog, pressed, say, untilClosed } from "./page.js";
import { heldWords, offer } from "./part.js";
import { outbox, whose } from "./outbox.js";
import { onPhoto } from "./photo.js";
import { reach } from "./reach.js";
import { stayAwake } from "./shell.js";
import { dayWords } from "./times.js";
import { codeOf } from "./told.js";
import { unsent } from "./unsent.js";
import { onScan, TYPED } from "./wedge.js";
import { _, apart } from "./words.js";

// What a code stands for, {kind: location | item | operation, …}; nothing begins by it. `how`: as `onCode` says it.
export const lookUp = (text, how = {}) => codeOf(text, () => post("lookup", { text, ...how }));

const ENDING_MS = 250;
let before = Promise.resolve();
// Codes that are read from now on are taken when this is over, whatever came of it: until then nobody knows what they
// belong to.
export function beforeCodes(begun) { before = Promise.all([before, begun.catch(() => {})]); }

// A code whose amount is asked for is nowhere until that is answered: it stands on the tablet's disk, and is taken once
// more when the page has ended before, by a reload or a flat battery.
const owed = whose().then((me) => unsent(me?.actor ?? "", "owed"));
let code = null; // the one that is being taken: {text, how}
function takeOwed(take, resume) {
  let kept = null;
  const again = () => {
    before = before.then(() => kept && attempt(async () => {
      if (openDialog()) return; // it is taken the next time
      code = { text: kept.text, how: kept.how };
      await resume(kept.here);
      await take(code.text, code.how);
      kept = null;
      if (!("owed" in (openDialog()?.dataset ?? {}))) (await owed).drop(); // it needs no amount any more, or no place is left for it
    }));
  };
  owed.then(async ({ said }) => { kept = await said; again(); });
  reach.addEventListener("change", ({ detail: ok }) => { if (ok) again(); });
}

// Every code on this page, scanned or typed, in order: one is done before the next begins. `take(text, how)`: TYPED or
// nothing. `resume(here)`: back to where the amount of a code was asked for, as `askAmount` was told.
export function onCode(take, resume = () => {}) {
  const taken = async (text, how) => {
    code = { text, how };
    try {
      await take(text, how);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      // The browser breaks off what a page asks just before it ends it: then this goes on no more, and nothing is taken.
      await new Promise((resume) => setTimeout(resume, ENDING_MS));
      throw new Unreachable(`${error.message} ${_("It was not taken: scan it again when the node answers.")}`, { cause: error });
    }
  };
  // `over()`: it is taken, which is so as soon as what it led to is on this tablet's disk, and in any case once it was
  // said what became of it. If the page ends before that, the node gives the code to the next one.
  const queue = (text, how = {}, over = () => {}) => {
    before = before.then(async () => {
      outbox.addEventListener("put", over);
      await attempt(() => makeWay() && taken(text, how));
      outbox.removeEventListener("put", over);
      over();
    });
    return before;
  };
  takeOwed(take, resume);
  stayAwake();
  onScan((text) => queue(text), (text, field) => (byId("keypad")?.open && /^[0-9]{1,6}$/.test(text)) || (field?.type === "password"));
  onPhoto(queue);
  takeCodes((text, over) => queue(text, {}, over)); // read by a scanner at the node
  byId("type")?.addEventListener("click", () => { byId("code-text").value = ""; byId("code").showModal(); });
  byId("code-form")?.addEventListener("submit", () => {
    const text = byId("code-text").value.trim();
    if (text) queue(text, TYPED);
  });
}

// ---------------------------------------------------------------- amounts

let typing = null;
const keypad = byId("keypad") && new Keypad(byId("keypad"), (digits) => { byId("keypad-value").textContent = withMark(digits || "0"); }, () => {
  const { digits } = keypad;
  byId("keypad").close();
  if (digits !== "") typing.taken = typing.take(digits.replace(/\.$/, ""));
});
byId("keypad")?.addEventListener("keydown", (event) => keypad.typed(event));
// It is answered, or given up, as soon as what that led to is on the disk.
byId("keypad")?.addEventListener("close", () => {
  if (!typing.owed) return;
  const over = new AbortController(), drop = async () => { if (!over.signal.aborted) { over.abort(); (await owed).drop(); } };
  outbox.addEventListener("put", drop, { signal: over.signal });
  Promise.resolve(typing.taken).then(drop);
});

// Digits as somebody types them in the item's unit; the first one replaces `now`. `more`: see `part.js`; `owed`: of what
// was scanned, and is nowhere until this is answered; `here`: of it, what this page needs to take it once more. Resolves
// when that is on the disk.
export async function askAmount(title, now, decimals, take, more = {}) {
  offer(more);
  typing = { take, owed: Boolean(more.here) };
  byId("keypad").toggleAttribute("data-owed", Boolean(more.owed));
  keypad.clear();
  keypad.point = decimals > 0;
  byId("point").hidden = !decimals;
  byId("keypad-title").textContent = title;
  byId("keypad-value").textContent = written(now, decimals);
  byId("keypad").showModal();
  if (more.here) await (await owed).keep({ ...code, here: more.here });
}

// A label without a weight stands for one gram of what is sold by the kilogram, and nobody means that.
export const isWeightless = ({ decimals, quantity }) => Boolean(decimals) && quantity === 1;

// ---------------------------------------------------------------- lines

// What a line's button says, and what it is called for who does not see the line.
export const ACTS = {
  change: [_("Change"), (name) => _("Change %(name)s", { name })],
  remove: [_("Remove"), (name) => _("Remove %(name)s", { name })],
  release: [_("Release"), (name) => _("Release %(name)s", { name })],
};

// A line with a figure: `details` stand below the name; `act` = [one of ACTS, what it does], or none; `also`: more
// buttons, before it.
export function lineOf({ title, details, figure, beside = "", act = null, also = [], latest = false }) {
  const what = element("div", { className: "what" }, element("strong", { textContent: title }), element("span", { className: "quiet", textContent: details.filter(Boolean).join(" · ") }));
  const row = element("article", { className: "line card" }, what,
    element("div", { className: "amount" }, element("output", { className: "count", dir: "ltr", textContent: figure }), element("span", { className: "quiet", textContent: beside })));
  row.append(...also);
  if (act) {
    const button = element("button", { className: "button", type: "button", textContent: act[0][0] });
    button.setAttribute("aria-label", act[0][1](title));
    button.addEventListener("click", act[1]);
    row.append(button);
  }
  if (latest) row.dataset.latest = "";
  return row;
}

export const detailsOf = ({ item, lot, serial, expiry, status }) => [
  heldWords(status),
  apart(item), lot && _("lot %(lot)s", { lot }), serial && _("serial %(serial)s", { serial }), expiry && _("expires %(day)s", { day: dayWords(expiry) }),
];

export function tileOf(title, words, take) {
  const tile = element("button", { className: "tile", type: "button" }, element("strong", {}, element("bdi", { textContent: title })), element("span", { textContent: words }));
  tile.addEventListener("click", () => attempt(take));
  return tile;
}

// ---------------------------------------------------------------- questions

// `reasons`: [[code, words], …] to choose from; `then` gets the one that was chosen, and a signal that says that the dialog
// was closed. A refusal stays in sight.
let agreed = () => {};
export function ask(title, words, yes, then, reasons = []) {
  byId("ask-title").textContent = title;
  byId("ask-words").textContent = words;
  byId("ask-refusal").textContent = "";
  byId("ask-yes").textContent = yes;
  byId("ask-why-part").hidden = !reasons.length;
  byId("ask-why").replaceChildren(...reasons.map(([code, said]) => element("option", { value: code, textContent: said })));
  agreed = then;
  byId("ask-yes").disabled = false;
  byId("ask").showModal();
}
byId("ask-yes")?.addEventListener("click", ({ currentTarget }) => pressed(currentTarget, async () => {
  const signal = untilClosed(byId("ask"));
  try {
    await agreed(byId("ask-why").value, signal);
    if (!signal.aborted) byId("ask").close();
  } catch (error) {
    byId("ask-refusal").textContent = error.message;
    throw error;
  }
}));

// ---------------------------------------------------------------- proof

const TAKE_BACK_MS = 60000; // as the node says (`documents/take-back`)
let proofOf = "", tooLate = 0;
// `back`: for a minute it can be taken back with one touch.
export function done(opId, title, { proposed = false, paper = false, back = false } = {}) {
  say("good", title);
  clearTimeout(tooLate);
  if (byId("take-back")) byId("take-back").hidden = !back;
  if (back) tooLate = setTimeout(() => { byId("take-back").hidden = true; }, TAKE_BACK_MS);
  proofOf = proposed ? "" : opId;
  byId("proof").hidden = proposed;
  if (proposed) return;
  byId("proof").querySelector(".ladder").replaceChildren();
  byId("proof").querySelector(".words").textContent = "";
  byId("proof-title").textContent = title;
  byId("proof-link").href = `/operations/${opId}`;
  byId("paper").href = `/papers/${opId}`;
  byId("paper").hidden = !paper;
  follow(opId, byId("proof"), () => proofOf === opId);
}

byId("take-back")?.addEventListener("click", () => attempt(async () => {
  byId("take-back").hidden = true;
  const answer = await answerOrKept("documents/take-back", { of: proofOf }, act);
  if (answer) done(answer.op_id, answer.exception ? _("Kept as an exception: the bin is to be counted") : _("Moved back"));
}));

export function stopFollowing() {
  proofOf = "";
  byId("proof").hidden = true;
}
