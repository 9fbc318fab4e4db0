// A keyboard scanner on any page: keys that come faster than a hand types, ended by Enter or Tab, or by silence where
// /setup found that the scanner ends with nothing. Gaps are taken from the event's own time, so a busy page does not
// split a code; a scan never stays in a text field. Keys without characters, as a keyboard on the screen sends them,
// leave their text in the field that has the focus: it is read there.

import { say } from "./page.js";
import { _, latin } from "./words.js";

const KEY = "scanner"; // what /setup measured on this tablet, {gap, silence}
const GAP_MS = 100, GAP_MS_MIN = 50;
const GAP_MS_MAX = 120; // between the keys of a hand that types well; slower scanners cannot be told from one
const LENGTH_MIN = 4;
const UNENDED_MIN = 6; // what no key ends must be longer: a hand that slides over the keys is short
const LENGTH_MAX = 4096;
const WAIT_MS = 300; // silence that ends a code
const AGAIN_MS = 30;
const NAMELESS = 229; // the key code of an input method, in every browser

// What the node is told of a code that a hand typed: it is taken without what stands before it on a label, in any case.
export const TYPED = { typed: true };

export const MEASURING = { gap: GAP_MS_MAX, silence: true, wait: 3 * WAIT_MS };

// How scans are told from typing on this tablet.
export function manner() {
  try {
    const { gap, silence } = JSON.parse(localStorage.getItem(KEY)) || {};
    if (gap >= GAP_MS_MIN && gap <= GAP_MS_MAX) return { gap, silence: silence === true };
  } catch { /* nobody can have measured that */ }
  return { gap: GAP_MS, silence: false };
}

// Twice the widest gap of this tablet's scanner; a quick one leaves more room to hands.
export function keep(widest, silence) {
  const gap = Math.min(GAP_MS_MAX, Math.max(GAP_MS_MIN, Math.ceil(2 * widest)));
  localStorage.setItem(KEY, JSON.stringify({ gap, silence }));
}

const inserted = ({ field, value, range }) => field.value.slice(range[0] ?? value.length, field.value.length - (value.length - (range[1] ?? value.length)));

function restore({ field, value, range }) {
  if (!field) return;
  field.value = value;
  if (range[0] !== null) field.setSelectionRange(...range);
}

function noted(target) {
  const field = target.closest?.("input, textarea, select") || null;
  const range = field && "selectionStart" in field ? [field.selectionStart, field.selectionEnd] : [null, null];
  return { field, value: field?.value, range };
}

function unreadable() {
  say("bad", _("The keys of this scanner come without characters. Set it to keyboard (HID) instead of input method, or tap a field before you scan."));
}

class Listener {
  #text = "";
  #first = 0;
  #last = 0;
  #widest = 0;
  #nameless = 0; // keys of which only the field knows the character
  #before = { field: null };
  #timer = 0;

  constructor(take, typed, how) { Object.assign(this, { take, typed, how }); }

  key(event) {
    this.#at(event);
    if (event.repeat) { this.#forget(); return; } // a hand that rests on a key
    if (event.key === "Enter" || event.key === "Tab") { this.#end(LENGTH_MIN, event); return; }
    if (event.keyCode === NAMELESS || event.isComposing) { this.#nameless += 1; return; }
    // A space inside a code must not press the button that has the focus.
    if (event.key === " " && this.#text && !this.#before.field) event.preventDefault();
    if (event.ctrlKey && event.key === "]") this.#text += "\u001d"; // how many scanners type the GS1 separator
    else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && this.#text.length < LENGTH_MAX) this.#text += event.key;
  }

  // The field has taken the character of a key that named none.
  input(event) {
    if (!this.#nameless || event.target !== this.#before.field) return;
    this.#text = inserted(this.#before).slice(0, LENGTH_MAX);
    this.#last = event.timeStamp;
  }

  // A keyboard on the screen has an Enter without a name, too.
  lineBreak(event) { if (this.#nameless) this.#end(LENGTH_MIN, event); }

  #at(event) {
    const begun = this.#text || this.#nameless;
    if (!begun || event.timeStamp - this.#last > this.how.gap) {
      this.#forget();
      this.#first = event.timeStamp;
      this.#before = noted(event.target);
    } else {
      this.#widest = Math.max(this.#widest, event.timeStamp - this.#last);
    }
    this.#last = event.timeStamp;
    this.#wait();
  }

  #wait() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      // Keys may wait behind a page that was busy: they come before a second time-out.
      this.#timer = setTimeout(() => this.#silent(), AGAIN_MS);
    }, this.how.wait || WAIT_MS);
  }

  #silent() {
    if (this.#nameless >= LENGTH_MIN && !this.#text && !this.#before.field) unreadable();
    // Where only the field knew the characters, a word may have come at once from a finger: no end, no scan.
    else if (this.how.silence && !this.#nameless) this.#end(UNENDED_MIN);
  }

  #end(least, event = null) {
    const text = this.#text, before = this.#before, gaps = text.length - (event ? 0 : 1);
    const fast = (this.#last - this.#first) / Math.max(gaps, 1) <= (before.field ? this.how.gap / 2 : this.how.gap);
    if (text.length >= least && fast && !this.typed(latin(text), before.field)) {
      event?.preventDefault();
      event?.stopPropagation();
      restore(before);
      dispatchEvent(new CustomEvent("scan", { detail: this.#first })); // what its keys did elsewhere since then is undone
      this.take(text, { widest: this.#widest, silent: !event });
    } else if (event && this.#nameless >= LENGTH_MIN && !text && !before.field) {
      unreadable();
    }
    this.#forget();
  }

  #forget() {
    clearTimeout(this.#timer);
    this.#text = "";
    this.#nameless = this.#widest = 0;
  }
}

let listener = null, own = null; // of this page

function listen(made) {
  if (!listener) {
    addEventListener("keydown", (event) => listener.key(event), true);
    addEventListener("input", (event) => listener.input(event), true);
    addEventListener("beforeinput", (event) => { if (event.inputType === "insertLineBreak") listener.lineBreak(event); }, true);
  }
  listener = made;
}

// `take(text, {widest, silent})`: the widest gap between its keys in ms, and whether no key ended it. `typed(text,
// field)` may claim fast keys as typing, as the digits of a PIN.
export function onScan(take, typed = () => false, how = manner()) {
  own = take;
  listen(new Listener(take, typed, how));
  document.documentElement.dataset.scanner = "heard"; // from now on no key of one is missed
}

// For a page that takes no scans: what is said of one, so that its Enter presses no button. A page may begin to listen
// only when all of it has come; until then its scans wait.
export function onNoScan(say, typed) {
  const loaded = new Promise((resume) => { if (document.readyState === "complete") resume(); else addEventListener("load", resume); });
  listen(new Listener(async (...read) => { await loaded; (own || say)(...read); }, typed, manner()));
}
