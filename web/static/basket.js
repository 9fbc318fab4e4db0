// A document that is put together on this tablet and sent as one act: hold, scrap, label, return, issue, dispatch.
// Until it is sent it is a draft: neither a reload nor a dead tablet loses a line.

import { act, get, newOpId } from "./api.js";
import { answerOrKept, SCAN_ON, whenAway } from "./away.js";
import { base, written } from "./amounts.js";
import { decider } from "./decide.js";
import { Draft } from "./draft.js";
import { ACTS, ask, askAmount, beforeCodes, detailsOf, done, isWeightless, lineOf, lookUp, onCode, stopFollowing } from "./goods.js";
import { attempt, byId, element, invite, keepingPlace, pressed, say } from "./page.js";
import { reach } from "./reach.js";
import { fact } from "./store.js";
import { lastOf } from "./told.js";
import { _, n_ } from "./words.js";

const { kind, path, place, amount, done: doneWords, scan } = byId("basket").dataset;
const signed = "signed" in byId("basket").dataset, proposed = "proposed" in byId("basket").dataset;
const fixed = JSON.parse(byId("fixed").textContent);
const actor = byId("bar").dataset.actor || (await fact("me").catch(() => null))?.actor;
const LINES_MAX = 200;
const WHOLE_UNITS = ["dispatch", "issue", "hold", "scrap", "send-back"]; // one scan takes a unit with all that is free on it
const AWAY = _("Your lines are kept on this tablet: it is signed when the node answers.");
// Where goods of an exception went, or came from: nobody knows more.
const ENDS = { gone: (bin) => ({ source: bin, target: "SHRINKAGE" }), came: (bin) => ({ source: "SHRINKAGE", target: bin }) };
const fresh = () => ({ opId: newOpId(), bin: "", lines: [], latest: -1 });
let basket = fresh();
const undone = []; // what Undo goes back to
const draft = new Draft(kind, actor, (work, opId) => {
  if (basket.lines.length) byId("papers").close(); // they were about other lines
  basket = work ? { ...work, opId } : fresh();
  undone.length = 0;
  show();
});

// What is to be sent, and under which op_id, from here on.
async function keep(next) {
  const { opId, ...work } = next, written = draft.keep(work.lines.length || work.bin ? work : null, opId);
  basket = next;
  await written;
  show();
}

const titled = (line) => line.name || line.item;
const same = (one, other) => ["item", "lot", "serial", "bin"].every((name) => (one[name] || "") === (other[name] || ""));

// ---------------------------------------------------------------- what is in it

const show = () => keepingPlace(() => {
  byId("at").hidden = !basket.bin;
  byId("place").textContent = basket.bin;
  byId("no-lines").hidden = basket.lines.length > 0 || !byId("proof").hidden;
  byId("lines").replaceChildren(...basket.lines.map((line, at) => lineOf({
    title: titled(line), details: [...detailsOf(line), place && _("at %(place)s", { place: line.bin })], figure: written(line.quantity, line.decimals), beside: line.decimals ? line.unit : "",
    act: [line.serial ? ACTS.remove : ACTS.change, () => attempt(() => change(at))], latest: at === basket.latest,
  })).reverse());
  byId("undo").disabled = !undone.length;
  byId("done").disabled = !basket.lines.length;
});

async function become(next) {
  undone.push(basket);
  stopFollowing();
  await keep({ ...basket, ...next });
}

async function set(at, quantity) {
  const line = basket.lines[at];
  const lines = quantity ? basket.lines.map((each) => (each === line ? { ...line, quantity } : each)) : basket.lines.filter((each) => each !== line);
  await become({ lines, latest: quantity ? at : -1 });
  say(quantity > line.quantity ? "good" : "warn", titled(line), { figure: written(quantity, line.decimals) });
}

async function change(at) {
  const line = basket.lines[at];
  if (line.serial) await set(at, 0);
  else await askAmount(titled(line), line.quantity, line.decimals, (digits) => attempt(() => set(at, base(digits, line.decimals))));
}

async function add(found) {
  const { item, name, unit, decimals, lot, serial, quantity } = found;
  // What is only wished for has no lot or piece yet.
  const line = { item, name, unit, decimals, quantity, bin: basket.bin, ...(place ? { lot, serial } : {}) };
  const at = basket.lines.findIndex((each) => same(each, line));
  if (at >= 0 && line.serial) { say("warn", _("This piece is in it already")); return; }
  if (at >= 0) { await set(at, basket.lines[at].quantity + quantity); return; }
  if (basket.lines.length === LINES_MAX) { say("bad", _("At most %(number)s lines: send this first", { number: LINES_MAX })); return; }
  await become({ lines: [...basket.lines, line], latest: basket.lines.length });
  say("good", titled(line), { figure: written(quantity, decimals) });
}

async function addUnit(unit) {
  const path = `locations/${encodeURIComponent(unit)}`;
  const [stock, pieces] = await Promise.all([get(`${path}/inventory?limit=${LINES_MAX}`), get(`${path}/serials?limit=${LINES_MAX}`)]);
  const bySerial = new Set(pieces.rows.map((piece) => piece.item));
  const named = new Map(stock.rows.map((row) => [row.item, row]));
  const found = [...stock.rows.filter((row) => !bySerial.has(row.item)), ...pieces.rows.map((piece) => ({ ...named.get(piece.item), ...piece, quantity: 1 }))]
    .filter((row) => row.status === "free")
    .map(({ item, name, unit: measure, decimals, lot, serial, quantity }) => ({ item, name, unit: measure, decimals, lot, serial, quantity, bin: unit, booked: true }))
    .filter((line) => !basket.lines.some((each) => same(each, line)));
  if (stock.next || pieces.next || basket.lines.length + found.length > LINES_MAX) { say("bad", _("At most %(number)s lines: send this first", { number: LINES_MAX })); return; }
  await become({ bin: unit, lines: [...basket.lines, ...found], latest: -1 });
  say(found.length ? "good" : "warn", _("Unit %(unit)s with all that is free on it", { unit }), { figure: found.length });
}

