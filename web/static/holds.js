// What is not free, bin by bin, and what brought it there: its release by somebody who does not hold it; held anew, for
// another reason or where nobody holds it; or scrapped.

import { act, get, newOpId } from "./api.js";
import { measured, written } from "./amounts.js";
import { answerOrKept, whenAway } from "./away.js";
import { decider } from "./decide.js";
import { ACTS, ask, detailsOf, done, lineOf, lookUp, onCode } from "./goods.js";
import { loadNames, nameOf } from "./names.js";
import { attempt, byId, element, invite, say } from "./page.js";
import { askHeld, HELD } from "./part.js";
import { reach } from "./reach.js";
import { rest } from "./rest.js";
import { _, n_ } from "./words.js";

const { may, because, broken } = JSON.parse(byId("holds-said").textContent), { calls } = JSON.parse(byId("floor-words").textContent);
const NAMES = ["item", "location"]; // what the list can be narrowed to, in the page's address
let only = Object.fromEntries([...new URLSearchParams(location.search)].filter(([name]) => NAMES.includes(name)));
let chosen = null, opId = "";

// ---------------------------------------------------------------- the list

async function load() {
  const path = `holds/${Object.keys(only).length ? `?${new URLSearchParams(only)}` : ""}`;
  const [answer] = await Promise.all([get(path), loadNames()]), { rows } = answer, narrowed = only.item || only.location;
  byId("none").hidden = Boolean(rows.length || narrowed);
  byId("only").hidden = !narrowed;
  byId("only-what").textContent = only.item ? nameOf(only.item) || only.item : only.location || "";
  show(rows);
  rest(byId("holds"), path, answer, show);
  return rows.length;
}

function show(rows) {
  byId("holds").replaceChildren(...rows.map((row) => {
    const made = lineOf({
      title: titled(row), details: [...detailsOf({ ...row, status: "" }), _("%(number)s at %(place)s", { number: measured(row.quantity, row), place: row.location })],
      figure: written(row.quantity, row.decimals), beside: row.decimals ? row.unit : "",
      also: [may.hold && also(_("Hold anew"), row, () => anew(row)), may.scrap && also(_("Scrap"), row, () => scrap(row))].filter(Boolean),
      act: freeable(row) && [ACTS.release, () => { chosen = row; opId = newOpId(); open("release"); }],
    });
    made.querySelector(".what").append(...row.origins.map((origin) => origin_(origin, row)), ...said(row));
    return made;
  }));
}

const titled = (row) => _("%(name)s: %(status)s", { name: nameOf(row.item) || row.item, status: HELD[row.status] || row.status });
const holderOf = (row) => row.origins.find((each) => each.line !== null && !each.own);
const freeable = (row) => may.release && holderOf(row);

// What brought it there, with the way to its proof.
function origin_({ op_id: operation, call, by, own, quantity }, row) {
  const what = calls[call] || call, name = own ? _("you") : by;
  const words = name ? _("%(what)s by %(name)s", { what, name }) : what;
  const number = quantity === row.quantity ? "" : `: ${measured(quantity, row)}`;
  return element("a", { className: "quiet row", href: `/operations/${operation}`, textContent: `${words}${number}` });
}

function said(row) {
  const words = holderOf(row) ? "" : row.origins.some((each) => each.line !== null)
    ? _("held by you: somebody else releases it") : _("Nobody holds it yet: hold it anew, then somebody else can release it.");
  return words ? [element("span", { className: "quiet", textContent: words })] : [];
}

function also(words, row, take) {
  const button = element("button", { className: "button", type: "button", textContent: words });
  button.setAttribute("aria-label", `${words}: ${titled(row)}`);
  button.addEventListener("click", take);
  return button;
}

// ---------------------------------------------------------------- what is done with it

const lineFor = ({ item, lot, serial, status, quantity }, place) => Object.fromEntries(Object.entries({ item, lot, serial, status, quantity, ...place }).filter(([, value]) => value !== ""));

// `confirm`: the node asked whether it is so much.
async function send(path, body, words, more = {}, confirm = {}) {
  const id = newOpId(), answer = await answerOrKept(path, { ...body, ...confirm }, (...given) => act(...given, id));
  if (!answer) return;
  if (answer.ask) { ask(_("Is that right?"), answer.ask, _("Yes, so much"), () => send(path, body, words, more, { confirm: true })); return; }
  await load();
  done(answer.op_id, words, more);
}

function anew(row) {
  askHeld(titled(row), (held) => attempt(() => send("documents/hold", { held, lines: [lineFor(row, { location: row.location })], reasons: [because[held]] }, _("Held"))), row.status);
}

function scrap(row) {
  ask(_("Scrap goods"), _("%(number)s of %(name)s. Another person signs before it is booked.", { number: measured(row.quantity, row), name: row.item }), _("Propose it"),
    (reason) => send("documents/scrap", { lines: [lineFor(row, { source: row.location })], reasons: [reason] }, _("Proposed: another person signs it"), { proposed: true }), broken);
}

const { open } = decider({
  release: { title: _("Release it?"), yes: _("Release"), signed: true, why: "", words: () => _("%(number)s of %(name)s are free again.", { number: measured(holderOf(chosen).quantity, chosen), name: chosen.item }),
    act: (signal) => { const { op_id: hold, line, quantity } = holderOf(chosen); return act("documents/release", { hold, lines: [{ line, quantity, location: chosen.location }], pin: byId("pin").value }, opId, signal); },
    done: async (answer) => { await attempt(load); done(answer.op_id, _("%(name)s is free again", { name: chosen.item })); } },
});

// ---------------------------------------------------------------- only an item, only a bin

async function narrow(to) {
  only = to;
  history.replaceState(null, "", `${location.pathname}${Object.keys(to).length ? `?${new URLSearchParams(to)}` : ""}`);
  await start();
}

onCode(async (text, how) => {
  const found = await lookUp(text, how);
  if (found.kind === "operation") { location.assign(`/operations/${found.op_id}`); return; }
  await narrow(found.kind === "location" ? { location: found.location } : { item: found.item });
});
byId("all").addEventListener("click", () => attempt(() => narrow({})));

async function start() {
  if (reach.ok === false) return;
  const count = await load();
  invite(count ? n_("%(num)s line is held", "%(num)s lines are held", count) : _("Nothing is held"));
}
// Who may release and hold is known to the node's own page.
whenAway(() => _("Goods are held and released when it answers."), () => ("shell" in byId("bar").dataset ? location.reload() : attempt(start)));
attempt(start);
