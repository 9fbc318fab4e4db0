// The list of operations: those that are still on this tablet stand on top, and when the node has them, in their place.

import { byId, element, openDialog } from "./page.js";
import "./search.js";
import { idOf, rowsOf, whileHere } from "./still.js";

const still = byId("still");
if (still) {
  const between = (act) => ["who" in still.dataset && element("bdi", { textContent: act.name }), idOf(act)].filter(Boolean);
  whileHere(() => true, (acts, gone) => {
    if (gone && !acts.length && !openDialog() && !document.activeElement.matches("input, select")) { location.reload(); return; }
    still.replaceChildren(...rowsOf(acts, between));
    const known = byId("known").childElementCount > 0;
    byId("history").hidden = !acts.length && !known;
    if (byId("nothing")) byId("nothing").hidden = acts.length > 0;
  });
}
