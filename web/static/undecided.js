// Scans about which a person decides: one more piece, or the same scan once more.

import { act, get } from "./api.js";
import { attempt, element, ltr, say } from "./page.js";
import { clockWords } from "./times.js";
import { _, apart } from "./words.js";

function whyOf(read) {
  if (read.before_ms === null) return read.why;
  return _("The scanner may have sent it twice: read at %(before)s, and again at %(again)s.",
    { before: clockWords(read.before_ms), again: clockWords(read.at_ms) });
}

function cardOf(read, gone) {
  const refusal = element("p", { className: "refusal" });
  refusal.setAttribute("role", "alert");
  const decide = (words, path, wish, done) => {
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
    apart(read.device), read.bin && _("in %(place)s", { place: read.bin }), read.before_ms === null && _("at %(time)s", { time: clockWords(read.at_ms) }),
  ].filter(Boolean).join(" · ");
  return element("article", { className: "card unknown" }, ltr(read.text, "code"),
    element("p", { textContent: whyOf(read) }), element("p", { className: "quiet", textContent: where }),
    element("div", { className: "actions" }, decide(_("One more piece"), "reads/count", {}, _("Counted")),
      decide(_("Do not count it"), "reads/dismiss", { reason: "same-piece" }, _("Not counted"))), refusal);
}

// Fills `list` with what waits, and calls `empty` when nothing does any more.
export async function showUndecided(list, empty = () => {}) {
  const { rows } = await get("reads/undecided");
  const cards = rows.map((read) => {
    const card = cardOf(read, () => {
      card.remove();
      if (!list.children.length) empty();
    });
    return card;
  });
  list.replaceChildren(...cards);
  if (!cards.length) empty();
  return cards.length;
}
