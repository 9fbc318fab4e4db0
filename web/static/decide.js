// The dialog in which somebody decides: what it means, why, and for what is signed a PIN. One for every page.

import { Keypad } from "./keypad.js";
import { byId } from "./page.js";
import { _ } from "./words.js";

// `choices` by name: {title, yes, words, why: id of the reason's part or "", give: whether it says who counts and until
// when, signed, act: async () => answer, done}.
export function decider(choices) {
  const dialog = byId("decide");
  let choice = null;
  const keypad = new Keypad(dialog.querySelector(".keypad"), (digits) => { byId("pin").value = digits; }, decide);

  function open(name) {
    choice = choices[name];
    const words = typeof choice.words === "function" ? choice.words() : choice.words;
    byId("decide-title").textContent = choice.title;
    byId("decide-words").textContent = words;
    byId("decide-yes").textContent = choice.yes;
    byId("decide-yes").hidden = Boolean(choice.signed); // the keypad's own last key signs
    byId("refusal").textContent = "";
    byId("pin-part").hidden = !choice.signed;
    const why = typeof choice.why === "function" ? choice.why() : choice.why;
    for (const part of dialog.querySelectorAll("[data-why]")) part.hidden = part.id !== why;
    if (byId("give-part")) byId("give-part").hidden = !choice.give;
    keypad.clear();
    dialog.showModal();
  }

  async function decide() {
    if (choice.signed && !byId("pin").value) { byId("refusal").textContent = _("Type your PIN: it signs what you do."); return; }
    for (const each of dialog.querySelectorAll("button")) each.disabled = true;
    try {
      const answer = await choice.act();
      dialog.close();
      choice.done(answer);
    } catch (error) {
      byId("refusal").textContent = error.message;
      keypad.clear();
    }
    for (const each of dialog.querySelectorAll("button")) each.disabled = false;
  }

  byId("decide-yes").addEventListener("click", decide);
  byId("pin").addEventListener("input", () => { keypad.digits = byId("pin").value; });
  dialog.addEventListener("keydown", (event) => {
    if (!choice.signed) return;
    if (event.target === byId("pin")) { if (event.key === "Enter") decide(); }
    else if (event.target.tagName !== "SELECT") keypad.typed(event);
  });
  for (const name of Object.keys(choices)) byId(name)?.addEventListener("click", () => open(name));
  return { open, dialog };
}
