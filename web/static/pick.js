// Picking: the list says where to go and what to take; each pick moves the goods into the tote at once.

import { act, newOpId } from "./api.js";
import { base, measured, together, written } from "./amounts.js";
import { OUT, since, whenAway } from "./away.js";
import { ask, askAmount, beforeCodes, detailsOf, done, isWeightless, lineOf, lookUp, onCode, stopFollowing, tileOf } from "./goods.js";
import { attempt, byId, invite, say } from "./page.js";
import { reach } from "./reach.js";
import { rest } from "./rest.js";
import { dayWords } from "./times.js";
import { lastOf, lastOrFirst } from "./told.js";
import { Refused } from "./wire.js";
import { _, apart, n_ } from "./words.js";

const LINES_MAX = 200;
const reasons = JSON.parse(byId("not-promised").textContent);
const WHY_CANCEL = [["withdrawn", _("The order was withdrawn")], ["later", _("It is picked later")]];
const SHORT = "not-there";
const REASON_NEEDED = "A reason is needed"; // the kind of a refusal, never shown
const AWAY = _("The node says what is promised where: pick on when it answers.");
let list = null, bin = "", told = ""; // `told`: how old what is shown is, and then nothing is done by it
let lists = {}; // {begun, ordered}, to choose from
let opening = Promise.resolve(); // the list that somebody chose: what is scanned before it has come is for it
let label = ""; // of the bin, as it was read

const titled = (line) => line.name || line.item;
const total = (counts) => together(Object.entries(counts).map(([item, quantity]) => ({ quantity, ...list.measures[item] })));
const some = (counts) => Object.values(counts).some((quantity) => quantity > 0);
const now = () => list?.lines[0];
const isAway = () => reach.ok === false || told !== "";

// ---------------------------------------------------------------- what is shown

async function showLists() {
  list = null;
  const mine = lists = {};
  const draw = () => { if (lists === mine && !list && mine.begun && mine.ordered) drawLists(); };
  const load = async (name, path) => {
    const known = await lastOrFirst(path, path, (answer) => { mine[name] = answer; draw(); });
    mine[name] ??= known;
  };
  await Promise.all([load("begun", "picks/"), load("ordered", "orders/")]);
  draw();
}

function drawLists() {
  const { begun, ordered: orders } = lists, { rows } = begun, { rows: ordered } = orders;
  told = since(begun);
  byId("choose").hidden = false;
  byId("picking").hidden = byId("dock").hidden = true;
  showOpen(rows);
  rest(byId("lists"), "picks/", begun, showOpen);
  byId("ordered").hidden = !ordered.length;
  showOrdered(ordered);
  rest(byId("orders"), "orders/", orders, showOrdered);
  byId("no-lists").hidden = rows.length + ordered.length > 0;
}

function showOpen(rows) {
  byId("lists").replaceChildren(...rows.map((each) => tileOf(each.order,
    [each.lines ? n_("%(num)s line to pick", "%(num)s lines to pick", each.lines) : _("all picked"), each.tote && _("in %(place)s", { place: each.tote }), each.mine ? _("yours") : each.picker].filter(Boolean).join(" · "),
    async () => {
      await chosen(open(each.list));
      if (list && !told) say("good", hint());
    })));
}

function showOrdered(rows) {
  byId("orders").replaceChildren(...rows.map((each) => tileOf(each.order,
    [n_("%(num)s line", "%(num)s lines", each.lines.length), each.due && _("due %(day)s", { day: dayWords(each.due) })].filter(Boolean).join(" · "),
    () => chosen(startOn(each.order)))));
}

function chosen(work) {
  opening = work.catch(() => {});
  return work;
}

async function open(name) {
  let newer = null, shown = null;
  const known = await lastOrFirst(`picks/${name}`, "pick", (answer) => {
    newer = answer;
    if (shown && list === shown) attempt(() => take(answer, name));
  });
  shown = newer ?? known;
  await take(shown, name);
}

async function take(answer, name) {
  list = answer;
  told = since(list);
  if (list.state !== "open") { window.history.replaceState(null, "", "/pick"); await showLists(); return; }
  window.history.replaceState(null, "", `/pick?list=${name}`);
  stopFollowing();
  show();
}

// An order that the hub announced becomes a list when somebody begins it: what is free is promised to it then.
async function startOn(order) {
  const answer = await act("picks/", { order });
  await open(answer.list);
  if (some(answer.missing)) say("warn", _("%(number)s are not free here now: the rest can be picked", { number: total(answer.missing) }));
  else say("good", hint());
}

