// A receipt or a move that is scanned together. The node holds it: any scanner adds to it, and any tablet resumes it.

import { act, Refused } from "./api.js";
import { answerOrKept, OUT, SCAN_ON, whenAway } from "./away.js";
import { base, beside, together, written } from "./amounts.js";
import { stream } from "./bar.js";
import { leadOn } from "./busy.js";
import { ACTS, ask, askAmount, beforeCodes, detailsOf, done, lineOf, lookUp, onCode, stopFollowing, tileOf } from "./goods.js";
import { Finder } from "./find.js";
import { ended, recall } from "./last.js";
import { loadNames, nameOf } from "./names.js";
import { outbox } from "./outbox.js";
import { attempt, byId, element, invite, keepingPlace, pressed, say } from "./page.js";
import { askExpiry, askHeld, HELD, heldButton } from "./part.js";
import { reach } from "./reach.js";
import { Seen, titled } from "./seen.js";
import { dayWords } from "./times.js";
import { rest } from "./rest.js";
import { lastOf } from "./told.js";
import { lastSaid, undoLast } from "./undoing.js";
import { sayAside, showUnknown } from "./unknown.js";
import { _, apart, n_ } from "./words.js";

const kind = byId("choose").dataset.kind;
const receiving = kind === "receive";
const LINES_MAX = 200;
const BEGINS = _("This can be begun when it answers.");
const SIGHT_MS = 2000;
const GRACE_MS = 1000; // before that nobody knows whether the node is in reach
const seen = new Seen();
let screen = null, elsewhere = null, unit = "", deliveries = [], loaded = false, asked = false;
let told = null; // what the node answered to a unit whose lines are not on the screen yet
let expected = null; // the delivery of this receipt, which need not be among those that are listed

const known = (name) => (expected?.delivery === name ? expected : deliveries.find((each) => each.delivery === name));
const supplierOf = (name) => known(name)?.supplier;
// The delivery of this receipt: it was begun for it, or a unit said which one it is of.
const chosen = () => (screen?.delivery ? { delivery: screen.delivery, supplier: supplierOf(screen.delivery) } : null);

// What is sent late belongs to the receipt or move in which it was done.
const within = (wish = {}) => (screen ? { ...wish, task: screen.task } : wish);

// ---------------------------------------------------------------- what is shown

async function sure(path, wish) {
  const answer = await act(path, wish);
  if (answer.ask) ask(_("Is that right?"), answer.ask, _("Yes, so much"), () => act(path, { ...wish, confirm: true }));
}
const enter = (wish) => sure("tasks/enter", within(wish));

const named = ({ item, lot, serial, expiry, place, status }) => Object.fromEntries(
  Object.entries({ item, lot, serial, expiry, place, status }).filter(([, value]) => value));

function change(line) {
  const { decimals = 0 } = line;
  if (line.serial) { attempt(() => enter({ ...named(line), quantity: 0 })); return; }
  askAmount(titled(line), line.counted, decimals, (digits) => attempt(() => enter({ ...named(line), quantity: base(digits, decimals) })), {
    ...(line.status ? {} : { part: () => askHeld(titled(line), (held) => hold(line, held)) }),
    ...(line.lot ? { expiry: () => askExpiry(titled(line), line.expiry, (expiry) => attempt(() => enter({ ...named(line), expiry, quantity: line.counted }))) } : {}),
  });
}

// A part of a line is held: a piece is all of it.
function hold(line, held) {
  const { decimals = 0 } = line, part = (quantity) => attempt(() => act("tasks/part", within({ ...named(line), held, quantity })));
  if (line.serial) part(1);
  else askAmount(_("%(name)s, %(held)s: how many?", { name: titled(line), held: HELD[held] }), 0, decimals, (digits) => attempt(() => part(base(digits, decimals))));
}

// Its label does not say how much there is: the scan waits until somebody says it.
function askMeasure({ park, hint, measure }) {
  const { item, lot, serial, expiry } = hint;
  askAmount(_("%(name)s in %(unit)s", { name: nameOf(item) || item, unit: measure.unit }), 0, measure.decimals,
    (amount) => attempt(() => sure("scans/resolve", { park, ...named({ item, lot, serial, expiry }), amount })), { owed: true });
}

