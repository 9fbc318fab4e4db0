// Small tools of every page: elements, the answer on top, dialogs.

import { Refused } from "./api.js";
import { sound } from "./sounds.js";
import { _ } from "./words.js";

const SHAPES = { good: "✓", warn: "▲", bad: "✕", quiet: "○", held: "○" };

export const byId = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// A code or name whose own direction must not reorder the words around it.
export const ltr = (text, className = "") => element("bdi", { dir: "ltr", textContent: text, className });

// What the person must see now: level, words, and at most one figure; `aloud` also by sound.
let answered = 0; // how often something was said to a person, as an answer to what they did
export const answers = () => answered;
export function say(level, word, { figure = "", aloud = true } = {}) {
  const answer = byId("answer") || answerOnTop();
  if (aloud) answered += 1;
  answer.dataset.level = level;
  answer.querySelector(".shape").textContent = SHAPES[level];
  answer.querySelector(".word").textContent = word;
  byId("answer-figure").textContent = figure;
  if (aloud) sound(level);
}

// A page that mostly says nothing has no place for it, until there is something.
function answerOnTop() {
  const made = element("div", { id: "answer", className: "answer" }, element("span", { className: "shape", ariaHidden: "true" }),
    element("span", { className: "word" }), element("output", { id: "answer-figure", className: "figure-big" }));
  made.setAttribute("role", "status");
  byId("main").prepend(made);
  return made;
}

// What to do first. A page may find out late: by then it has perhaps refused something, and that stays to be read.
export function invite(word) {
  if (!answered) say("quiet", word, { aloud: false });
}

// Do it; a refusal is shown in the node's own words and answers null.
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    say("bad", error.message);
    if (!(error instanceof Refused)) console.warn(error);
    return null;
  }
}

// The same for what a button begins: until it is over, the button is out.
export async function pressed(button, work) {
  button.disabled = true;
  await attempt(work);
  button.disabled = false;
  if (document.activeElement === document.body) button.focus();
}

for (const each of document.querySelectorAll("dialog")) {
  each.addEventListener("click", (event) => {
    if (event.target.closest("[data-close]")) each.close();
  });
}

// A row drawn anew while a mouse is held down on it takes the click with it; a finger's tap it does not. The click belongs
// to the button that stands there now, as long as that is the same one of the same row.
const saysOf = (button) => [button.getAttribute("aria-label") || button.textContent, button.closest("article, li, tr")?.querySelector(".what")?.textContent].join("\u001f");
let down = null;
addEventListener("pointerdown", ({ target, pointerType, button }) => {
  down = pointerType === "touch" || button !== 0 ? null : target.closest?.("button");
});
addEventListener("pointerup", ({ clientX, clientY }) => {
  const before = down, now = before && !before.isConnected && document.elementFromPoint(clientX, clientY)?.closest("button");
  down = null;
  if (now && saysOf(now) === saysOf(before)) now.click();
});

// Shown anew as it is by now: who works by the keys stays where they are, or at the page's beginning where that is gone.
export function keepingPlace(show) {
  const here = document.activeElement?.closest("main button"), label = here?.getAttribute("aria-label");
  show();
  if (!here || (here.isConnected && !here.disabled)) return;
  const now = label && [...document.querySelectorAll("main button")].find((each) => each.getAttribute("aria-label") === label);
  (now || byId("main")).focus({ preventScroll: true });
}

// Says when somebody closes this dialog.
export function untilClosed(dialog) {
  const closed = new AbortController();
  dialog.addEventListener("close", () => closed.abort(), { once: true });
  return closed.signal;
}

export const openDialog = () => document.querySelector("dialog[open]");

// Whether a code may be taken now. Whatever dialog is open makes way for it, but a question by which something would be
// lost (`data-owed`): an amount of what was scanned, or whether what was said is right. That one is answered first.
export function makeWay() {
  const dialog = openDialog();
  if (!dialog || !("owed" in dialog.dataset)) { dialog?.close(); return true; }
  const words = _("Answer this first: the scan was not taken");
  say("bad", words);
  const said = element("p", { className: "refusal", textContent: words });
  said.setAttribute("role", "alert");
  dialog.querySelector(".refusal:not([id])")?.remove();
  dialog.querySelector("h2").after(said);
  dialog.addEventListener("close", () => said.remove(), { once: true });
  return false;
}