function hint() {
  if (!list.tote) return _("Scan an empty tote for this list");
  if (!now()) return _("Everything is picked: issue the tote");
  const { location: place, quantity } = now(), number = measured(quantity, now());
  const thing = { number, name: titled(now()) };
  if (bin === place) return now().serials ? _("Take %(number)s of %(name)s: scan the label of the piece", thing) : _("Take %(number)s of %(name)s", thing);
  return now().stands_in ? _("Go to %(place)s and scan unit %(unit)s", { place: now().stands_in, unit: place }) : _("Go to %(place)s and scan it", { place });
}

function show() {
  const line = now(), picked = some(list.picked), missing = some(list.missing) && total(list.missing);
  byId("choose").hidden = true;
  byId("picking").hidden = byId("dock").hidden = false;
  byId("order").textContent = list.order;
  byId("tote").textContent = list.tote || "…";
  byId("progress").textContent = [
    some(list.wanted) ? _("%(number)s of %(all)s picked", { number: total(list.picked), all: total(list.wanted) }) : _("%(number)s picked", { number: total(list.picked) }), missing && _("%(number)s nowhere to be had", { number: missing }),
  ].filter(Boolean).join(" · ");
  byId("now").hidden = !line || !list.tote;
  byId("all-picked").hidden = Boolean(line);
  byId("all-picked").textContent = list.being_counted.length ? _("%(place)s is being counted: what lies there can be picked afterwards.", { place: list.being_counted.join(", ") })
    : missing ? _("What is left is not here: %(number)s are missing.", { number: missing }) : _("Nothing is left to pick.");
  if (line) {
    byId("go").textContent = line.stands_in || line.location;
    byId("now-name").textContent = titled(line);
    byId("now-details").textContent = [line.stands_in && _("Unit %(code)s", { code: line.location }), ...detailsOf(line)].filter(Boolean).join(" · ");
    byId("now-quantity").textContent = measured(line.quantity, line);
  }
  const rest = list.lines.slice(list.tote ? 1 : 0, LINES_MAX);
  byId("rest").hidden = !rest.length;
  byId("rest-title").textContent = list.tote ? _("Then") : _("To pick");
  byId("lines").replaceChildren(...rest.map((each) => lineOf({ title: titled(each), details: [each.stands_in && apart(each.stands_in), apart(each.location), ...detailsOf(each)], figure: written(each.quantity, each.decimals), beside: each.decimals ? each.unit : "" })));
  const ready = Boolean(line && list.tote);
  byId("pick").hidden = !ready;
  byId("pick").textContent = ready ? _("Picked %(number)s", { number: line.serials ? 1 : measured(line.quantity, line) }) : "";
  byId("pick").disabled = !ready || bin !== line.location || line.serials;
  byId("amount").hidden = byId("short").hidden = !ready;
  byId("amount").disabled = !ready || bin !== line.location || line.serials;
  byId("look-again").hidden = !missing;
  byId("look-again").disabled = false;
  byId("cancel").hidden = picked;
  byId("cancel").disabled = byId("short").disabled = false;
  byId("issue").hidden = !list.tote || !picked;
  byId("issue").disabled = false;
  for (const id of ["pick", "amount", "short", "look-again", "cancel", "issue"]) byId(id).disabled ||= isAway();
  byId("issue").classList.toggle("primary", !ready);
}

async function again(level, word, more) {
  await take(await lastOf(`picks/${list.list}`, "pick"), list.list); // it has just answered
  if (list) say(level, word, more);
}

// ---------------------------------------------------------------- what is done

// Another bin or lot than the promised one needs a reason: it is asked for, and the same pick sent with it.
async function pick(wish, thing) {
  const title = titled(thing), figure = written(wish.quantity, thing.decimals);
  const whole = { list: list.list, source: bin, ...(label ? { scanned_source: label } : {}), ...wish };
  try {
    const answer = await act("picks/pick", whole);
    if (answer.ask) {
      ask(_("Is that right?"), answer.ask, _("Yes, so much"), () => pick({ ...wish, confirm: true }, thing));
      return;
    }
  } catch (error) {
    if (error.title !== REASON_NEEDED) throw error;
    ask(_("Another one than promised?"), error.message, _("Take it"), async (reason) => {
      await act("picks/pick", { ...whole, reasons: [reason] });
      await again("good", title, { figure });
    }, reasons);
    return;
  }
  await again("good", title, { figure });
}

