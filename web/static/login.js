// Log in by badge or name and PIN. The first time an activation code makes a person's own key. Where the node asks
// supervisors for it, the code of their authenticator follows the PIN, and setting that up comes before.

import { newOpId, post } from "./api.js";
import { goOn } from "./back.js";
import { Keypad } from "./keypad.js";
import { onScan } from "./wedge.js";
import { sound } from "./sounds.js";
import { _ } from "./words.js";

const byId = (id) => document.getElementById(id);
const [form, name, pin, code, second, answer] = ["login", "name", "pin", "code", "second", "answer"].map(byId);
const activation = { opId: newOpId(), wish: "" };

function say(level, word) {
  answer.dataset.level = level;
  answer.querySelector(".shape").textContent = { good: "✓", warn: "▲", bad: "✕", quiet: "○" }[level];
  answer.querySelector(".word").textContent = word;
}

// The keypad writes the PIN, and after that the code of the authenticator.
const asksCode = () => !byId("second-field").hidden;
const typed = () => (asksCode() ? second : pin);
const keypad = new Keypad(form.querySelector(".keypad"), (digits) => { typed().value = digits; });
for (const each of [pin, second]) each.addEventListener("input", () => { if (each === typed()) keypad.digits = each.value; });

function wantCode(wanted) {
  byId("second-field").hidden = !wanted;
  if (!wanted) byId("authenticator").hidden = true;
  pin.disabled = wanted;
  keypad.clear();
}
// Somebody else is about to log in.
name.addEventListener("input", () => { if (asksCode()) wantCode(false); });

async function askSecond(asked) {
  first(false);
  if (asked.second === "missing") showSecret(await post("auth/second-factor", { login: name.value.trim(), pin: pin.value }));
  wantCode(true);
  say("quiet", asked.second === "missing" ? _("Set up your authenticator, then type its code") : _("Type the code that your authenticator shows"));
}

function showSecret({ secret, side, dark }) {
  const drawn = byId("authenticator-code");
  drawn.setAttribute("viewBox", `0 0 ${side} ${side}`);
  for (const length of ["width", "height"]) drawn.querySelector("rect").setAttribute(length, side);
  drawn.querySelector("path").setAttribute("d", dark);
  byId("authenticator-secret").textContent = secret.replace(/(.{4})(?=.)/g, "$1 ");
  byId("authenticator").hidden = false;
}

function first(wanted) {
  byId("code-field").hidden = !wanted;
  byId("first").setAttribute("aria-expanded", String(wanted));
  byId("first").textContent = wanted ? _("I have a PIN already") : _("First time here?");
  if (wanted) code.focus();
  say("quiet", wanted ? _("Type your activation code and choose a PIN") : _("Scan your badge or type your name"));
}
byId("first").addEventListener("click", () => first(byId("code-field").hidden));

// A badge is told by its prefix. Where badges have none, goods and bins still are no badges; where they have one, who was
// at work when the log-in ended scans goods.
const { ended, badgePrefix, binPrefix } = form.dataset;
const GOODS = /^(?:[0-9]{12,14}$|\](?:C1|d2|Q3|J1|[Ee][0-9]))/; // a GTIN, or what a scanner says before GS1 and retail codes

onScan((text) => {
  const plain = text.replace(/^\][A-Za-z][0-9A-Za-z]/, ""), isBadge = badgePrefix && plain.startsWith(badgePrefix);
  const isWork = GOODS.test(text) || (binPrefix && plain.startsWith(binPrefix));
  if (!isBadge && (isWork || (badgePrefix && ended))) {
    sound("bad");
    say("bad", _("Log in first: this scan was not counted"));
    return;
  }
  name.value = isBadge ? plain.slice(badgePrefix.length) : plain;
  if (asksCode()) wantCode(false);
  pin.focus();
  say("quiet", _("Now your PIN"));
}, (text, field) => [pin, second].includes(field) && /^[0-9]+$/.test(text) || field === code);

function missing() {
  if (!name.value.trim()) return [name, _("Scan your badge or type your name")];
  if (!byId("code-field").hidden && !code.value.trim()) return [code, _("Type the activation code you were given")];
  if (!pin.value) return [pin, _("Type your PIN")];
  if (asksCode() && !second.value.trim()) return [second, _("Type the code that your authenticator shows")];
  return null;
}

async function enter() {
  const login = name.value.trim();
  if (asksCode()) return post("auth/login", { login, pin: pin.value, code: second.value });
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
    const entered = await enter();
    sound("good");
    if (!entered.second) { await goOn(entered.actor); return; }
    await askSecond(entered);
  } catch (error) {
    sound("bad");
    keypad.clear();
    say("bad", error.message);
  }
  for (const each of buttons) each.disabled = false;
  typed().focus();
});
