// The lines of an open list, newest first: as many as a screen holds, or those that fit what somebody types. A scanner is
// no hand: what it types is a scan, whatever field has the focus.

import { byId } from "./page.js";
import { n_ } from "./words.js";

const LINES_MAX = 200;
const LINES_MIN = 7; // fewer are in sight at once

const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

// `wordsOf(line)`: by what it is found; `again()` shows the list anew.
export class Finder {
  constructor(wordsOf, again) {
    this.wordsOf = wordsOf;
    byId("find-line").addEventListener("input", again);
    byId("find-line").addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      this.clear();
      again();
    });
  }

  clear() { byId("find-line").value = ""; }

  // What of these lines is on the screen.
  of(lines) {
    const wanted = plain(byId("find-line").value).split(/\s+/).filter(Boolean);
    byId("finding").hidden = lines.length < LINES_MIN && !wanted.length;
    const found = wanted.length ? lines.filter((line) => fits(plain(this.wordsOf(line).filter(Boolean).join(" ")), wanted)) : lines;
    byId("found").textContent = wanted.length ? n_("%(num)s line found", "%(num)s lines found", found.length) : "";
    return found.slice(-LINES_MAX).reverse();
  }
}

const fits = (text, wanted) => wanted.every((word) => text.includes(word));