function next() {
  if (receiving) return screen.target ? _("Scan what came.") : _("Scan the bin that takes the goods.");
  if (!screen.source) return _("Scan the bin where the goods are.");
  return screen.lines.length && !screen.target ? _("Scan the bin where they go.") : _("Scan what you take, then the bin where it goes.");
}

// Asked for by its number, and kept on this tablet so: it may stand far behind in the list.
let wished = "";
async function loadExpected(name) {
  wished = name;
  const { rows } = await lastOf(`deliveries/?${new URLSearchParams({ delivery: name })}`, "delivery");
  [expected = null] = rows;
  if (screen) showExpected();
}

// What of the chosen delivery came by now, this receipt included.
function showExpected() {
  const mine = chosen(), found = mine && known(mine.delivery);
  if (mine && mine.delivery !== wished) loadExpected(mine.delivery).catch(() => {}); // without an answer it is received all the same
  byId("expected").hidden = !found;
  if (!found) return;
  byId("expected-title").textContent = _("Expected in %(delivery)s", { delivery: found.delivery });
  const here = (item) => screen.lines.filter((line) => line.item === item).reduce((sum, line) => sum + line.counted, 0);
  // What came last stands first, then what is still to come.
  const newest = new Map(screen.lines.map((line, at) => [line.item, at])), at = ({ item }) => newest.get(item) ?? -1;
  const lines = [...found.lines].sort((one, other) => at(other) - at(one)).slice(0, LINES_MAX);
  byId("expected-lines").replaceChildren(...lines.map((line) => lineOf({
    title: nameOf(line.item) || line.item, figure: `${written((line.came ?? 0) + here(line.item), line.decimals)} / ${written(line.wanted, line.decimals)}`, beside: line.decimals ? line.unit : "",
    details: [apart(line.item), ...line.lots.map((lot) => _("lot %(lot)s", { lot })), line.units.length === 1 ? _("on %(unit)s", { unit: line.units[0] }) : line.units.length ? n_("on %(num)s unit", "on %(num)s units", line.units.length) : ""].filter(Boolean),
  })));
}

const wordsOf = ({ item, name, lot, serial, place }) => [item, name, nameOf(item), lot, serial, place];
const finder = new Finder(wordsOf, () => { if (screen) showLines(); });

const showLines = () => keepingPlace(() => byId("lines").replaceChildren(...finder.of(screen.lines).map((line) => lineOf({
  title: titled(line), details: [...detailsOf(line), line.place && _("to %(place)s", { place: line.place })], figure: written(line.counted, line.decimals),
  beside: beside(line), also: line.serial && !line.status ? [heldButton(titled(line), (held) => hold(line, held))] : [], act: [line.serial ? ACTS.remove : ACTS.change, () => change(line)], latest: seen.isLatest(line),
}))));

function showTask(before) {
  const { lines } = screen;
  if (!before || before.task !== screen.task) {
    seen.start(lines);
    finder.clear();
    say("quiet", lines.length ? _("Go on where you stopped") : next(), { aloud: false });
  } else {
    const places = before.target !== screen.target || before.source !== screen.source;
    if (places) say("good", next());
    seen.notice(lines);
    if (told) sayUnit(told);
    told = null;
    if (screen.parked > before.parked) sayAside(screen.parked_last, _("Unknown code: it is kept, go on"));
  }
  byId("from").textContent = (receiving ? screen.target : screen.source) || "…";
  if (!receiving) byId("to").textContent = screen.target || "…";
  byId("progress").textContent = n_("%(num)s line", "%(num)s lines", lines.length);
  byId("no-lines").hidden = lines.length > 0;
  byId("no-lines").textContent = next();
  showLines();
  mayUndo();
  byId("done").disabled = !lines.some((line) => line.counted > 0);
  byId("parked-count").textContent = screen.parked;
  if (receiving) showExpected();
}

function cameOf({ lines, being_counted: hidden }) {
  if (hidden) return _("what came of it is being counted");
  if (lines.some((line) => line.came === undefined)) return _("%(all)s expected", { all: together(lines.map((line) => ({ ...line, quantity: line.wanted }))) });
  const sum = (name) => together(lines.map((line) => ({ ...line, quantity: line[name] })));
  return _("%(number)s of %(all)s came", { number: sum("came"), all: sum("wanted") });
}

