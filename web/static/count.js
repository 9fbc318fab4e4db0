// Counting a bin. The node holds the truth: this page shows what the stream says and sends acts, nothing else.

import { act, post } from "./api.js";
import { beside, withMark, written } from "./amounts.js";
import { stream } from "./bar.js";
import { leadOn } from "./busy.js";
import "./files.js";
import { Finder } from "./find.js";
import { Keypad } from "./keypad.js";
import { follow } from "./ladder.js";
import { attempt, byId, element, invite, keepingPlace, ltr, makeWay, say } from "./page.js";
import { place } from "./place.js";
import { nameOf } from "./names.js";
import { outbox } from "./outbox.js";
import { askExpiry, askHeld, HELD, heldButton, heldWords, offer } from "./part.js";
import { reach } from "./reach.js";
import "./held.js";
import { askHow, showAreas } from "./share.js";
import { Seen, titled } from "./seen.js";
import { showUndecided } from "./undecided.js";
import { lastSaid, undoLast } from "./undoing.js";
import { sayAside, showUnknown } from "./unknown.js";
import { isWeighed, weighed } from "./weigh.js";
import { dayWords, hourWords, momentWords } from "./times.js";
import { onPhoto } from "./photo.js";
import { onScan, TYPED } from "./wedge.js";
import { _, apart, n_ } from "./words.js";

const SEALED_MAX = 200, SAID_MAX = 5;
const seen = new Seen();
let scale = "", screen = null, proofOf = null;

// A part of a bin that somebody else counts, as it was asked for.
const PARTS = {
  asked: (area) => _("%(area)s: not answered yet", { area }),
  agreed: (area) => _("your part: %(area)s", { area }),
  counting: (area) => _("your part: %(area)s", { area }),
};

// ---------------------------------------------------------------- what is shown

function dueOf({ deadline_ms: until, overdue }) {
  if (!until) return [];
  const due = _("until %(moment)s", { moment: momentWords(until) });
  return [element("span", { className: overdue ? "overdue" : "", textContent: overdue ? `▲ ${_("overdue")} · ${due}` : due })];
}

function tileOf(bin) {
  const words = bin.area ? PARTS[bin.area.state](bin.area.name) : bin.open ? _("open: count on") : bin.whole ? bin.name : _("%(name)s: some items only", { name: bin.name });
  const button = element("button", { className: "tile", type: "button" },
    element("strong", {}, ltr(bin.bin)), element("span", { textContent: words }), ...dueOf(bin));
  button.addEventListener("click", () => attempt(() => open(bin.bin)));
  return button;
}

// The bins of a count that do not wait for this person, as they stand.
const unfolded = new Set();
const STANDS = { counting: ({ counter: { name, since_ms: since } }) => `◐ ${_("%(name)s, since %(time)s", { name: apart(name), time: hourWords(since) })}`, waiting: () => `○ ${_("waits for somebody else")}`, counted: () => `✓ ${_("counted")}` };
function othersOf({ session, others }) {
  if (!others?.length) return [];
  const busy = others.filter((each) => each.state === "counting").length;
  const words = [_("Other bins"), busy && `◐ ${n_("%(num)s is being counted", "%(num)s are being counted", busy)}`].filter(Boolean).join(" · ");
  const rows = others.map((each) => element("li", {}, ltr(each.bin), element("span", { className: "quiet", textContent: STANDS[each.state](each) })));
  const made = element("details", { open: unfolded.has(session) }, element("summary", { textContent: words }), element("ul", { className: "others" }, ...rows));
  made.addEventListener("toggle", () => { if (made.open) unfolded.add(session); else unfolded.delete(session); });
  return [made];
}

// How far a count is, in bins.
function progressOf({ name, counted, of, ...count }) {
  const words = n_("%(counted)s of %(num)s bin is counted", "%(counted)s of %(num)s bins are counted", of, { counted });
  const bar = element("progress", { max: of, value: counted });
  bar.setAttribute("aria-label", words);
  return element("div", { className: "far" }, element("bdi", { textContent: name }), bar, element("span", { className: "quiet", textContent: words }), ...othersOf(count));
}

