// Picking: the list says where to go and what to take; each pick moves the goods into the tote at once.

import { act, newOpId } from "./api.js";
import { since, whenAway } from "./away.js";
import { Refused } from "./wire.js";
import { ask, askAmount, base, detailsOf, done, lineOf, lookUp, onCode, stopFollowing, tileOf } from "./goods.js";
import { attempt, byId, say } from "./page.js";
import { reach } from "./reach.js";
import { lastOf } from "./told.js";

const LINES_MAX = 200;
const reasons = JSON.parse(byId("not-promised").textContent);
const WHY_CANCEL = [["withdrawn", "The order was withdrawn"], ["later", "It is picked later"]];
const SHORT = "not-there";
const AWAY = "The node says what is promised where: pick on when it answers.";
let list = null, bin = "", told = "";

const titled = (line) => line.name || line.item;
const total = (counts) => Object.values(counts).reduce((sum, each) => sum + each, 0);
const now = () => list?.lines[0];

// ---------------------------------------------------------------- what is shown

async function showLists() {
  list = null;
  const answer = await lastOf("picks/"), { rows } = answer;
  told = since(answer);
  byId("choose").hidden = false;
  byId("picking").hidden = byId("dock").hidden = true;
  byId("lists").replaceChildren(...rows.map((each) => tileOf(each.order,
    [each.left ? `${each.left} to pick` : "all picked", each.tote && `in ${each.tote}`, each.mine ? "yours" : each.picker].filter(Boolean).join(" · "),
    () => open(each.list))));
  byId("no-lists").hidden = rows.length > 0;
}

async function open(name) {
  list = await lastOf(`picks/${name}`, "pick");
  told = since(list);
  if (list.state !== "open") { window.history.replaceState(null, "", "/pick"); await showLists(); return; }
  window.history.replaceState(null, "", `/pick?list=${name}`);
  stopFollowing();
  show();
}

function hint() {
  if (!list.tote) return "Scan an empty tote for this list";
  if (!now()) return "Everything is picked: issue the tote";
  return bin === now().location ? `Take ${now().quantity} of ${titled(now())}` : `Go to ${now().location} and scan it`;
}

function show() {
  const line = now(), picked = total(list.picked), missing = total(list.missing);
  byId("choose").hidden = true;
  byId("picking").hidden = byId("dock").hidden = false;
  byId("order").textContent = list.order;
  byId("tote").textContent = list.tote || "…";
  byId("progress").textContent = `${picked} of ${total(list.wanted)} picked${missing ? ` · ${missing} nowhere to be had` : ""}`;
  byId("now").hidden = !line || !list.tote;
  byId("all-picked").hidden = Boolean(line);
  byId("all-picked").textContent = list.being_counted.length ? `${list.being_counted.join(", ")} is being counted: what lies there can be picked afterwards.`
    : missing ? `What is left is not here: ${missing} are missing.` : "Nothing is left to pick.";
  if (line) {
    byId("go").textContent = line.location;
    byId("now-name").textContent = titled(line);
    byId("now-details").textContent = detailsOf(line).filter(Boolean).join(" · ");
    byId("now-quantity").textContent = line.quantity;
  }
  const rest = list.lines.slice(list.tote ? 1 : 0, LINES_MAX);
  byId("rest").hidden = !rest.length;
  byId("rest-title").textContent = list.tote ? "Then" : "To pick";
  byId("lines").replaceChildren(...rest.map((each) => lineOf({ title: titled(each), details: [each.location, ...detailsOf(each)], figure: each.quantity })));
  const ready = Boolean(line && list.tote);
  byId("pick").hidden = !ready;
  byId("pick").textContent = ready ? `Picked ${line.serials ? 1 : line.quantity}` : "";
  byId("pick").disabled = !ready || bin !== line.location || line.serials;
  byId("amount").hidden = byId("short").hidden = !ready;
  byId("amount").disabled = !ready || bin !== line.location || line.serials;
  byId("cancel").hidden = picked > 0;
  byId("cancel").disabled = byId("short").disabled = false;
  byId("issue").hidden = !list.tote;
  byId("issue").disabled = !picked;
  for (const id of ["pick", "amount", "short", "cancel", "issue"]) byId(id).disabled ||= reach.ok === false;
  byId("issue").classList.toggle("primary", !ready);
}

