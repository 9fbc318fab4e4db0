// Log in by badge or name and PIN, with our own keypad: no system keyboard covers half the screen.

import { newOpId, post } from "./api.js";
import { onScan } from "./wedge.js";
import { sound } from "./sounds.js";

const form = document.getElementById("login");
const name = document.getElementById("name");
const pin = document.getElementById("pin");
const code = document.getElementById("code");
const answer = document.getElementById("answer");
let opId = newOpId();

function say(level, word) {
  answer.dataset.level = level;
  answer.querySelector(".shape").textContent = { good: "✓", bad: "✕", quiet: "○" }[level];
  answer.querySelector(".word").textContent = word;
}

form.querySelector(".keypad").addEventListener("click", (event) => {
  const key = event.target.closest("[data-key]")?.dataset.key;
  if (!key) return;
  pin.value = key === "erase" ? pin.value.slice(0, -1) : (pin.value + key).slice(0, 12);
});

document.getElementById("first").addEventListener("click", () => {
  const field = document.getElementById("code-field");
  field.hidden = !field.hidden;
  if (!field.hidden) { code.focus(); say("quiet", "Type the code you were given and choose a PIN"); }
});

onScan((text) => { name.value = text.replace(/^BADGE:/, ""); pin.focus(); say("quiet", "Now your PIN"); });

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  say("quiet", "One moment…");
  try {
    if (!document.getElementById("code-field").hidden && code.value) {
      await post("auth/activate", { op_id: opId, login: name.value.trim(), code: code.value.trim(), pin: pin.value });
    } else {
      await post("auth/login", { login: name.value.trim(), pin: pin.value });
    }
    sound("good");
    location.assign("/");
  } catch (error) {
    sound("bad");
    pin.value = "";
    say("bad", error.message);
  }
});
