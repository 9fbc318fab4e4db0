// Log in by badge or name and PIN. The first time an activation code makes a person's own key.

import { newOpId, post } from "./api.js";
import { Keypad } from "./keypad.js";
import { onScan } from "./wedge.js";
import { sound } from "./sounds.js";
import { _ } from "./words.js";

const byId = (id) => document.getElementById(id);
const [form, name, pin, code, answer] = ["login", "name", "pin", "code", "answer"].map(byId);
const activation = { opId: newOpId(), wish: "" };

function say(level, word) {
  answer.dataset.level = level;
  answer.querySelector(".shape").textContent = { good: "✓", warn: "▲", bad: "✕", quiet: "○" }[level];
  answer.querySelector(".word").textContent = word;
}

const keypad = new Keypad(form.querySelector(".keypad"), (digits) => { pin.value = digits; });
pin.addEventListener("input", () => { keypad.digits = pin.value; });

function first(wanted) {
  byId("code-field").hidden = !wanted;
  byId("first").setAttribute("aria-expanded", String(wanted));
  byId("first").textContent = wanted ? _("I have a PIN already") : _("First time here?");
  if (wanted) code.focus();
  say("quiet", wanted ? _("Type your activation code and choose a PIN") : _("Scan your badge or type your name"));
}
byId("first").addEventListener("click", () => first(byId("code-field").hidden));

onScan((text) => {
  name.value = text.replace(/^BADGE:/, "");
  pin.focus();
  say("quiet", _("Now your PIN"));
}, (text, field) => field === pin && /^[0-9]+$/.test(text) || field === code);

function missing() {
  if (!name.value.trim()) return [name, _("Scan your badge or type your name")];
  if (!byId("code-field").hidden && !code.value.trim()) return [code, _("Type the activation code you were given")];
  if (!pin.value) return [pin, _("Type your PIN")];
  return null;
}

async function enter() {
  const login = name.value.trim();
  if (byId("code-field").hidden) return post("auth/login", { login, pin: pin.value });
  const wish = [login, code.value.trim(), pin.value];
  // The same wish keeps its op_id, so that a lost answer does not use the code up; another wish is another act.
  if (activation.wish !== wish.join("\n")) Object.assign(activation, { opId: newOpId(), wish: wish.join("\n") });
  return post("auth/register", { op_id: activation.opId, login, code: wish[1], pin: pin.value });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const lacking = missing();
  if (lacking) { say("warn", lacking[1]); lacking[0].focus(); return; }
  const buttons = form.querySelectorAll("button");
  for (const each of buttons) each.disabled = true;
  say("quiet", _("One moment…"));
  try {
    await enter();
    sound("good");
    location.assign("/");
    return;
  } catch (error) {
    sound("bad");
    keypad.clear();
    say("bad", error.message);
  }
  for (const each of buttons) each.disabled = false;
  pin.focus();
});