async function again(level, word, more) {
  await open(list.list);
  if (list) say(level, word, more);
}

// ---------------------------------------------------------------- what is done

// Another bin or lot than the promised one needs a reason: it is asked for, and the same pick sent with it.
async function pick(wish, title) {
  const whole = { list: list.list, source: bin, ...wish };
  try {
    await act("picks/pick", whole);
  } catch (error) {
    if (!(error instanceof Refused) || !/give a reason/i.test(error.message)) throw error;
    ask("Another one than promised?", error.message, "Take it", async (reason) => {
      await act("picks/pick", { ...whole, reasons: [reason] });
      await again("good", title, { figure: wish.quantity });
    }, reasons);
    return;
  }
  await again("good", title, { figure: wish.quantity });
}

const wishOf = (line, quantity) => ({ item: line.item, quantity, ...(line.lot ? { lot: line.lot } : {}) });

async function scanned(found) {
  if (found.kind === "location") {
    if (!list.tote) {
      await act("picks/begin", { list: list.list, tote: found.location });
      await again("good", `Picking into ${found.location}`);
    } else {
      bin = found.location;
      show();
      if (now() && bin !== now().location) say("warn", `${bin} is not ${now().location}: nothing is promised here first`);
      else say("good", hint());
    }
  } else if (!list.tote) {
    say("warn", "Scan the tote first");
  } else if (!bin) {
    say("warn", now() ? `Scan bin ${now().location} first` : "Scan the bin first");
  } else {
    const line = list.lines.find((each) => each.item === found.item && each.location === bin);
    const lot = found.lot || line?.lot || "";
    await pick({ item: found.item, quantity: found.quantity, ...(lot && !found.serial ? { lot } : {}), ...(found.serial ? { serial: found.serial } : {}) }, titled(found));
  }
}

onCode(async (text) => {
  if (reach.ok === false) throw new Refused(`The node is out of reach. ${AWAY}`);
  const found = await lookUp(text);
  if (!list) { say("warn", "Choose a list first"); return; }
  if (found.kind === "operation") { say("bad", "That is an operation, not goods"); return; }
  await scanned(found);
});

byId("pick").addEventListener("click", () => attempt(() => pick(wishOf(now(), now().quantity), titled(now()))));
byId("amount").addEventListener("click", () => {
  const line = now();
  askAmount(titled(line), line.quantity, 0, (digits) => attempt(() => pick(wishOf(line, base(digits)), titled(line))));
});
byId("short").addEventListener("click", () => {
  const line = now();
  ask(`Not enough in ${line.location}?`, `Pick what is there first. Then ${titled(line)} is looked for elsewhere, and ${line.location} is counted.`, "It is not there", async () => {
    const { location, item, lot } = line;
    const answer = await act("picks/short", { list: list.list, location, item, ...(lot ? { lot } : {}), reasons: [SHORT] });
    await again("warn", answer.missing ? `${answer.missing} are nowhere to be had` : "It is taken from elsewhere");
  });
});
byId("cancel").addEventListener("click", () => ask("Cancel this list?", "What is promised to it is free again.", "Cancel it", async (reason) => {
  await act("picks/cancel", { list: list.list, reason });
  window.history.replaceState(null, "", "/pick");
  await showLists();
  say("warn", "Cancelled: what was promised is free again");
}, WHY_CANCEL));

async function issue(confirm) {
  const order = list.order;
  const answer = await act("picks/issue", { list: list.list, confirm }, newOpId());
  if (answer.ask) { ask("Issue it all the same?", answer.ask, "Yes, issue", () => issue(true)); return; }
  bin = "";
  window.history.replaceState(null, "", "/pick");
  await showLists();
  done(answer.op_id, `Order ${order} is issued`);
}
byId("issue").addEventListener("click", () => attempt(() => issue(false)));

async function start() {
  const name = new URLSearchParams(location.search).get("list");
  if (name) await open(name);
  else await showLists();
  if (!told) say("quiet", list ? hint() : "Choose a list", { aloud: false });
}
reach.addEventListener("change", () => { if (list) show(); });
whenAway(() => `${AWAY}${told}`, () => attempt(start));
attempt(start);
