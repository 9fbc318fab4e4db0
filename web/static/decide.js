// The dialog in which somebody decides: what it means, why, and for what is signed a PIN. One for every page.

import { Keypad } from "./keypad.js";
import { byId, say, untilClosed } from "./page.js";
import { reach } from "./reach.js";
import { _ } from "./words.js";

const OUT = {
  signed: _("The node is out of reach. It is tried again until it answers: Back gives it up."),
  kept: _("The node is out of reach. It is on this tablet, and sent as soon as the node answers."),
};

// `choices` by name: {title, yes, words, why: id of the reason's part or "", give: whether it says who counts and until
// when, signed, act: async (signal) => answer, done}; `signal` says that the dialog was closed.
export function decider(choices) {
  const dialog = byId("decide");
  const buttons = dialog.querySelectorAll("button:not([data-close])");
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
    for (const each of buttons) each.disabled = false;
    dialog.showModal();
  }

  async function decide() {
    const { signed, act, done } = choice;
    if (byId("decide-yes").disabled) return; // it is under way
    if (signed && !byId("pin").value) { byId("refusal").textContent = _("Type your PIN: it signs what you do."); return; }
    const signal = untilClosed(dialog);
    const tell = () => { byId("refusal").textContent = reach.ok === false ? OUT[signed ? "signed" : "kept"] : ""; };
    for (const each of buttons) each.disabled = true;
    reach.addEventListener("change", tell, { signal });
    tell();
    try {
      const answer = await act(signal);
      if (!signal.aborted) dialog.close();
      done(answer); // also when it was too late to give it up: so it is now
    } catch (error) {
      if (signal.aborted) { say("warn", error.message); return; }
      byId("refusal").textContent = error.message;
      keypad.clear();
      for (const each of buttons) each.disabled = false;
      byId(signed ? "pin" : "decide-yes").focus();
    } finally {
      reach.removeEventListener("change", tell);
    }
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