async function open(bin) {
  try {
    const answer = await act("counts/open", place.goTo(bin));
    if (!answer.ask) return;
    place.refused(bin);
    askHow(bin, answer.ask);
  } catch (error) {
    place.refused(bin);
    throw error;
  }
}

function lineOf(line) {
  const details = [heldWords(line.status), line.lot && _("lot %(lot)s", { lot: line.lot }), line.serial && _("serial %(serial)s", { serial: line.serial }), line.expiry && _("expires %(day)s", { day: dayWords(line.expiry) })];
  const what = element("div", { className: "what" }, element("strong", { textContent: titled(line) }),
    element("span", { className: "quiet" }, ltr(line.item), ...details.filter(Boolean).map((each) => ` · ${each}`)));
  const change = element("button", { className: "button", type: "button", textContent: line.serial ? _("Remove") : _("Change") });
  const name = { name: titled(line) };
  change.setAttribute("aria-label", line.serial ? _("Remove %(name)s", name) : _("Change %(name)s", name));
  change.addEventListener("click", () => (line.serial ? attempt(() => enter(line, 0)) : askQuantity(line)));
  const latest = seen.isLatest(line);
  const row = element("article", { className: "line card" }, what,
    element("div", { className: "amount" }, element("output", { className: "count", textContent: written(line.counted, line.decimals) }),
      element("span", { className: "quiet", textContent: beside(line) })), ...(line.serial && !line.status ? [heldButton(titled(line), (held) => hold(line, held, "1"))] : []),
    ...(latest && !line.serial && !line.decimals ? stepsOf(line) : []), change);
  if (latest) row.dataset.latest = "";
  return row;
}

// One piece less and one more of the line that was touched last.
function stepsOf(line) {
  const { item, lot, status } = line, thing = { item, ...(lot && { lot }), ...(status && { status }) };
  return [["take", "−1", _("One less of %(name)s", { name: titled(line) })], ["add", "+1", _("One more of %(name)s", { name: titled(line) })]].map(([mode, words, label]) => {
    const button = element("button", { className: "button step", type: "button", disabled: mode === "take" && line.counted < 1 }, ltr(words));
    button.setAttribute("aria-label", label);
    button.addEventListener("click", () => attempt(() => act("counts/enter", { ...thing, quantity: 1, mode, ...place.here() })));
    return button;
  });
}

// What was said last, each to be taken back by itself.
function saidOf(event, lines) {
  const { number, kind, item, lot, serial, quantity, entered } = event;
  const { decimals = 0 } = lines.find((each) => each.item === item) || {};
  const name = nameOf(item) || item, details = [lot && _("lot %(lot)s", { lot }), serial && _("serial %(serial)s", { serial })].filter(Boolean);
  const figure = kind === "set" ? written(entered, decimals) : `${quantity < 0 ? "−" : "+"}${written(Math.abs(quantity), decimals)}`;
  const button = element("button", { className: "button", type: "button", textContent: _("Undo") });
  button.setAttribute("aria-label", _("Undo %(name)s, %(number)s", { name, number: figure }));
  button.addEventListener("click", () => attempt(() => act("counts/undo", { number, ...place.here() })));
  return element("article", { className: "line card" },
    element("div", { className: "what" }, element("strong", { textContent: name }), element("span", { className: "quiet" }, ltr(item), ...details.map((each) => ` · ${each}`))),
    element("output", { className: "count", dir: "ltr", textContent: figure }), button);
}

function showSaid(lines) {
  const standing = screen.last.filter((event) => event.item && !event.undone && !["undo", "repeat"].includes(event.kind)).slice(0, SAID_MAX);
  byId("said").hidden = !standing.length;
  byId("said-lines").replaceChildren(...(byId("said").open ? standing.map((event) => saidOf(event, lines)) : []));
}
byId("said").addEventListener("toggle", () => { if (screen) showSaid(screen.lines || []); });

const wordsOf = ({ item, name, lot, serial }) => [item, name, nameOf(item), lot, serial];
const finder = new Finder(wordsOf, () => { if (screen) showLines(); });

function showLines() {
  const { lines = [], sealed = [] } = screen;
  keepingPlace(() => {
    byId("lines").replaceChildren(...finder.of(lines).map(lineOf), ...sealed.slice(-SEALED_MAX).map(sealedOf));
    showSaid(lines);
  });
}