async function showChoice() {
  seen.start([]);
  leadOn(elsewhere);
  if (!elsewhere && !asked) {
    invite(receiving ? _("Choose a delivery, or receive without one") : _("Scan the bin where the goods are"));
  }
  asked = true;
  if (!receiving) return;
  byId("blind").disabled = Boolean(elsewhere) || reach.ok === false;
  byId("blind").classList.toggle("primary", !elsewhere);
  showDeliveries(deliveries);
  byId("close-delivery").hidden = !deliveries.length;
  byId("no-deliveries").hidden = deliveries.length > 0 || !loaded;
}

function showDeliveries(rows) {
  deliveries = rows;
  byId("deliveries").replaceChildren(...rows.map((each) => {
    return tileOf(each.delivery, [apart(each.supplier), cameOf(each), each.due && _("due %(day)s", { day: dayWords(each.due) })].filter(Boolean).join(" · "), () => begin(each));
  }));
}

function show(state) {
  const before = screen;
  screen = state.screen?.kind === kind ? state.screen : null;
  elsewhere = screen ? null : state.screen;
  byId("choose").hidden = Boolean(screen);
  byId("working").hidden = !screen;
  for (const each of document.querySelectorAll("[data-open]")) each.hidden = !screen;
  byId("parked").hidden = !screen?.parked;
  if (screen) { stopFollowing(); showTask(before); }
  else showChoice();
}
stream.addEventListener("state", (event) => show(event.detail));

async function loadDeliveries() {
  const [answer] = await Promise.all([lastOf("deliveries/"), loadNames()]);
  deliveries = answer.rows;
  loaded = true;
  wished = ""; // what came of it may be another by now
  rest(byId("deliveries"), "deliveries/", answer, showDeliveries);
  if (screen) showExpected();
  else if (asked) showChoice();
}
attempt(receiving ? loadDeliveries : loadNames);

// ---------------------------------------------------------------- what is done

// Resolves when the stream has shown what was begun, or says nothing for a while.
const inSight = (task) => new Promise((resolve) => {
  const look = () => { if (screen?.task === task) end(); };
  function end() {
    stream.removeEventListener("state", look);
    resolve();
  }
  stream.addEventListener("state", look);
  setTimeout(end, SIGHT_MS);
  look();
});

// A code that is read meanwhile belongs to what is being begun.
let beginning = Promise.resolve();
function begin(delivery, places = {}) {
  const begun = async () => {
    if (reach.ok === false) throw new Refused(`${OUT} ${BEGINS}`);
    const answer = await act("tasks/begin", { kind, ...places, ...(delivery && { delivery: delivery.delivery }) });
    await inSight(answer.task);
  };
  const begins = begun();
  // Who asked for it is told what became of it; a code is not kept waiting by a node that is silent.
  beginning = Promise.race([begins.catch(() => {}), new Promise((resume) => setTimeout(resume, 2 * SIGHT_MS))]);
  return begins;
}

// Nothing is open yet: the first label says what this is going to be.
async function first(text, how) {
  const found = await lookUp(text, how);
  if (unit && found.kind === "item" && !receiving) {
    await begin(null, { source: unit }); // goods after a unit: they are taken out of it
    unit = "";
    await scan(text, how);
  } else if (unit) {
    if (found.kind !== "location" || found.location === unit) { say("warn", _("Scan where unit %(unit)s goes", { unit })); return; }
    const answer = await act("units/move", { units: [{ unit, target: found.location }] });
    done(answer.op_id, _("Unit %(unit)s stands in %(place)s", { unit, place: found.location }));
    unit = "";
  } else if (found.kind === "location" && found.unit) {
    unit = found.location;
    say("good", receiving ? _("Unit %(unit)s: scan where it goes", { unit }) : _("Unit %(unit)s: scan where it goes, or what you take out of it", { unit }));
  } else if (found.kind === "location") {
    await begin(null, receiving ? { target: found.location } : { source: found.location });
  } else {
    say("warn", _("Scan the bin first"));
  }
}

function sayUnit({ unit, target, open = [] }) {
  if (open.length) say("warn", _("Unit %(unit)s: scan the labels of %(items)s on it", { unit, items: open.map((item) => nameOf(item) || item).join(", ") }));
  else if (target === unit) say("good", _("Unit %(unit)s: scan what is on it", { unit }));
  else say("good", _("Unit %(unit)s is in with all that is on it", { unit }));
}

