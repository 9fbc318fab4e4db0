// What the node said last, on this tablet's disk, for as long as somebody is logged in: lists of work and what codes stand
// for. How much stock there is, is never kept: it may belong to a bin that is counted by now.

import { get } from "./api.js";
import { whose } from "./outbox.js";
import { reach, soon } from "./reach.js";
import { change, fact, setFact } from "./store.js";
import { LoggedOut, Unreachable } from "./wire.js";
import { _ } from "./words.js";

const CODES = "told:codes", CODES_MAX = 500;
// What came of a delivery lies where it was put: the node alone tells.
const STOCK = ["came"];
const kept = (answer) => JSON.parse(JSON.stringify(answer, (name, value) => (STOCK.includes(name) ? undefined : value)));
const keyOf = async (path) => `told:${(await whose())?.actor}:${path}`;

// What the node answers, or what is known here where it gives no answer.
async function orKnown(asked, known) {
  try {
    return await asked;
  } catch (error) {
    if (!known || !(error instanceof Unreachable) || error instanceof LoggedOut) throw error;
    return known;
  }
}

// The node's answer; where it gives none, its last one to this person, with `told`, when that was. `name`: of several
// addresses only the newest answer is kept. `late`: takes an answer that comes after all; with it a node that is silent
// is not waited for, and null where nothing is known here.
export async function lastOf(path, name = path, late = null) {
  const key = await keyOf(name), last = await fact(key).catch(() => null);
  const known = last?.path === path ? { ...last.answer, told: last.at } : null;
  const asked = get(path).then(async (answer) => {
    await setFact(key, { path, at: Date.now(), answer: kept(answer) }).catch(() => {});
    return answer;
  });
  const found = await orKnown(late ? soon(asked, known) : asked, known);
  if (late && found === known) asked.then(late, () => {});
  return found;
}

// The same for what cannot be done without: a node that is silent is not waited for where something is known here.
export const lastOrFirst = async (path, name, late) => await lastOf(path, name, late) ?? lastOf(path, name);

// The same for a code and what it stands for, which is the same for everybody, and soon: the next code waits for it.
export async function codeOf(text, ask) {
  const known = (await fact(CODES).catch(() => null))?.[text];
  if (known && reach.ok === false) return known;
  const asked = ask().then(async (found) => {
    if (found.kind !== "operation") await remember(text, found).catch(() => {});
    return found;
  });
  // Before the node is heard of it may be silent, too.
  const found = await orKnown(known || !reach.ok ? soon(asked, known) : asked, known);
  if (!found) throw new Unreachable(_("The node does not answer."));
  return found;
}

async function remember(text, found) {
  const codes = await fact(CODES) || {};
  if (JSON.stringify(codes[text]) === JSON.stringify(found)) return;
  const rest = Object.entries(codes).filter(([code]) => code !== text).slice(1 - CODES_MAX);
  await setFact(CODES, Object.fromEntries([...rest, [text, found]]));
}

export const forget = () => change(({ facts }, asked) => asked(facts.delete(IDBKeyRange.bound("told:", "told:\uffff"))));