// An unopened unit that was confirmed by its label: nothing in it is counted.
const sealedOf = (unit) => element("article", { className: "line card" },
  element("div", { className: "what" }, element("strong", {}, ltr(unit)), element("span", { className: "quiet", textContent: _("sealed, not opened") })));

function noticeUnits(before, now) {
  const added = now.find((unit) => !before.includes(unit));
  if (added) say("good", _("Unit %(unit)s: sealed, not opened", { unit: added }));
  else if (now.length < before.length) say("warn", _("Taken back"));
}

// After any interruption the line that was touched last is marked again.
function resumed(lines) {
  const last = (screen.last || []).find((event) => event.item && !event.undone);
  return last && lines.find((each) => ["item", "lot", "serial"].every((name) => (each[name] || "") === last[name]));
}

function emptyWords() {
  return screen.empty ? _("You said that this bin is empty. Finish it, or undo.") : _("Scan what is in the bin. Nothing is counted yet.");
}

function showBin(before) {
  const lines = screen.lines || [], units = screen.sealed || [];
  const opened = !before || before.task !== screen.task;
  if (opened) {
    seen.start(lines, resumed(lines));
    finder.clear();
    say("quiet", lines.length ? _("Bin %(bin)s: count on where you stopped", { bin: screen.target })
      : _("Bin %(bin)s is open: scan what is in it", { bin: screen.target }), { aloud: false });
  } else {
    seen.notice(lines);
    noticeUnits(before.sealed || [], units);
    if (screen.parked > before.parked) sayAside(screen.parked_last, _("Unknown code: it is kept, count on"));
    if (screen.empty && !before.empty) say("good", _("Noted: the bin is empty"));
  }
  byId("bin").textContent = screen.target;
  byId("progress").textContent = n_("%(num)s line", "%(num)s lines", lines.length);
  byId("no-lines").hidden = lines.length > 0 || units.length > 0;
  byId("no-lines").textContent = emptyWords();
  showLines();
  showAreas(screen);
  mayUndo();
  byId("empty").disabled = lines.some((line) => line.counted > 0) || units.length > 0 || screen.empty;
  byId("done").disabled = !lines.length && !units.length && !screen.empty;
  byId("parked").hidden = !screen.parked;
  byId("parked-count").textContent = screen.parked;
}

function showChoice(before, state) {
  seen.start([]);
  byId("far").replaceChildren(...(state.progress || []).map(progressOf));
  byId("bins").replaceChildren(...state.bins.map(tileOf));
  byId("no-bins").hidden = state.bins.length > 0;
  const scanners = (state.links.scanners || []).filter((device) => device.kind === "scanner");
  const free = scanners.find((device) => device.state === "ready");
  const offered = free && !scanners.some((device) => state.scanners_mine.includes(device.name));
  byId("use-scanner").hidden = !offered;
  if (offered) byId("free-scanner").textContent = free.name;
  leadOn(state.screen);
  if (!state.screen && !before && !proofOf) invite(_("Ready: scan a bin or choose one"));
}

function show(state) {
  const before = screen;
  screen = state.screen && state.screen.kind === "count" ? state.screen : null;
  byId("choose").hidden = Boolean(screen);
  byId("counting").hidden = !screen;
  byId("dock").hidden = !screen;
  byId("undecided-open").hidden = !state.undecided;
  byId("undecided-count").textContent = state.undecided || 0;
  scale = state.scale || "";
  if (screen) stopFollowing();
  if (screen) showBin(before);
  else showChoice(before, state);
}

stream.addEventListener("state", (event) => show(event.detail));

// ---------------------------------------------------------------- what is done

// The outbox sends in the order in which it was scanned: what follows a bin's label belongs into that bin.
function scan(text, how = {}) {
  return attempt(() => makeWay() && send(text, how));
}

// What is scanned before it is known where the counter is waits for that, and what comes after it waits behind it. Without
// the node and a bin it is said no to and never sent: by then another bin may be open.
let before = Promise.resolve();
async function placed(text, how) {
  await place.known;
  const nowhere = () => !place.label(text, how) && !screen && !place.here().bin;
  if (nowhere()) await place.told;
  if (nowhere() && !reach.ok) return null;
  const bin = place.label(text, how), lost = nowhere();
  return { bin, lost, answered: act("scans", { ...place.of(text, how), ...how }) };
}

