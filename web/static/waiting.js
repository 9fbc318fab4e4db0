// The outbox in sight: how much is to send, whose it is, and what was refused after the fact, until somebody has seen it.

import { isSent, outbox, person, refusals, seen, waiting } from "./outbox.js";
import { byId, element, ltr, say } from "./page.js";
import { withMark } from "./amounts.js";
import { HELD } from "./part.js";
import { reach } from "./reach.js";
import { momentWords } from "./times.js";
import { _, n_ } from "./words.js";

const LIST_MAX = 200;
const WORDS = {
  "counts/open": (body) => [_("Open bin"), body.bin],
  "counts/close": (body) => [_("Bin done"), body.bin],
  "counts/leave": (body) => [_("Leave bin"), body.bin],
  "counts/enter": (body) => [_("Quantity %(quantity)s", { quantity: enteredOf(body) }), body.item],
  "counts/undo": (body) => [_("Undo"), body.bin || ""],
  "counts/empty": (body) => [_("Bin empty"), body.bin || ""],
  scans: (body) => [_("Scanned"), body.text],
  "tasks/enter": (body) => [_("Quantity %(quantity)s", { quantity: body.quantity ?? body.amount }), body.item],
  "tasks/part": (body) => [`${HELD[body.held]}: ${body.quantity ?? withMark(body.amount)}`, body.item],
  "tasks/finish": () => [_("Goods received or moved"), ""],
  "tasks/drop": () => [_("Give it up"), ""],
  "counts/certificate": (body) => [_("Certificate of a zone"), body.zone],
  "documents/hold": (body) => [_("Hold goods"), itemsOf(body)],
  "documents/relabel": (body) => [_("Label anew"), itemsOf(body)],
  "documents/scrap": (body) => [_("Scrap goods"), itemsOf(body)],
  "documents/adjust": (body) => [_("Correct stock"), itemsOf(body)],
  "documents/exception": (body) => [_("Note an exception"), body.location],
  "documents/take-back": (body) => [_("Undo the move"), body.of.slice(0, 8)],
  "documents/reverse": (body) => [_("Reverse an operation"), body.of.slice(0, 8)],
  "documents/reject": () => [_("Refuse"), ""],
  "documents/send-back": (body) => [_("Send back to a supplier"), itemsOf(body)],
  "documents/receive": (body) => [_("Take back from a customer"), itemsOf(body)],
  "documents/issue": (body) => [_("Issue goods"), itemsOf(body)],
  "picks/": (body) => [_("New pick list"), body.order],
  "deliveries/close": (body) => [_("Nothing more comes"), body.delivery],
  "attachments/": (body) => [_("Photo or file"), body.name],
  "deliveries/": (body) => [_("Announce a delivery"), body.delivery],
};
const SIGNS = { add: "+", take: "−" };
// What was keyed in for a counted line: how much there is, or how much more or less.
export const enteredOf = ({ mode, quantity, amount }) => `${SIGNS[mode] ?? ""}${withMark(String(amount ?? quantity))}`;
const itemsOf = ({ lines = [] }) => [...new Set(lines.map((line) => line.item))].slice(0, 3).join(", ");
const wordsOf = (item) => (WORDS[item.path] || (() => [_("Act"), item.path]))(item.body);
export const titleOf = (item) => wordsOf(item).filter(Boolean).join(" ");

// The first step of the proof ladder, of which the node knows nothing yet.
export function onTablet() {
  const shape = element("span", { className: "shape", ariaHidden: "true", textContent: "○" });
  return element("span", { className: "chip" }, shape, ` ${_("on this tablet")}`);
}

function rowOf(item, ...more) {
  const [what, code] = wordsOf(item);
  const bin = item.path === "scans" && item.body.bin ? ` · ${_("bin %(bin)s", { bin: item.body.bin })}` : "";
  const named = element("div", { className: "what" },
    element("strong", {}, `${what} `, ltr(code, "code")),
    element("span", { className: "quiet", textContent: `${item.name}, ${momentWords(item.at)}${bin}` }), ...more);
  return element("article", { className: "card line" }, named);
}

// A photo takes its time on slow Wi-Fi, and what was done after it waits.
const underWay = () => element("span", { className: "quiet", textContent: _("It is being sent; what was done after it follows.") });

function refusalOf(item) {
  const row = rowOf(item, element("span", { className: "refusal", textContent: item.why[0].toUpperCase() + item.why.slice(1) }));
  const button = element("button", { className: "button", type: "button", textContent: _("Seen") });
  button.addEventListener("click", () => seen(item.opId));
  row.append(button);
  return row;
}

async function list() {
  const [items, kept] = await Promise.all([waiting(), refusals()]);
  const me = person()?.actor;
  const others = [...new Set(items.filter((item) => item.actor !== me).map((item) => item.name))];
  byId("outbox-refused").hidden = !kept.length;
  byId("outbox-seen").hidden = kept.length < 2;
  byId("outbox-refused-list").replaceChildren(...kept.slice(-LIST_MAX).map(refusalOf));
  byId("outbox-waiting").hidden = !items.length;
  byId("outbox-list").replaceChildren(...items.slice(0, LIST_MAX).map((item) => rowOf(item, ...(isSent(item) && reach.ok ? [underWay()] : []))));
  byId("outbox-others").hidden = !others.length;
  byId("outbox-others").textContent = _("What %(names)s did is sent when they log in on this tablet.", { names: others.join(", ") });
  if (!items.length && !kept.length) byId("outbox").close();
}

outbox.addEventListener("change", (event) => {
  const { mine, others, kept } = event.detail;
  const button = byId("outbox-open"), count = mine + others;
  button.hidden = !count && !kept;
  button.dataset.level = kept ? "bad" : "warn";
  button.querySelector(".shape").textContent = kept ? "✕" : "○";
  button.querySelector(".word").textContent = kept ? n_("%(num)s refused", "%(num)s refused", kept) : n_("%(num)s to send", "%(num)s to send", count);
  if (byId("outbox").open) list();
});
outbox.addEventListener("late", (event) => say("bad", _("Refused: %(why)s", { why: event.detail.why })));
byId("outbox-seen").addEventListener("click", async () => { for (const item of await refusals()) await seen(item.opId); });
byId("outbox-open").addEventListener("click", async () => { await list(); byId("outbox").showModal(); });
