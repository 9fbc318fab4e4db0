// Scans about which a person decides: one more piece, or the same scan once more; and those of nobody's scanner.

import { act, get } from "./api.js";
import { attempt, element, ltr, say } from "./page.js";
import { clockWords } from "./times.js";
import { _, apart } from "./words.js";

function whyOf(read) {
  if (read.before_ms === null) return read.why;
  return _("The scanner may have sent it twice: read at %(before)s, and again at %(again)s.",
    { before: clockWords(read.before_ms), again: clockWords(read.at_ms) });
}

// What can be said: words, path, more of the wish, and what is answered.
const OWN = () => [
  [_("One more piece"), "reads/count", {}, _("Counted")],
  [_("Do not count it"), "reads/dismiss", { reason: "same-piece" }, _("Not counted")],
];
const NOBODYS = () => [
  [_("Take it"), "reads/count", {}, _("It is yours now")],
  [_("Scanned again"), "reads/dismiss", { reason: "scanned-again" }, _("Not counted")],
  [_("Not stock"), "reads/dismiss", { reason: "not-stock" }, _("Not counted")],
  [_("A test"), "reads/dismiss", { reason: "test" }, _("Not counted")],
];

function cardOf(read, choices, why, gone) {
  const refusal = element("p", { className: "refusal" });
  refusal.setAttribute("role", "alert");
  const decide = ([words, path, wish, done]) => {
    const button = element("button", { className: "button", type: "button", textContent: words });
    button.addEventListener("click", () => attempt(async () => {
      try {
        await act(path, { read: read.read, ...wish });
      } catch (error) { refusal.textContent = error.message; throw error; }
      gone();
      say("good", done);
    }));
    return button;
  };
  const where = [
    apart(read.device), read.bin && _("in %(place)s", { place: read.bin }), (!why || read.before_ms === null) && _("at %(time)s", { time: clockWords(read.at_ms) }),
  ].filter(Boolean).join(" · ");
  return element("article", { className: "card unknown" }, ltr(read.text, "code"),
    ...(why ? [element("p", { textContent: why })] : []), element("p", { className: "quiet", textContent: where }),
    element("div", { className: "actions" }, ...choices.map(decide)), refusal);
}

// Fills `list` with what waits, and calls `empty` when nothing does any more.
async function show(address, list, choices, why, empty) {
  const { rows } = await get(address);
  const cards = rows.map((read) => {
    const card = cardOf(read, choices, why(read), () => {
      card.remove();
      if (!list.children.length) empty();
    });
    return card;
  });
  list.replaceChildren(...cards);
  if (!cards.length) empty();
  return cards.length;
}

export const showUndecided = (list, empty = () => {}) => show("reads/undecided", list, OWN(), whyOf, empty);
export const showUnclaimed = (list, empty) => show("reads/unclaimed", list, NOBODYS(), () => "", empty);
