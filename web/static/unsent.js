// What somebody said on a page and did not send yet, on the tablet's disk: kept while they look at other rows of a long
// list, over a reload, a way back, a closed tab and a flat battery, until it is sent or given up. Each person has their
// own, of each page. What nobody went on with for long is given up: nothing is said any more of what is over by then.

import { say } from "./page.js";
import { change, fact, setFact } from "./store.js";
import { _ } from "./words.js";

const PREFIX = "unsent:", LONG_MS = 14 * 86400000;

const giveUpOld = () => change(async ({ facts }, asked) => {
  const all = IDBKeyRange.bound(PREFIX, `${PREFIX}\uffff`), [keys, values] = [await asked(facts.getAllKeys(all)), await asked(facts.getAll(all))];
  for (const [at, key] of keys.entries()) if (Date.now() - values[at].at > LONG_MS) await asked(facts.delete(key));
});

// `said` resolves to what is kept from before, or null. `keep` and `drop` are on the disk when they resolve.
export function unsent(who, what = "") {
  const key = `${PREFIX}${who}:${location.pathname}:${what}`;
  const put = (value) => setFact(key, value).catch(() => say("bad", _("This tablet cannot keep anything: send this before the page is closed")));
  return {
    said: giveUpOld().then(() => fact(key)).then((kept) => kept?.said ?? null).catch(() => null),
    keep: (said) => put({ at: Date.now(), said }),
    drop: () => put(null),
  };
}
