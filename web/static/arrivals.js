// Goods of another site arrive: what was dispatched is shown line by line, and what differs is said before it is signed.
// A paper that came with the goods is enough; the hub need not have told of the transfer.

import { act, newOpId, post } from "./api.js";
import { OUT, since, whenAway } from "./away.js";
import { base, measured, together, typed, written } from "./amounts.js";
import { decider } from "./decide.js";
import { begun, Draft } from "./draft.js";
import { ACTS, ask, askAmount, beforeCodes, detailsOf, done, lineOf, lookUp, onCode, stopFollowing, tileOf } from "./goods.js";
import { loadNames, nameOf } from "./names.js";
import { attempt, byId, invite, say } from "./page.js";
import { askExpiry, askHeld, HELD } from "./part.js";
import { reach, soon } from "./reach.js";
import { rest } from "./rest.js";
import { fact } from "./store.js";
import { lastOf } from "./told.js";
import { unsent } from "./unsent.js";
import { Refused } from "./wire.js";
import { _, apart, n_ } from "./words.js";

const LINES_MAX = 200;
const COMING = "transfers/?direction=coming";
const DRAFT = "arrival-", draftOf = (name) => `${DRAFT}${name}`;
const PAPER = '{"form":"tallyman/dispatch/', PART = /^tallyman\/part\/1 ([0-9a-f]{16}) (\d+)\/(\d+) /;
const AWAY = _("Check the lines here: it is signed when the node answers.");
const actor = byId("bar").dataset.actor || (await fact("me").catch(() => null))?.actor;
let told = "", coming = [], mine = new Map(), transfer = null, whole = new Set(), target = "";
const half = unsent(actor, "paper"); // a paper of which some codes are still to be scanned: {of, parts}
let parts = new Map(), of = "";
let draft = null; // of this transfer: what was said of its lines

const titled = (line) => nameOf(line.item) || line.item;
const off = (line) => line.came - line.open;
const linesOf = ({ lines }) => n_("%(num)s line", "%(num)s lines", lines.length);

const damage = (line) => line.damaged && `■ ${_("%(number)s %(held)s", { number: measured(line.damaged, line), held: HELD[line.held] })}`;
const aboard = (line) => line.handling_unit && (isWhole(line.handling_unit) ? `✓ ${_("on %(unit)s", { unit: line.handling_unit })}` : _("on %(unit)s", { unit: line.handling_unit }));
const isIn = (unit) => (each) => each.handling_unit === unit;
// A unit that was scanned and of which nothing differs stands where it came in, with all that is in it.
const isWhole = (unit) => whole.has(unit) && !transfer.lines.some((line) => isIn(unit)(line) && (off(line) || line.damaged));
const gap = (line) => off(line) && `▲ ${off(line) < 0 ? _("%(number)s short", { number: measured(-off(line), line) }) : _("%(number)s over", { number: measured(off(line), line) })}`;
const differs = (line) => [line.decimals ? line.unit : "", gap(line), damage(line), gap(line) || damage(line) ? "" : `✓ ${_("all of it")}`].filter(Boolean).join(" · ");

function show() {
  byId("choose").hidden = Boolean(transfer);
  byId("open-file").hidden = Boolean(transfer);
  byId("arriving").hidden = byId("back").hidden = byId("accept").hidden = !transfer;
  if (!transfer) return;
  byId("sender").textContent = transfer.origin;
  byId("target").textContent = target || "…";
  byId("progress").textContent = linesOf(transfer);
  byId("accept").disabled = !target;
  byId("lines").replaceChildren(...transfer.lines.slice(0, LINES_MAX).map((line) => lineOf({
    title: titled(line), details: [...detailsOf(line), aboard(line)], figure: `${written(line.came, line.decimals)} / ${written(line.open, line.decimals)}`,
    beside: differs(line), latest: line === transfer.latest,
    act: [ACTS.change, () => askAmount(_("%(name)s: how many came?", { name: titled(line) }), line.came, line.decimals, (digits) => attempt(() => set(line, { came: base(digits, line.decimals) })), { part: () => askHeld(titled(line), (held) => askDamaged(line, held)),
      ...(line.lot ? { expiry: () => askExpiry(titled(line), line.expiry, (expiry) => attempt(() => set(line, { expiry }))) } : {}) })],
  })));
}