onCode(async (text, how) => {
  const found = await lookUp(text, how);
  if (found.kind === "operation") { say("bad", _("That is an operation, not goods")); return; }
  if (found.kind === "location") {
    if (!place) { say("warn", _("No bin is needed here: scan the items")); return; }
    if (kind === "except" && basket.lines.length && found.location !== basket.bin) { say("warn", _("One bin at a time: send this first")); return; }
    if (found.unit && found.known && WHOLE_UNITS.includes(kind)) { await addUnit(found.location); return; }
    await become({ bin: found.location });
    say("good", _("At %(place)s: scan the goods", { place: found.location }));
  } else if (place && !basket.bin) {
    say("warn", _("Scan the bin first"));
  } else if (found.serials && !found.serial && place) {
    say("warn", _("%(name)s goes by its serial: scan the label of the piece", { name: titled(found) }));
  } else if (found.lots && !found.lot && place) {
    say("warn", _("%(name)s goes by lot: scan a label with the lot", { name: titled(found) }));
  } else if (isWeightless(found)) {
    await askAmount(titled(found), 0, found.decimals, (digits) => attempt(async () => {
      const quantity = base(digits, found.decimals);
      if (quantity) await add({ ...found, quantity });
    }), { owed: true, here: {} });
  } else {
    await add(found);
  }
});

byId("undo").addEventListener("click", () => attempt(async () => {
  await keep({ ...undone.pop(), opId: basket.opId });
  say("warn", _("Taken back"));
}));

// ---------------------------------------------------------------- sending it

function wish() {
  const said = { ...fixed };
  for (const each of document.querySelectorAll("[data-said]")) {
    const value = each.value.trim();
    if (value) said[each.dataset.said] = each.dataset.said === "reasons" ? [value] : value;
  }
  const { way, ...rest } = said; // of a correction: whether there is more or less than in the books
  if (kind === "except") Object.assign(rest, { location: basket.bin });
  const lines = basket.lines.map(({ item, lot, serial, quantity, bin }) => Object.fromEntries(
    Object.entries({ item, lot, serial, [amount]: way === "less" ? -quantity : quantity, ...(ENDS[way]?.(bin) ?? { [place]: bin }) }).filter(([name, value]) => name && value)));
  return { ...rest, lines };
}

function emptied() {
  undone.length = 0;
  draft.keep(null, basket.opId);
  basket = fresh();
  byId("papers").close();
  for (const each of document.querySelectorAll("input[data-said]")) each.value = "";
  show();
}

// The sites that the hub told of are offered; a new one may be typed, and is asked back.
async function offerSites() {
  const { rows } = await lastOf("sites/");
  byId("sites").replaceChildren(...rows.map(({ site }) => element("option", { value: site })));
}
if (document.querySelector("[list=sites]")) offerSites().catch(() => {}); // what is not offered can be typed

async function asked(question) {
  const key = signed ? { pin: byId("pin").value } : {};
  await keep({ ...basket, opId: newOpId() }); // nothing was done: saying yes is another act
  ask(_("Send it all the same?"), question, _("Yes, send it"), async (why, signal) => {
    await draft.ready();
    await sent(await act(path, { ...wish(), confirm: true, ...key }, basket.opId, signal));
  });
}

async function sent(answer) {
  if (answer.ask) { await asked(answer.ask); return; }
  emptied();
  done(answer.op_id, doneWords, { proposed: proposed || !answer.state, paper: kind === "dispatch" });
  show();
}

const { open } = signed ? decider({
  sign: { title: _("Sign it"), yes: _("Sign"), signed: true, why: "", words: () => byId("papers-words").textContent,
    act: async (signal) => {
      await draft.ready();
      return act(path, { ...wish(), pin: byId("pin").value }, basket.opId, signal);
    }, done: sent },
}) : {};

byId("done").addEventListener("click", () => {
  const { length } = basket.lines;
  byId("papers-words").textContent = proposed
    ? n_("%(num)s line. Another person signs before it is booked.", "%(num)s lines. Another person signs before they are booked.", length)
    : n_("%(num)s line", "%(num)s lines", length);
  byId("papers-refusal").textContent = "";
  byId("papers").showModal();
});
byId("papers-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const lacking = [...event.target.querySelectorAll("[required]")].find((each) => !each.value.trim());
  if (lacking) {
    byId("papers-refusal").textContent = _("%(what)s is needed.", { what: lacking.previousElementSibling.textContent });
    lacking.focus();
    return;
  }
  if (signed && reach.ok === false) { byId("papers-refusal").textContent = AWAY; return; }
  if (signed) { open("sign"); return; }
  pressed(event.submitter, async () => {
    await draft.ready();
    try {
      const answer = await answerOrKept(path, wish(), (...given) => act(...given, basket.opId));
      if (answer) await sent(answer);
      else emptied();
    } catch (error) {
      await keep({ ...basket, opId: newOpId() }); // a refusal did nothing: the next wish is another act
      byId("papers-refusal").textContent = error.message;
      throw error;
    }
  });
});

whenAway(() => (signed ? AWAY : SCAN_ON));
show();
beforeCodes(draft.begin().then(() => reach.ok === false || invite(basket.lines.length ? _("Go on where you stopped") : scan)));
