// Up to which code of the node's own scanners this page has taken them: it asks for what came after that, and says what
// it took. Until it says so a code is not taken, and the scanner soon sounds its bad tone.
//
// That is kept with the browser's tab, so that a reload goes on where the page was, for the same person. The node hands
// a code only to the kind of page that was in front when it was read, and only for a while: any other page would take it
// for something else. What no page says that it has, the node shows to its person as not taken.

import { post } from "./wire.js";

const KEY = "codes";
const AT_ONCE = 50; // so many the node takes word of

export class Codes {
  #takes;
  #actor;
  #kept = { last: "", untold: [] }; // the number of the last one taken, and those that the node has yet to hear of
  #came = ""; // the last one that this page was given
  #open = 0; // given to this page, and not taken yet
  #telling = false;

  constructor(takes, actor) {
    this.#takes = takes;
    this.#actor = actor;
    const before = JSON.parse(sessionStorage.getItem(KEY) || "null");
    if (actor && before?.actor === actor) this.#kept = before.kept;
  }

  // What the stream is asked for.
  wish() {
    const last = this.#came || this.#kept.last;
    return { page: location.pathname, ...(this.#takes && { codes: this.#takes }), ...(last && { after: last }) };
  }

  // Whatever is read from now on has a higher number.
  at(number) {
    if (!this.#open) this.#keep({ last: number });
    this.tell();
  }

  // Answers what is to be called as soon as it is taken, once or more.
  came(number) {
    let taken = false;
    this.#came = number;
    this.#open += 1;
    return () => {
      if (taken) return;
      taken = true;
      this.#open -= 1;
      this.#keep({ last: number, untold: [...this.#kept.untold, Number(number)] });
      this.tell();
    };
  }

  // Nobody waits for it: with the next sign of life it is told again.
  async tell() {
    const numbers = this.#kept.untold.slice(0, AT_ONCE);
    if (!numbers.length || this.#telling) return;
    this.#telling = true;
    try {
      await post("reads/came", { numbers });
      this.#keep({ untold: this.#kept.untold.filter((each) => !numbers.includes(each)) });
    } catch { /* the node is away */ }
    this.#telling = false;
  }

  #keep(news) {
    this.#kept = { ...this.#kept, ...news };
    sessionStorage.setItem(KEY, JSON.stringify({ actor: this.#actor, kept: this.#kept }));
  }
}