async function send(text, how) {
  const turn = before.then(() => placed(text, how));
  before = turn.catch(() => {});
  const sent = await turn;
  if (!sent) { say("warn", _("Scan a bin first")); return; }
  const { bin, lost, answered } = sent, over = new AbortController();
  // The node would have known what it is; without it, it is told no like any other.
  if (lost) reach.addEventListener("change", ({ detail: ok }) => { if (!ok) say("warn", _("Scan a bin first")); }, { signal: over.signal });
  const answer = await answered.finally(() => over.abort());
  if (bin && !["opened", "bin", "steered"].includes(answer.outcome)) place.refused(bin);
  if (["refused", "ignored", "badge", "nobody", "late"].includes(answer.outcome)) say("bad", answer.why);
  else if (answer.outcome === "counted" && answer.repeated) say("warn", _("This piece is counted already"));
  else if (answer.outcome === "taken") askHow(bin, answer.why);
  else if (answer.outcome === "item") say("warn", _("Scan a bin first"));
  else if (answer.measure) askQuantity({ ...answer.hint, ...answer.measure, name: nameOf(answer.hint.item), park: answer.park, counted: 0 });
}
onScan((text) => scan(text), (text) => byId("keypad").open && /^[0-9]{1,6}$/.test(text));
onPhoto(scan);

const mayUndo = () => { byId("undo").disabled = !screen || !Object.keys(lastSaid(screen.last, place.here())).length; };
outbox.addEventListener("change", mayUndo);
byId("undo").addEventListener("click", () => attempt(async () => {
  const answer = await act("counts/undo", { ...place.here(), ...undoLast(screen.last, place.here()) });
  if (answer.repeated) say("warn", _("This piece is counted already"));
}));
byId("empty").addEventListener("click", () => attempt(() => act("counts/empty", place.here())));
byId("parked").addEventListener("click", () => attempt(() => showUnknown(scale)));
byId("undecided-open").addEventListener("click", () => attempt(async () => {
  if (await showUndecided(byId("undecided-list"), () => byId("undecided").close())) byId("undecided").showModal();
}));
byId("done").addEventListener("click", () => attempt(() => close(screen.target, false)));
byId("use-scanner").addEventListener("click", () => attempt(async () => {
  await post("devices/bind", { device: byId("free-scanner").textContent });
  say("good", _("Its scans come to you now"));
}));
byId("leave").addEventListener("click", () => {
  const bin = screen.target;
  ask(_("Leave bin %(bin)s?", { bin }),
    _("What you counted in it is set aside, and the bin waits to be counted afresh."), _("Leave it"),
    () => attempt(() => leave(bin)));
});

let agreed = () => {};
function ask(title, words, yes, then) {
  byId("ask-title").textContent = title;
  byId("ask-words").textContent = words;
  byId("ask-yes").textContent = yes;
  agreed = then;
  byId("ask").showModal();
}
byId("ask-yes").addEventListener("click", () => { byId("ask").close(); agreed(); });

async function close(bin, sure) {
  const again = (words) => ask(_("Is bin %(bin)s done?", { bin }), words, _("Yes, done"), () => attempt(() => close(bin, true)));
  if (!sure && reach.ok === false) { again(byId("counting").dataset.sure); return; }
  const answered = act("counts/close", { bin, confirm: sure });
  if (sure && reach.ok === false) place.leave(bin);
  const answer = await answered;
  if (answer.ask) { again(answer.ask); return; }
  place.leave(bin);
  const [operation] = answer.operations || [];
  if (operation && (!screen || screen.target === bin)) startFollowing(operation, bin);
  if (answer.test) { location.assign(`/review/${answer.test}/${encodeURIComponent(bin)}`); return; }
  if (answer.already) { say("good", _("Bin %(bin)s was finished already, on your other tablet", { bin })); return; }
  if (answer.exception) { say("bad", _("Kept as an exception: the bin is to be counted")); return; }
  say("good", operation ? _("Bin %(bin)s is counted", { bin }) : _("Your part of bin %(bin)s is counted", { bin }));
}

async function leave(bin) {
  const answered = act("counts/leave", { bin });
  if (reach.ok === false) place.leave(bin);
  await answered;
  place.leave(bin);
}

