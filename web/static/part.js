// What else can be said of a line than how much there is: that a part of it is held, and until when its lot keeps.

import { byId, element } from "./page.js";
import { _ } from "./words.js";

export const HELD = { damage: _("damaged"), quality: _("quality in doubt"), expired: _("expired") };
// The part of a line's details that says so.
export const heldWords = (status) => HELD[status] && `■ ${HELD[status]}`;

// Buttons of the key pad, by the act that each begins.
const BUTTONS = ["part", "expiry"];
let acts = {};
for (const name of BUTTONS) {
  byId(`keypad-${name}`)?.addEventListener("click", () => {
    byId("keypad").close();
    acts[name]();
  });
}

// What the key pad offers besides a number: `part` and `expiry`, either may be missing.
export function offer(what) {
  acts = what;
  for (const name of BUTTONS) {
    const button = byId(`keypad-${name}`);
    if (button) button.hidden = !acts[name];
  }
}

let held = () => {};
// What is wrong: `take` gets the status; `now` is the one that it has already.
export function askHeld(title, take, now = "") {
  byId("part-title").textContent = title;
  for (const each of byId("part").querySelectorAll("[data-held]")) each.hidden = each.dataset.held === now;
  held = take;
  byId("part").showModal();
}
byId("part")?.addEventListener("click", ({ target }) => {
  const status = target.closest("[data-held]")?.dataset.held;
  if (!status) return;
  byId("part").close();
  held(status);
});

let dated = () => {};
export function askExpiry(title, now, take) {
  byId("expiry-title").textContent = title;
  byId("expiry-day").value = now || "";
  dated = take;
  byId("expiry").showModal();
}
byId("expiry-form")?.addEventListener("submit", () => {
  if (byId("expiry-day").value) dated(byId("expiry-day").value);
});

// For a line that has no key pad, since it is one piece.
export function heldButton(title, take) {
  const button = element("button", { className: "button", type: "button", textContent: byId("keypad-part").textContent });
  button.setAttribute("aria-label", `${button.textContent} ${title}`);
  button.addEventListener("click", () => askHeld(title, take));
  return button;
}