// Of what came; the rest is free.
function askDamaged(line, held) {
  askAmount(_("%(name)s, %(held)s: how many?", { name: titled(line), held: HELD[held] }), line.damaged, line.decimals, (digits) => attempt(() => {
    const damaged = base(digits, line.decimals);
    if (damaged > line.came) throw new Refused(_("That is more than came: say first how many came."));
    return set(line, { damaged, held });
  }));
}

async function set(line, said) {
  Object.assign(line, said);
  line.damaged = Math.min(line.damaged, line.came);
  transfer.latest = line;
  await keep();
  say(off(line) || line.damaged ? "warn" : "good", titled(line), { figure: written(said.damaged ?? line.came, line.decimals) });
}

async function load() {
  const open = begun().then((found) => { mine = found; });
  const [answer] = await Promise.all([lastOf(COMING, COMING, list), soon(open), soon(loadNames().then(show))]);
  if (answer) list(answer);
  open.then(() => showComing(coming)); // where it came too late for that
}

function list(answer) {
  told = since(answer);
  showComing(answer.rows);
  rest(byId("coming"), COMING, answer, showComing);
}

// Those on the way, and those that came by a paper only and are begun.
function showComing(rows) {
  coming = rows;
  const known = new Set(coming.map((each) => draftOf(each.transfer)));
  byId("coming").replaceChildren(
    ...coming.map((each) => tileOf(each.receiver ? _("Back from %(place)s", { place: each.receiver }) : _("From %(place)s", { place: each.sender }),
      [mine.has(draftOf(each.transfer)) && `◐ ${_("begun by you")}`, linesOf(each), _("%(number)s in all", { number: together(each.lines.map((line) => ({ ...line, quantity: line.open }))) }), apart(each.transfer.slice(0, 8))].filter(Boolean).join(" · "),
      () => choose(each))),
    ...[...mine.values()].filter(({ name }) => name.startsWith(DRAFT) && !known.has(name)).map(({ name, title, lines }) => tileOf(_("From %(place)s", { place: title }),
      [`◐ ${_("begun by you")}`, n_("%(num)s line", "%(num)s lines", lines), apart(name.slice(DRAFT.length, DRAFT.length + 8))].join(" · "),
      () => goOn(name.slice(DRAFT.length)))),
  );
  byId("none").hidden = byId("coming").childElementCount > 0;
}

// ---------------------------------------------------------------- what is said of it, until it is signed

const inAddress = (name) => window.history.replaceState(null, "", name ? `/bring-in?transfer=${name}` : "/bring-in");

// The lines as they are still to come, with what was said of them: of a line of which some were accepted since, that
// is out of date.
function choose({ transfer: name, sender, receiver, lines, paper = null }) {
  const begin = () => {
    whole = new Set();
    transfer = { name, sender, origin: receiver ?? sender, paper, opId: newOpId(), lines: lines.map((line) => ({ ...line, came: line.open, damaged: 0, held: "damage", expiry: "" })), latest: null };
  };
  return onDraft(name, (work, opId) => {
    begin();
    if (!work) return;
    Object.assign(transfer, { opId, paper: paper ?? work.paper });
    for (const line of transfer.lines) {
      const said = work.lines.find((each) => each.index === line.index && each.open === line.open);
      if (said) Object.assign(line, said);
    }
    ({ target } = work);
    whole = new Set(work.whole);
  });
}

// One that this site heard of by its paper alone: the draft has what there is to know.
function goOn(name) {
  return onDraft(name, (work, opId) => {
    if (!work) { leave(); return; }
    transfer = { name, sender: work.sender, origin: work.title, paper: work.paper, opId, lines: work.lines, latest: null };
    ({ target } = work);
    whole = new Set(work.whole);
  });
}

// Whether it is what is shown now: meanwhile the person may have chosen another one, or gone back.
async function onDraft(name, take) {
  draft?.end();
  const chosen = draft = new Draft(draftOf(name), actor, (work, opId) => { take(work, opId); show(); });
  inAddress(name);
  stopFollowing();
  await chosen.begin();
  if (draft !== chosen) return false;
  say("quiet", target ? _("Check each line, then accept") : _("Scan the bin that takes the goods"), { aloud: false });
  return true;
}

async function keep() {
  const { sender, origin, paper, opId, lines } = transfer;
  await draft.keep({ title: origin, sender, paper, target, whole: [...whole], lines }, opId);
  show();
}

function leave() {
  draft?.end();
  draft = transfer = null;
  inAddress("");
  show();
}