// The outbox keeps the order: the next scan need not wait for what the node says to this one.
async function scan(text, how) {
  const before = screen, answer = await act("scans", within({ text, ...how }));
  if (["refused", "ignored", "badge", "nobody", "late", "item"].includes(answer.outcome)) say("bad", answer.why);
  else if (answer.measure) askMeasure(answer);
  else if (answer.unit) { sayUnit(answer); told = screen === before ? answer : null; }
}
onCode(async (text, how) => {
  await beginning;
  if (screen) attempt(() => scan(text, how));
  else await first(text, how);
});

byId("blind")?.addEventListener("click", () => attempt(() => begin(null)));
const mayUndo = () => { byId("undo").disabled = !screen || !Object.keys(lastSaid(screen.last, within())).length; };
outbox.addEventListener("change", mayUndo);
byId("undo").addEventListener("click", () => attempt(() => act("counts/undo", within(undoLast(screen.last, within())))));
byId("parked").addEventListener("click", () => attempt(showUnknown));
byId("drop").addEventListener("click", () => ask(_("Give it up?"), _("What was scanned is set aside. Nothing is booked."), _("Give it up"), async () => {
  if (!await answerOrKept("tasks/drop", within(), act)) { show(ended()); return; }
  say("warn", _("Given up: nothing was booked"));
}));

async function finish(wish) {
  const answer = await answerOrKept("tasks/finish", within(wish), act);
  if (!answer) { show(ended()); return; }
  if (answer.ask) {
    ask(_("Is that right?"), answer.ask, _("Yes, book it"), () => finish({ ...wish, confirm: true }));
    return;
  }
  screen = null;
  done(answer.op_id, answer.exception ? _("Kept as an exception: the bin is to be counted") : receiving ? _("Goods received") : _("Goods moved"), { back: !receiving && !answer.exception });
  if (receiving) await loadDeliveries();
}

byId("done").addEventListener("click", ({ currentTarget }) => {
  if (!receiving) { pressed(currentTarget, () => finish({})); return; }
  byId("papers-refusal").textContent = "";
  byId("supplier").value = chosen()?.supplier || byId("supplier").value;
  byId("papers").showModal();
});
byId("papers-form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const said = { supplier: byId("supplier").value.trim(), delivery_note: byId("note-number").value.trim() };
  const wish = Object.fromEntries(Object.entries(said).filter(([, value]) => value));
  if (byId("why").value) wish.reasons = [byId("why").value];
  pressed(event.submitter, async () => {
    try {
      await finish(wish);
      byId("papers").close();
      byId("note-number").value = byId("why").value = "";
    } catch (error) {
      byId("papers-refusal").textContent = error.message;
      throw error;
    }
  });
});

byId("close-delivery")?.addEventListener("click", () => {
  byId("closing-refusal").textContent = "";
  byId("closing-which").replaceChildren(...deliveries.map((each) => element("option", { value: each.delivery, textContent: `${each.delivery} · ${cameOf(each)}` })));
  byId("closing").showModal();
});
byId("closing-form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const delivery = byId("closing-which").value;
  pressed(event.submitter, async () => {
    try {
      const answer = await answerOrKept("deliveries/close", { delivery, reason: byId("closing-why").value }, act);
      byId("closing").close();
      if (!answer) return;
      await loadDeliveries();
      say("good", _("Nothing more is expected of %(delivery)s", { delivery }));
    } catch (error) {
      byId("closing-refusal").textContent = error.message;
      throw error;
    }
  });
});

// Until the node has said what is open, or this tablet remembers it, nobody can say what a code is to be. A node that
// answered something else may be lost again before it says so.
beforeCodes(new Promise((resume) => {
  let said = false;
  stream.addEventListener("state", () => { said = true; resume(); }, { once: true });
  setTimeout(async () => {
    const kept = await recall();
    if (!reach.ok || (!said && kept.screen)) show(kept);
    resume();
  }, GRACE_MS);
}));
whenAway(() => (screen ? SCAN_ON : BEGINS),
  () => { if (receiving) attempt(loadDeliveries); });
reach.addEventListener("change", ({ detail: ok }) => { if (receiving && !ok) byId("blind").disabled = true; });
