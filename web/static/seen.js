// What a list of scanned lines showed last: what changed in it is said aloud, and the line touched last is marked.

import { written } from "./amounts.js";
import { say } from "./page.js";
import { _ } from "./words.js";

const keyOf = (line) => [line.item, line.lot, line.serial, line.expiry, line.place, line.status].join("\u001f");
export const titled = (line) => line.name || line.item;

export class Seen {
  #known = new Map();
  #latest = "";

  // Another list is shown, and nothing of it is new; `latest`: its line that was touched last.
  start(lines, latest = null) {
    this.#keep(lines);
    this.#latest = latest ? keyOf(latest) : "";
  }

  // The same list as it is by now.
  notice(lines) {
    const before = this.#known;
    let changed = false;
    this.#keep(lines);
    for (const line of lines) {
      const key = keyOf(line), counted = before.get(key);
      if (counted === line.counted) continue;
      this.#latest = key;
      changed = true;
      say(counted === undefined || line.counted > counted ? "good" : "warn", titled(line), { figure: written(line.counted, line.decimals) });
    }
    if (!changed && [...before.keys()].some((key) => !this.#known.has(key))) say("warn", _("Taken back"));
  }

  isLatest(line) { return keyOf(line) === this.#latest; }

  #keep(lines) { this.#known = new Map(lines.map((line) => [keyOf(line), line.counted])); }
}
