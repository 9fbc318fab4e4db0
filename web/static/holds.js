// What is held, and its release by somebody who does not hold it.

import { act, newOpId } from "./api.js";
import { since, whenAway } from "./away.js";
import { decider } from "./decide.js";
import { detailsOf, done, lineOf } from "./goods.js";
import { loadNames, nameOf } from "./names.js";
import { attempt, byId, say } from "./page.js";
import { lastOf } from "./told.js";

const WORDS = { damage: "damaged", quality: "quality in doubt", expired: "expired" };
const mayRelease = byId("holds").dataset.mayRelease === "yes";
let told = "", chosen = null, opId = "";

async function load() {
  const [answer] = await Promise.all([lastOf("holds/"), loadNames()]), { rows } = answer;
  told = since(answer);
  byId("none").hidden = rows.length > 0;
  byId("holds").replaceChildren(...rows.map((row) => lineOf({
    title: `${nameOf(row.item) || row.item}: ${WORDS[row.status] || row.status}`,
    details: [...detailsOf(row), ...row.places.map((each) => `${each.quantity} at ${each.location}`), row.own ? "held by you: somebody else releases it" : `held by ${row.by}`],
    figure: row.left, act: mayRelease && !row.own && row.places.length ? ["Release", () => { chosen = row; opId = newOpId(); open("release"); }] : null,
  })));
  return rows.length;
}

// As much of each place as is still held by this line.
function freed() {
  let left = chosen.left;
  return chosen.places.map(({ location, quantity }) => {
    const part = Math.min(left, quantity);
    left -= part;
    return { line: chosen.line, quantity: part, location };
  }).filter((each) => each.quantity);
}

const { open } = decider({
  release: { title: "Release it?", yes: "Release", signed: true, why: "", words: () => `${chosen.left} of ${chosen.item} are free again.`,
    act: () => act("documents/release", { hold: chosen.hold, lines: freed(), pin: byId("pin").value }, opId),
    done: async (answer) => { await attempt(load); done(answer.op_id, `${chosen.item} is free again`); } },
});

async function start() {
  const count = await load();
  if (!told) say("quiet", count ? `${count === 1 ? "One line is" : `${count} lines are`} held` : "Nothing is held", { aloud: false });
}
// Who may release and hold is known to the node's own page.
whenAway(() => `Goods are held and released when it answers.${told}`, () => ("shell" in byId("bar").dataset ? location.reload() : attempt(start)));
attempt(start);
