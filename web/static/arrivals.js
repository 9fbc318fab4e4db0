// Goods of another site arrive: what was dispatched is shown line by line, and what differs is said before it is signed.
// A paper that came with the goods is enough; the hub need not have told of the transfer.

import { act, get, newOpId } from "./api.js";
import { decider } from "./decide.js";
import { askAmount, base, detailsOf, done, lineOf, lookUp, onCode, stopFollowing, tileOf } from "./goods.js";
import { loadNames, nameOf } from "./names.js";
import { attempt, byId, say } from "./page.js";

const LINES_MAX = 200;
const PAPER = '{"form":"tallyman/dispatch/';
let coming = [], transfer = null, target = "";

const titled = (line) => nameOf(line.item) || line.item;
const off = (line) => line.came - line.open;

function show() {
  byId("choose").hidden = Boolean(transfer);
  byId("arriving").hidden = byId("back").hidden = byId("accept").hidden = !transfer;
  if (!transfer) return;
  byId("sender").textContent = transfer.sender;
  byId("target").textContent = target || "…";
  byId("progress").textContent = transfer.lines.length === 1 ? "1 line" : `${transfer.lines.length} lines`;
  byId("accept").disabled = !target;
  byId("lines").replaceChildren(...transfer.lines.slice(0, LINES_MAX).map((line) => lineOf({
    title: titled(line), details: detailsOf(line), figure: `${line.came} / ${line.open}`,
    beside: off(line) < 0 ? `▲ ${-off(line)} short` : off(line) > 0 ? `▲ ${off(line)} over` : "✓ all of it", latest: line === transfer.latest,
    act: ["Change", () => askAmount(`${titled(line)}: how many came?`, line.came, 0, (digits) => attempt(() => set(line, base(digits))))],
  })));
}

function set(line, came) {
  line.came = came;
  transfer.latest = line;
  show();
  say(off(line) ? "warn" : "good", titled(line), { figure: came });
}

async function load() {
  [{ rows: coming }] = await Promise.all([get("transfers/?direction=coming"), loadNames()]);
  byId("coming").replaceChildren(...coming.map((each) => tileOf(`From ${each.sender}`,
    `${each.lines.length === 1 ? "1 line" : `${each.lines.length} lines`} · ${each.lines.reduce((sum, line) => sum + line.open, 0)} in all · ${each.transfer.slice(0, 8)}`,
    () => choose(each))));
  byId("none").hidden = coming.length > 0;
}

function choose({ transfer: name, sender, lines, paper = null }) {
  transfer = { name, sender, paper, opId: newOpId(), lines: lines.map((line) => ({ ...line, came: line.open })), latest: null };
  stopFollowing();
  show();
  say("quiet", target ? "Check each line, then accept" : "Scan the bin that takes the goods", { aloud: false });
}

// The paper's own words; the node checks them when it is accepted.
function byPaper(text) {
  const known = coming.find((each) => text.includes(each.transfer));
  if (known) { choose(known); return; }
  const said = JSON.parse(text);
  const lines = said.lines.map(([index, item, lot, serial, , quantity]) => ({ index, item, lot, serial, open: quantity }));
  choose({ transfer: said.transfer, sender: said.sender, lines, paper: text });
}

onCode(async (text) => {
  if (text.startsWith(PAPER)) { byPaper(text); return; }
  const known = coming.find((each) => each.transfer === text.trim().toLowerCase());
  if (known) { choose(known); return; }
  const found = await lookUp(text);
  if (!transfer) { say("warn", "Choose a transfer, or scan its paper"); return; }
  if (found.kind === "location") {
    target = found.location;
    show();
    say("good", `Into ${target}`);
    return;
  }
  const line = transfer.lines.find((each) => each.item === found.item && (!found.lot || each.lot === found.lot) && (!found.serial || each.serial === found.serial));
  if (!line) { say("bad", `${found.name || found.item || text} is not in this transfer`); return; }
  transfer.latest = line;
  show();
  say(off(line) ? "warn" : "good", `${titled(line)}: ${line.open} were sent`, { figure: line.came });
});

byId("back").addEventListener("click", () => { transfer = null; show(); });

function wish() {
  const lines = transfer.lines.map((line) => ({
    index: line.index, quantity: line.came, target,
    ...(off(line) < 0 ? { missing: -off(line) } : {}), ...(off(line) ? { reasons: [byId("why").value] } : {}),
  }));
  return { transfer: transfer.name, sender: transfer.sender, lines, ...(transfer.paper ? { paper: transfer.paper } : {}) };
}

const { open } = decider({
  sign: { title: "Accept this transfer", yes: "Sign", signed: true, why: "", words: () => `From ${transfer.sender} into ${target}.`,
    act: () => act("transfers/accept", { ...wish(), pin: byId("pin").value }, transfer.opId),
    done: async (answer) => { const { sender } = transfer; transfer = null; done(answer.op_id, `What ${sender} sent is in ${target}`); await attempt(load); show(); } },
});
byId("accept").addEventListener("click", () => {
  const different = transfer.lines.filter(off);
  if (!different.length) { open("sign"); return; }
  byId("differs-words").textContent = different.slice(0, 5).map((line) => `${line.item}: ${line.came} of ${line.open}`).join(", ");
  byId("differs").showModal();
});
byId("differs-form").addEventListener("submit", () => open("sign"));

attempt(async () => {
  await load();
  say("quiet", coming.length ? "Choose a transfer, or scan its paper" : "Scan the paper that came with the goods", { aloud: false });
  show();
});