const askPick = (line, wish, more) => askAmount(titled(line), line.quantity, line.decimals, (digits) => attempt(() => pick({ ...wish, quantity: base(digits, line.decimals) }, line)), more);
const wishOf = (line, quantity) => ({ item: line.item, quantity, ...(line.lot ? { lot: line.lot } : {}) });

async function scanned(found, text) {
  if (found.kind === "location") {
    if (!list.tote) {
      await act("picks/begin", { list: list.list, tote: found.location, scanned: text });
      await again("good", _("Picking into %(place)s", { place: found.location }));
    } else {
      bin = found.location;
      label = text;
      show();
      if (now() && bin !== now().location) say("warn", _("%(here)s is not %(place)s: nothing is promised here first", { here: bin, place: now().location }));
      else say("good", hint());
    }
  } else if (!list.tote) {
    say("warn", _("Scan the tote first"));
  } else if (!bin) {
    say("warn", now() ? _("Scan bin %(bin)s first", { bin: now().location }) : _("Scan the bin first"));
  } else {
    const line = list.lines.find((each) => each.item === found.item && each.location === bin);
    const lot = found.lot || line?.lot || "";
    const wish = { item: found.item, quantity: found.quantity, scanned: text, ...(lot && !found.serial ? { lot } : {}), ...(found.serial ? { serial: found.serial } : {}) };
    if (isWeightless(found)) await askPick({ ...found, quantity: line?.quantity ?? 0 }, wish, { owed: true, here: { name: list.list, bin, label } });
    else await pick(wish, found);
  }
}

onCode(async (text, how) => {
  await opening;
  if (list && told && reach.ok !== false) await open(list.list); // perhaps it answers by now
  if (list ? isAway() : reach.ok === false) throw new Refused(`${OUT} ${AWAY}`);
  const found = await lookUp(text, how);
  if (!list) { say("warn", _("Choose a list first")); return; }
  if (found.kind === "operation") { say("bad", _("That is an operation, not goods")); return; }
  await scanned(found, text);
}, async (here) => {
  if (list?.list !== here.name) await open(here.name);
  ({ bin, label } = here);
  if (list) show();
});

byId("pick").addEventListener("click", () => attempt(() => pick(wishOf(now(), now().quantity), now())));
byId("amount").addEventListener("click", () => {
  askPick(now(), wishOf(now()));
});
byId("short").addEventListener("click", () => {
  const line = now();
  const said = { place: line.location, name: titled(line) };
  ask(_("Not enough in %(place)s?", said), _("Pick what is there first. Then %(name)s is looked for elsewhere, and %(place)s is counted.", said), _("It is not there"), async () => {
    const { location, item, lot } = line;
    const answer = await act("picks/short", { list: list.list, location, item, ...(lot ? { lot } : {}), reasons: [SHORT] });
    await again("warn", answer.missing ? _("%(number)s nowhere to be had", { number: measured(answer.missing, line) }) : _("It is taken from elsewhere"));
  });
});
byId("look-again").addEventListener("click", () => attempt(async () => {
  const { missing } = await act("picks/again", { list: list.list });
  await again(some(missing) ? "warn" : "good", some(missing) ? _("%(number)s nowhere to be had", { number: total(missing) }) : _("All that was missing is promised now"));
}));
byId("cancel").addEventListener("click", () => ask(_("Cancel this list?"), _("What is promised to it is free again."), _("Cancel it"), async (reason) => {
  await act("picks/cancel", { list: list.list, reason });
  window.history.replaceState(null, "", "/pick");
  await showLists();
  say("warn", _("Cancelled: what was promised is free again"));
}, WHY_CANCEL));

async function issue(confirm) {
  const order = list.order;
  const answer = await act("picks/issue", { list: list.list, confirm }, newOpId());
  if (answer.ask) { ask(_("Issue it all the same?"), answer.ask, _("Yes, issue"), () => issue(true)); return; }
  bin = label = "";
  window.history.replaceState(null, "", "/pick");
  await showLists();
  done(answer.op_id, _("Order %(order)s is issued", { order }));
}
byId("issue").addEventListener("click", () => attempt(() => issue(false)));

async function start() {
  const name = new URLSearchParams(location.search).get("list");
  if (name) await open(name);
  else await showLists();
  if (!told) invite(list ? hint() : _("Choose a list"));
}
reach.addEventListener("change", () => { if (list) show(); });
whenAway(() => [AWAY, told].filter(Boolean).join(" "), () => attempt(start));
beforeCodes(attempt(start));
