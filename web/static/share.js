// Two people at one bin: whether the second one counts all of it once more or a part of it, and what its counter says.

import { act } from "./api.js";
import { attempt, byId, element, say } from "./page.js";
import { place } from "./place.js";
import { _ } from "./words.js";

const STATES = { asked: _("asks you"), agreed: _("agreed, not begun"), counting: _("being counted"), counted: _("counted"), left: _("given back: count it too") };

// Somebody counts this bin already: nothing begins until it is said what is meant.
export function askHow(bin, words) {
  byId("share-words").textContent = words;
  byId("share-area").value = byId("share-refusal").textContent = "";
  byId("share").dataset.bin = bin;
  byId("share").showModal();
}

async function open(how, more = {}) {
  const { bin } = byId("share").dataset;
  try {
    const answer = await act("counts/open", { ...place.goTo(bin), how, ...more });
    byId("share").close();
    if (answer.state === "asked") {
      place.leave(bin);
      say("good", _("You asked for a part of %(bin)s: its counter says yes or no", { bin }));
    }
  } catch (error) {
    place.refused(bin);
    byId("share-refusal").textContent = error.message;
    throw error;
  }
}

byId("share-second").addEventListener("click", () => attempt(() => open("second")));
byId("share-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const area = byId("share-area").value.trim();
  if (area) attempt(() => open("share", { area }));
  else { byId("share-refusal").textContent = _("Say which part: upper shelf, left half, …"); byId("share-area").focus(); }
});

// The parts of the open bin, and who asks for one; nothing of what is in them.
export function showAreas({ target, areas = [] }) {
  byId("areas").hidden = !areas.length;
  const own = areas.find((each) => each.mine);
  byId("area-lines").replaceChildren(...areas.map((each) => {
    const row = element("article", { className: "line card" }, element("div", { className: "what" },
      element("strong", {}, element("bdi", { textContent: each.name || _("the rest") })),
      element("span", { className: "quiet" }, element("bdi", { textContent: each.mine ? _("you") : each.by }), ` · ${STATES[each.state]}`)));
    if (!["asked", "left"].includes(each.state) || own?.area > 0) return row; // only the bin's own counter answers
    const back = (words) => button(words, () => act("counts/share", { bin: target, area: each.area, agree: false }));
    row.append(...(each.state === "left" ? [back(_("I have counted it"))] : [button(_("Agree"), () => agree(target, each, own)), back(_("No"))]));
    return row;
  }));
}

function button(words, take) {
  const made = element("button", { className: "button", type: "button", textContent: words });
  made.addEventListener("click", () => attempt(take));
  return made;
}

let answered = null;
function agree(bin, area, own) {
  answered = { bin, area: area.area };
  byId("own-words").textContent = _("%(name)s counts: %(area)s. What do you go on with?", { name: area.by, area: area.name });
  byId("own-area").value = own?.name || "";
  byId("own-refusal").textContent = "";
  byId("own").showModal();
}
byId("own-form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    try {
      await act("counts/share", { ...answered, agree: true, own: byId("own-area").value.trim() });
      byId("own").close();
    } catch (error) {
      byId("own-refusal").textContent = error.message;
      throw error;
    }
  });
});
