// A list of the node's that is longer than a screen: its rows stand there two hundred at a time, and a way leads on.

import { get } from "./api.js";
import { attempt, element } from "./page.js";
import { _ } from "./words.js";

// `list`: the element after which the way on stands. `path`: the list's, at the API. `rows`: those that are shown, the
// first ones; `next`: the cursor behind them, null where there are no more, absent where nobody asked the list itself yet.
// `show(rows)` puts others into their place.
export function rest(list, path, { rows, next }, show) {
  let first = 0, { length } = rows;
  const words = element("span", { className: "quiet" });
  const button = (textContent, cursorOf) => {
    const made = element("button", { className: "button", type: "button", textContent });
    made.addEventListener("click", () => attempt(async () => {
      const cursor = await cursorOf();
      if (cursor === null) { next = null; tell(); return; }
      const page = await get(`${path}${path.includes("?") ? "&" : "?"}${new URLSearchParams(cursor && { cursor })}`);
      first = cursor ? first + length : 0;
      ({ rows: { length }, next } = page);
      show(page.rows);
      tell();
    }));
    return made;
  };
  const back = button(_("From the beginning"), () => "");
  const onwards = button(_("Next ones"), async () => (next === undefined ? (await get(`${path}${path.includes("?") ? "&" : "?"}limit=${length}`)).next : next));
  const nav = element("nav", { className: "actions rest" }, words, back, onwards);
  nav.setAttribute("aria-label", _("More of this list"));
  function tell() {
    words.textContent = next === null ? _("%(first)s to %(last)s, the last ones", { first: first + 1, last: first + length })
      : _("%(first)s to %(last)s, and there are more", { first: first + 1, last: first + length });
    nav.hidden = next === null && !first;
    back.hidden = !first;
    onwards.hidden = next === null;
  }
  tell();
  if (list.nextElementSibling?.matches("nav.rest")) list.nextElementSibling.remove();
  list.after(nav);
}
