// Codes of receipts, moves and counts that are over: a supervisor says what each was, or why it counts for nothing.

import { byId, say } from "./page.js";
import { lateCardOf } from "./unknown.js";
import { _ } from "./words.js";

for (const section of document.querySelectorAll("section.left")) {
  const list = section.querySelector(".lines");
  const reads = JSON.parse(section.querySelector("script").textContent);
  list.append(...reads.map((read) => {
    const card = lateCardOf(read, ({ recount }) => {
      card.remove();
      say("good", recount ? _("Explained: the bin is to be counted") : _("Explained"));
      if (!list.children.length) section.remove();
      if (document.querySelector("section.left")) return;
      if (document.querySelector(".rest")) location.reload();
      byId("none").hidden = false;
    });
    return card;
  }));
}