// The node reads the paper and checks whose it is before anything is counted by it.
async function byPaper(scanned) {
  const { paper, ...found } = await post("transfers/paper", { scanned });
  parts.clear();
  await half.drop();
  if (!found.lines.length) { say("good", _("All of this transfer was accepted already")); return; }
  const known = coming.find((each) => each.transfer === found.transfer && each.sender === found.sender);
  if (await choose(known ?? { ...found, paper })) await keep(); // what is known by the paper alone is known to other tablets too
}

// One of several codes of a paper; they come in any order, and those of another paper begin it anew.
async function byPart(text, [, digest, number, count]) {
  if (of !== digest) { parts.clear(); of = digest; }
  parts.set(Number(number), text);
  await half.keep({ of, parts: [...parts] });
  if (!missing().length) { await byPaper([...parts.values()]); return; }
  say("good", stillMissing(), { figure: `${parts.size} / ${count}` });
}

// The numbers of those codes that are still to be scanned, of the paper that was begun.
function missing() {
  const [, , , count = 0] = PART.exec(parts.values().next().value ?? "") ?? [];
  return Array.from({ length: Number(count) }, (_, place) => place + 1).filter((place) => !parts.has(place));
}

function stillMissing() {
  const numbers = `${missing().slice(0, 6).join(", ")}${missing().length > 6 ? " …" : ""}`;
  return _("Still to scan of this paper: %(numbers)s", { numbers });
}

// The label of a unit in a transfer; in one that is known to come while none is open.
const unitOf = (code) => code && (transfer ? [transfer] : coming).some((each) => each.lines.some(isIn(code))) && code;
async function arrive(unit) {
  if (!transfer && !(await choose(coming.find((each) => each.lines.some(isIn(unit)))))) return;
  const inside = transfer.lines.filter(isIn(unit));
  whole.add(unit);
  for (const line of inside) Object.assign(line, { came: line.open, damaged: 0 });
  [transfer.latest] = inside;
  await keep();
  say("good", _("Unit %(unit)s came whole", { unit }), { figure: inside.length });
}

onCode(async (text, how) => {
  const part = PART.exec(text);
  if (part) { await byPart(text, part); return; }
  if (text.startsWith(PAPER)) { await byPaper([text]); return; }
  const known = coming.find((each) => each.transfer === text.trim().toLowerCase());
  if (known) { await choose(known); return; }
  const own = unitOf(text.trim());
  const found = own ? { location: own } : await lookUp(text, how);
  if (unitOf(found.location)) { await arrive(found.location); return; }
  if (!transfer) { say("warn", _("Choose a transfer, or scan its paper")); return; }
  if (found.kind === "location") {
    target = found.location;
    await keep();
    say("good", _("Into %(place)s", { place: target }));
    return;
  }
  const line = transfer.lines.find((each) => each.item === found.item && (!found.lot || each.lot === found.lot) && (!found.serial || each.serial === found.serial));
  if (!line) { say("bad", _("%(name)s is not in this transfer", { name: found.name || found.item || text })); return; }
  if (line.lot && found.expiry) line.expiry = found.expiry;
  transfer.latest = line;
  await keep();
  say(off(line) ? "warn" : "good", _("%(name)s: %(number)s were sent", { name: titled(line), number: measured(line.open, line) }), { figure: written(line.came, line.decimals) });
});

byId("open-file").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", () => {
  const [file] = byId("file").files;
  if (file) attempt(async () => byPaper([(await file.text()).trim()])).finally(() => { byId("file").value = ""; });
});

byId("back").addEventListener("click", () => attempt(async () => {
  leave();
  await load();
}));

const wholeUnits = () => [...whole].filter(isWhole);
function wish() {
  const units = wholeUnits();
  const lines = transfer.lines.map((line) => ({
    index: line.index, quantity: line.came, target,
    ...(line.damaged ? { damaged: line.damaged, held: line.held } : {}), ...(line.expiry && line.came ? { expiry: line.expiry } : {}), ...(off(line) < 0 ? { missing: -off(line) } : {}), ...(off(line) ? { reasons: whys(line) } : {}),
  }));
  return { transfer: transfer.name, sender: transfer.sender, lines, ...(units.length ? { units, target } : {}), ...(transfer.paper ? { paper: transfer.paper } : {}) };
}

const { open } = decider({
  sign: { title: _("Accept this transfer"), yes: _("Sign"), signed: true, why: "", words: () => [_("From %(sender)s into %(place)s.", { sender: transfer.origin, place: target }), loose()].filter(Boolean).join(" "),
    act: async (signal) => {
      await draft.ready();
      return act("transfers/accept", { ...wish(), pin: byId("pin").value }, transfer.opId, signal);
    },
    done: async (answer) => {
      if (answer.ask) { askAgain(answer.ask, byId("pin").value); return; }
      await accepted(answer);
    } },
});

