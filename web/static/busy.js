// Whoever has something else open is told what it is, and led there.

import { byId, element, say } from "./page.js";
import { _ } from "./words.js";

const ONWARDS = {
  count: ({ target }) => ["/count", _("On with bin %(bin)s", { bin: target })],
  receive: ({ target }) => ["/receive", target ? _("On with the receipt into %(place)s", { place: target }) : _("On with the receipt")],
  move: ({ source }) => ["/move", source ? _("On with the move from %(place)s", { place: source }) : _("On with the move")],
};

// `screen`: what is open on another page than this one, or null.
export function leadOn(screen) {
  byId("busy")?.remove();
  if (!screen) return;
  const [href, words] = ONWARDS[screen.kind](screen);
  say("warn", _("You are busy with something else: go on with it, or finish it"), { aloud: false });
  byId("choose").prepend(element("div", { id: "busy", className: "actions" }, element("a", { className: "button primary", href, textContent: words })));
}
