// What the node said last, on this tablet's disk, for as long as somebody is logged in: lists of work and what codes stand
// for. How much stock there is, is never kept: it may belong to a bin that is counted by now.

import { get } from "./api.js";
import { whose } from "./outbox.js";
import { change, fact, setFact } from "./store.js";
import { LoggedOut, Unreachable } from "./wire.js";

const CODES = "told:codes", CODES_MAX = 500;
// What came of a delivery lies where it was put: the node alone tells.
const STOCK = ["came"];
const kept = (answer) => JSON.parse(JSON.stringify(answer, (name, value) => (STOCK.includes(name) ? undefined : value)));
const keyOf = async (path) => `told:${(await whose())?.actor}:${path}`;

// The node's answer; where it gives none, its last one to this person, with `told`, when that was. `name`: of several
// addresses only the newest answer is kept.
export async function lastOf(path, name = path) {
  const key = await keyOf(name);
  try {
    const answer = await get(path);
    await setFact(key, { path, at: Date.now(), answer: kept(answer) }).catch(() => {});
    return answer;
  } catch (error) {
    if (!(error instanceof Unreachable) || error instanceof LoggedOut) throw error;
    const last = await fact(key).catch(() => null);
    if (last?.path !== path) throw error;
    return { ...last.answer, told: last.at };
  }
}

// The same for a code and what it stands for, which is the same for everybody.
export async function codeOf(text, ask) {
  try {
    const found = await ask();
    if (found.kind !== "operation") await remember(text, found).catch(() => {});
    return found;
  } catch (error) {
    const known = error instanceof Unreachable && !(error instanceof LoggedOut) && (await fact(CODES).catch(() => null))?.[text];
    if (!known) throw error;
    return known;
  }
}

async function remember(text, found) {
  const codes = await fact(CODES) || {};
  if (JSON.stringify(codes[text]) === JSON.stringify(found)) return;
  const rest = Object.entries(codes).filter(([code]) => code !== text).slice(1 - CODES_MAX);
  await setFact(CODES, Object.fromEntries([...rest, [text, found]]));
}

export const forget = () => change(({ facts }, asked) => asked(facts.delete(IDBKeyRange.bound("told:", "told:\uffff"))));