// ---------------------------------------------------------------- quantity and typed codes

let typing = null, weight = "";
const keypad = new Keypad(byId("keypad"), (digits) => { byId("keypad-value").textContent = withMark(digits || "0"); }, () => {
  const digits = keypad.digits;
  if (digits === "") { byId("keypad").close(); return; }
  if (typing.pieces !== undefined && weight === "") { weight = digits; askPieces(); return; }
  byId("keypad").close();
  attempt(() => typing.take(typing, weight || digits, weight ? Number(digits) : undefined));
});
byId("keypad").addEventListener("keydown", (event) => keypad.typed(event));

// `take`: what is done with the amount; else it is what there is of the line.
function askQuantity(line, take = line.park ? resolve : enter, title = titled(line)) {
  typing = { ...line, take };
  byId("keypad").toggleAttribute("data-owed", Boolean(line.park));
  weight = "";
  offer(take === enter ? {
    ...(line.status ? {} : { part: () => askHeld(titled(line), (held) => askQuantity({ ...line, counted: 0 }, (...said) => hold(line, held, ...said.slice(1)), _("%(name)s, %(held)s: how many?", { name: titled(line), held: HELD[held] }))) }),
    ...(line.lot ? { expiry: () => askExpiry(titled(line), line.expiry, (expiry) => attempt(() => enter({ ...line, expiry }, exactly(line), line.pieces))) } : {}),
  } : {});
  showKeypad(line.unit ? _("%(name)s in %(unit)s", { name: title, unit: line.unit }) : title,
    written(line.counted, line.decimals), Boolean(line.decimals), isWeighed(line.unit)); // the first digit replaces it
  byId("keypad").showModal();
}

// What a line has, as it would be typed.
const exactly = ({ counted, decimals }) => written(counted, decimals, ".");

byId("weigh").addEventListener("click", async () => {
  const amount = await weighed(byId("weigh"), typing.item, byId("weigh-words"));
  if (amount) keypad.put(amount);
});

const askPieces = () => showKeypad(_("Pieces of %(name)s", { name: titled(typing) }), String(typing.pieces), false);

function showKeypad(title, value, point, onScale = false) {
  keypad.clear();
  keypad.point = point;
  byId("point").hidden = !point;
  byId("weigh-words").textContent = "";
  byId("weigh").hidden = !(scale && onScale);
  byId("keypad-title").textContent = title;
  byId("keypad-value").textContent = value;
}

// A line with so much of it, as the node wants it.
function wishOf({ item, lot, serial, expiry, status, decimals }, amount, pieces) {
  const said = Object.entries({ lot, serial, expiry, status, pieces }).filter(([, value]) => value !== undefined && value !== "");
  const how = decimals ? { amount: String(amount).replace(/\.$/, "") } : { quantity: Number(amount) };
  return { item, ...how, ...Object.fromEntries(said) };
}

const hold = (line, held, ...said) => attempt(() => act("tasks/part", { ...wishOf(line, ...said), held, ...place.here() }));

async function sure(path, wish) {
  const answer = await act(path, wish);
  if (answer.ask) ask(_("Is that right?"), answer.ask, _("Yes, count it"), () => attempt(() => act(path, { ...wish, confirm: true })));
}
const enter = (line, ...said) => sure("counts/enter", { ...wishOf(line, ...said), mode: "set", ...place.here() });
const resolve = (line, ...said) => sure("scans/resolve", { park: line.park, ...wishOf(line, ...said) });

byId("type").addEventListener("click", () => { byId("code-text").value = ""; byId("code").showModal(); });
byId("code-form").addEventListener("submit", () => {
  const text = byId("code-text").value.trim();
  if (text) scan(text, TYPED);
});

// ---------------------------------------------------------------- the proof ladder

function startFollowing(opId, bin) {
  proofOf = opId;
  byId("proof").hidden = false;
  byId("proof").querySelector(".ladder").replaceChildren();
  byId("proof-bin").textContent = bin;
  byId("proof-link").href = `/operations/${opId}`;
  follow(opId, byId("proof"), () => proofOf === opId);
}

function stopFollowing() {
  proofOf = null;
  byId("proof").hidden = true;
}
