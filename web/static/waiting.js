// The outbox in sight: how much is to send, whose it is, and what was refused after the fact, until somebody has seen it.

import { outbox, person, refusals, seen, waiting } from "./outbox.js";
import { byId, element, ltr, say } from "./page.js";
import { momentWords } from "./times.js";

const LIST_MAX = 200;
const WORDS = {
  "counts/open": (body) => ["Open bin", body.bin],
  "counts/close": (body) => ["Bin done", body.bin],
  "counts/leave": (body) => ["Leave bin", body.bin],
  "counts/enter": (body) => [`Quantity ${body.quantity}`, body.item],
  "counts/undo": (body) => ["Undo", body.bin || ""],
  "counts/empty": (body) => ["Bin empty", body.bin || ""],
  scans: (body) => ["Scanned", body.text],
  "tasks/enter": (body) => [`Quantity ${body.quantity}`, body.item],
  "tasks/finish": () => ["Goods received or moved", ""],
  "tasks/drop": () => ["Give up", ""],
  "documents/hold": (body) => ["Hold goods", itemsOf(body)],
  "documents/relabel": (body) => ["Label anew", itemsOf(body)],
  "documents/scrap": (body) => ["Scrap goods", itemsOf(body)],
  "documents/send-back": (body) => ["Send back to a supplier", itemsOf(body)],
  "documents/receive": (body) => ["Take back from a customer", itemsOf(body)],
  "documents/issue": (body) => ["Issue goods", itemsOf(body)],
  "picks/": (body) => ["New pick list", body.order],
  "deliveries/": (body) => ["Announce a delivery", body.delivery],
};
const itemsOf = ({ lines = [] }) => [...new Set(lines.map((line) => line.item))].slice(0, 3).join(", ");
const wordsOf = (item) => (WORDS[item.path] || (() => ["Act", item.path]))(item.body);
export const titleOf = (item) => wordsOf(item).filter(Boolean).join(" ");
export const numbered = (count, one, many) => `${count} ${count === 1 ? one : many}`;

function rowOf(item, ...more) {
  const [what, code] = wordsOf(item);
  const bin = item.path === "scans" && item.body.bin ? ` · bin ${item.body.bin}` : "";
  const named = element("div", { className: "what" },
    element("strong", {}, `${what} `, ltr(code, "code")),
    element("span", { className: "quiet", textContent: `${item.name}, ${momentWords(item.at)}${bin}` }), ...more);
  return element("article", { className: "card line" }, named);
}

function refusalOf(item) {
  const row = rowOf(item, element("span", { className: "refusal", textContent: item.why[0].toUpperCase() + item.why.slice(1) }));
  const button = element("button", { className: "button", type: "button", textContent: "Seen" });
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
  byId("outbox-list").replaceChildren(...items.slice(0, LIST_MAX).map((item) => rowOf(item)));
  byId("outbox-others").hidden = !others.length;
  byId("outbox-others").textContent = `What ${others.join(" and ")} did is sent when they log in on this tablet.`;
  if (!items.length && !kept.length) byId("outbox").close();
}

outbox.addEventListener("change", (event) => {
  const { mine, others, kept } = event.detail;
  const button = byId("outbox-open"), count = mine + others;
  button.hidden = !count && !kept;
  button.dataset.level = kept ? "bad" : "warn";
  button.querySelector(".shape").textContent = kept ? "✕" : "○";
  button.querySelector(".word").textContent = kept ? `${kept} refused` : `${count} to send`;
  if (byId("outbox").open) list();
});
outbox.addEventListener("late", (event) => say("bad", `Refused: ${event.detail.why}`));
byId("outbox-seen").addEventListener("click", async () => { for (const item of await refusals()) await seen(item.opId); });
byId("outbox-open").addEventListener("click", async () => { await list(); byId("outbox").showModal(); });
