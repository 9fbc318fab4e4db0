// The proof ladder beside an operation, followed until its proof stands on the company's chain.

import { get } from "./api.js";
import { _ } from "./words.js";

const EVERY_MS = 1500;
const NAMES = {
  recorded: _("recorded"), sealed: _("sealed"), delivered: _("delivered"), verified: _("verified"), anchored: _("anchored"),
};

function rungOf(rung) {
  const shape = Object.assign(document.createElement("span"), { className: "shape", textContent: rung.shape });
  shape.setAttribute("aria-hidden", "true");
  const step = Object.assign(document.createElement("li"), { title: rung.words });
  step.append(shape, ` ${NAMES[rung.name] || rung.name}`);
  if (rung.reached) step.dataset.reached = "";
  return step;
}

// `place` holds an ordered list and an element .words; ends when anchored, or when `stillWanted` says no.
export async function follow(opId, place, stillWanted = () => true) {
  let state = "";
  while (stillWanted()) {
    const found = await get(`operations/${opId}`).catch(() => null);
    if (found && found.state !== state && stillWanted()) {
      state = found.state;
      place.querySelector(".ladder").replaceChildren(...found.ladder.map(rungOf));
      place.querySelector(".words").textContent = found.words;
      place.dataset.state = state;
      place.dispatchEvent(new CustomEvent("rung", { detail: state }));
    }
    if (state === "anchored") return;
    await new Promise((resume) => setTimeout(resume, EVERY_MS));
  }
}
