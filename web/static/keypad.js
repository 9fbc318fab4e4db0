// Our own number keys: no system keyboard covers half the screen. Digits of a real keyboard work too.

import { latin } from "./words.js";

const DIGITS_MAX = 12;

export class Keypad {
  #typed = []; // when each key of a real keyboard came, and what stood there before

  // `take` gets the digits after each key; `done` is called by Enter and by a key with data-key="ok".
  constructor(place, take, done = () => {}) {
    this.digits = "";
    this.point = false; // whether a decimal point may be typed
    this.take = take;
    this.done = done;
    place.addEventListener("click", (event) => {
      const key = event.target.closest("[data-key]")?.dataset.key;
      if (key) this.press(key);
    });
    // Those keys were a scanner's.
    addEventListener("scan", ({ detail: since }) => {
      const first = this.#typed.find(([at]) => at >= since);
      if (first) this.put(first[1]);
    });
  }

  press(key) {
    if (key === "ok") { this.done(); return; }
    if (key === "." && (!this.point || this.digits.includes("."))) return;
    this.digits = key === "erase" ? this.digits.slice(0, -1) : (this.digits + key).slice(0, DIGITS_MAX);
    this.take(this.digits);
  }

  // All of it at once, as from a scale.
  put(digits) {
    this.digits = digits;
    this.take(digits);
  }

  // For the keydown of a dialog: digits and Backspace anywhere in it, Enter where no button has the focus.
  typed(event) {
    this.#typed.push([event.timeStamp, this.digits]);
    const key = latin(event.key);
    if (/^[0-9]$/.test(key)) this.press(key);
    else if (key === "." || key === ",") this.press(".");
    else if (event.key === "Backspace") this.press("erase");
    else if (event.key === "Enter" && !event.target.closest("button:not([data-key]), select")) this.done();
    else return;
    event.preventDefault();
  }

  clear() {
    this.digits = "";
    this.#typed = [];
    this.take("");
  }
}