function askAgain(question, pin) {
  ask(_("Is that right?"), question, _("Yes, so much"), async (why, signal) => accepted(await act("transfers/accept", { ...wish(), confirm: true, pin }, transfer.opId, signal)));
}

async function accepted(answer) {
  const { origin: sender, opId } = transfer;
  draft.keep(null, opId);
  leave();
  done(answer.op_id, _("What %(sender)s sent is in %(place)s", { sender, place: target }));
  await attempt(load);
  show();
}

// What travelled in a unit and is taken in without it.
function loose() {
  const units = new Set(transfer.lines.map((line) => line.handling_unit).filter((unit) => unit && !isWhole(unit)));
  return units.size ? n_("%(num)s handling unit was not scanned whole: its goods come in loose.", "%(num)s handling units were not scanned whole: their goods come in loose.", units.size) : "";
}

// Of what is missing the carrier took a part back, which its sender can expect, and the rest has the reason that was chosen.
const goesBack = (line) => off(line) < 0 && transfer.origin === transfer.sender; // not of what comes back itself
function whys(line) {
  const short = -off(line), back = goesBack(line) ? line.back ?? 0 : 0;
  return back === 0 ? [line.why] : back === short ? ["returned"] : [[line.why, short - back], ["returned", back]];
}

function backOf(line) {
  const digits = typed(byId(`back-${line.index}`)) || "0";
  const back = /^[0-9]{1,12}(\.[0-9]+)?$/.test(digits) ? base(digits, line.decimals) : NaN;
  if (!(back <= -off(line))) throw new Refused(_("%(name)s: at most %(number)s can have gone back.", { name: titled(line), number: measured(-off(line), line) }));
  return back;
}

function askBack(line) {
  const part = byId("back-of").content.cloneNode(true), id = `back-${line.index}`, field = part.querySelector("input");
  Object.assign(part.querySelector("label"), { htmlFor: id, textContent: _("Of these the carrier took back") });
  Object.assign(field, { id, value: line.back ? written(Math.min(line.back, -off(line)), line.decimals) : "" });
  return part;
}

// Why each line differs, of the reasons that fit it: one for all would be true of none.
const fits = (line, reason) => (off(line) > 0) === (reason === "over");
function askWhys(different) {
  byId("differs-refusal").textContent = "";
  byId("whys").replaceChildren(...different.flatMap((line) => {
    const part = byId("why-of").content.cloneNode(true), id = `why-${line.index}`, select = part.querySelector("select"), label = part.querySelector("label");
    Object.assign(label, { htmlFor: id, textContent: `${titled(line)}: ${gap(line)}` });
    for (const option of [...select.options]) if (!fits(line, option.value)) option.remove();
    select.id = id;
    line.why = select.value;
    select.addEventListener("change", () => { line.why = select.value; });
    return goesBack(line) ? [part, askBack(line)] : [part];
  }));
}

byId("accept").addEventListener("click", () => {
  if (reach.ok === false) { say("warn", `${OUT} ${AWAY}`); return; }
  const different = transfer.lines.filter(off);
  askWhys(different);
  if (!different.length) { open("sign"); return; }
  byId("differs-words").textContent = different.slice(0, 5).map((line) => _("%(name)s: %(number)s of %(all)s", { name: line.item, number: written(line.came, line.decimals), all: measured(line.open, line) })).join(", ");
  byId("differs").showModal();
});
byId("differs-form").addEventListener("submit", (event) => {
  try {
    for (const line of transfer.lines.filter(goesBack)) line.back = backOf(line);
    open("sign");
  } catch (error) {
    event.preventDefault();
    byId("differs-refusal").textContent = error.message;
  }
});

async function start() {
  const before = await half.said;
  if (before && !of) { ({ of } = before); parts = new Map(before.parts); }
  await load();
  const name = new URLSearchParams(location.search).get("transfer"), known = coming.find((each) => each.transfer === name);
  if (name && !draft) await (known ? choose(known) : goOn(name));
  if (!told && !draft) invite(missing().length ? stillMissing() : coming.length ? _("Choose a transfer, or scan its paper") : _("Scan the paper that came with the goods"));
  show();
}
whenAway(() => [AWAY, told].filter(Boolean).join(" "), () => attempt(start));
beforeCodes(attempt(start));
