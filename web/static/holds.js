// What is held, and its release by somebody who does not hold it.

import { act, newOpId } from "./api.js";
import { measured, written } from "./amounts.js";
import { since, whenAway } from "./away.js";
import { decider } from "./decide.js";
import { ACTS, detailsOf, done, lineOf } from "./goods.js";
import { loadNames, nameOf } from "./names.js";
import { attempt, byId, say } from "./page.js";
import { HELD } from "./part.js";
import { rest } from "./rest.js";
import { lastOf } from "./told.js";
import { _, n_ } from "./words.js";

const mayRelease = byId("holds").dataset.mayRelease === "yes";
let told = "", chosen = null, opId = "";

async function load() {
  const [answer] = await Promise.all([lastOf("holds/"), loadNames()]), { rows } = answer;
  told = since(answer);
  byId("none").hidden = rows.length > 0;
  show(rows);
  rest(byId("holds"), "holds/", answer, show);
  return rows.length;
}

function show(rows) {
  byId("holds").replaceChildren(...rows.map((row) => lineOf({
    title: _("%(name)s: %(status)s", { name: nameOf(row.item) || row.item, status: HELD[row.status] || row.status }),
    details: [...detailsOf({ ...row, status: "" }), ...(row.places ?? []).map((each) => _("%(number)s at %(place)s", { number: measured(each.quantity, row), place: each.location })), row.own ? _("held by you: somebody else releases it") : _("held by %(name)s", { name: row.by })],
    figure: row.places ? written(row.left, row.decimals) : "", beside: row.decimals ? row.unit : "", act: mayRelease && !row.own && row.places?.length ? [ACTS.release, () => { chosen = row; opId = newOpId(); open("release"); }] : null,
  })));
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
  release: { title: _("Release it?"), yes: _("Release"), signed: true, why: "", words: () => _("%(number)s of %(name)s are free again.", { number: measured(chosen.left, chosen), name: chosen.item }),
    act: () => act("documents/release", { hold: chosen.hold, lines: freed(), pin: byId("pin").value }, opId),
    done: async (answer) => { await attempt(load); done(answer.op_id, _("%(name)s is free again", { name: chosen.item })); } },
});

async function start() {
  const count = await load();
  if (!told) say("quiet", count ? n_("%(num)s line is held", "%(num)s lines are held", count) : _("Nothing is held"), { aloud: false });
}
// Who may release and hold is known to the node's own page.
whenAway(() => [_("Goods are held and released when it answers."), told].filter(Boolean).join(" "), () => ("shell" in byId("bar").dataset ? location.reload() : attempt(start)));
attempt(start);
