// Look up an item, a place or an operation. What a count must not tell, the node does not tell here either.

import { get } from "./api.js";
import { attachTo } from "./attachments.js";
import { written } from "./amounts.js";
import { whenAway } from "./away.js";
import { lookUp, onCode } from "./goods.js";
import { attempt, byId, element, ltr, say } from "./page.js";
import { reach } from "./reach.js";
import { momentWords } from "./times.js";

const words = JSON.parse(byId("floor-words").textContent);
const ROWS_MAX = 200;
const STATUS = { free: "free", quality: "held: quality", damage: "held: damage", expired: "held: expired" };
const address = (kind, code) => `/look?${kind}=${encodeURIComponent(code)}`;
const path = (list, code) => `${list}/${encodeURIComponent(code)}`;

// ---------------------------------------------------------------- pieces of a page

const link = (href, ...children) => element("a", { className: "row", href }, ...children);
const cell = (content, className = "") => element("td", { className }, content);

function table(name, heads, rows) {
  const head = element("tr", {}, ...heads.map(([word, number]) => element("th", { textContent: word, className: number ? "number" : "" })));
  const frame = element("div", { className: "card scroll", tabIndex: 0 }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows.slice(0, ROWS_MAX))));
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", name);
  return element("section", {}, element("h2", { textContent: name }), frame);
}

const empty = (text) => element("div", { className: "card empty", textContent: text });
const row = (...cells) => element("tr", {}, ...cells);

function figure(title, value, unit) {
  return element("div", { className: "card figure" }, element("span", { className: "quiet", textContent: title }),
    element("strong", { textContent: value }), element("span", { className: "quiet", textContent: unit }));
}

function heading(title, code, said) {
  const text = element("div", {}, element("h2", { textContent: title }), element("p", { className: "quiet" }, ltr(code, "code"), said && code ? " · " : "", said));
  return element("header", { className: "heading" }, text);
}

function proof(move) {
  const chip = element("span", { className: "chip" }, element("span", { className: "shape", textContent: words.shapes[move.state] }), ` ${move.state}`);
  chip.dataset.level = "good";
  chip.firstChild.setAttribute("aria-hidden", "true");
  return chip;
}

function history(moves, withItem) {
  if (!moves.length) return element("section", {}, element("h2", { textContent: "What happened" }), empty("Nothing was booked here yet."));
  const rows = moves.map((move) => row(
    cell(link(`/operations/${move.op_id}`, words.calls[move.call] || move.call)), cell(move.at_ms ? momentWords(move.at_ms) : "–"),
    ...(withItem ? [cell(link(address("item", move.item), ltr(move.item)))] : []),
    cell(written(move.quantity, move.decimals), "number"), cell(ltr(`${move.source} → ${move.target}`)), cell(proof(move)),
  ));
  return table("What happened, newest first", [["What"], ["When"], ...(withItem ? [["Item"]] : []), ["Quantity", true], ["From → to"], ["Proof"]], rows);
}

// ---------------------------------------------------------------- an item, a place

async function item(code, lot = "", serial = "") {
  const found = await get(path("inventory", code));
  const stock = found.stock.filter((line) => !lot || line.lot === lot);
  const all = stock.reduce((sum, line) => sum + line.quantity, 0);
  const free = stock.reduce((sum, line) => sum + (line.status === "free" ? line.quantity : 0), 0);
  const show = (quantity) => written(quantity, found.decimals);
  const kept = [found.lots && "by lot", found.serials && "by serial"].filter(Boolean).join(", ");
  const parts = [heading(found.name || found.item, found.item, [lot && `lot ${lot}`, serial && `serial ${serial}`, kept].filter(Boolean).join(" · "))];
  parts.push(element("div", { className: "grid figures" }, figure("Here", show(all), found.unit), figure("Free", show(free), found.unit), figure("Held", show(all - free), found.unit)));
  if (found.being_counted.length) parts.push(note("Bins that are being counted are left out until the count is finished."));
  const rows = stock.map((line) => row(cell(link(address("place", line.location), ltr(line.location))), cell(ltr(line.lot || "–")), cell(STATUS[line.status]), cell(show(line.quantity), "number")));
  parts.push(rows.length ? table("Where it is", [["Place"], ["Lot"], ["Status"], ["Quantity", true]], rows) : empty(lot ? `None of lot ${lot} is here.` : "None of it is here."));
  parts.push(history(found.moves.filter((move) => (!lot || move.lot === lot) && (!serial || move.serial === serial)), false));
  show_(parts, `${found.name || found.item}: ${show(all)} here`, { item: found.item });
}

async function place(code) {
  const [found, { rows: inside }] = await Promise.all([get(path("locations", code)), get(`locations/?parent=${encodeURIComponent(code)}`)]);
  const said = [found.name !== found.location && found.name, found.kind === "unit" ? `handling unit${found.parent ? ` in ${found.parent}` : ""}` : found.parent && `in ${found.parent}`].filter(Boolean).join(" · ");
  const parts = [heading(`${found.kind === "unit" ? "Unit" : "Bin"} ${found.location}`, "", said)];
  if (found.being_counted) {
    parts.push(empty("This bin is being counted. What lies in it is shown when the count is finished."));
    show_(parts, `${found.location} is being counted`);
    return;
  }
  const rows = found.stock.map((line) => row(cell(link(address("item", line.item), ltr(line.item))), cell(line.name, "wide"), cell(ltr(line.lot || "–")), cell(STATUS[line.status]), cell(written(line.quantity, line.decimals), "number")));
  parts.push(rows.length ? table("What lies here", [["Item"], ["Name"], ["Lot"], ["Status"], ["Quantity", true]], rows) : empty("Nothing lies here by the books."));
  if (found.serials.length) parts.push(table("Pieces", [["Item"], ["Serial"], ["Status"]], found.serials.map((piece) => row(cell(link(address("item", piece.item), ltr(piece.item))), cell(ltr(piece.serial)), cell(STATUS[piece.status])))));
  if (inside.length) parts.push(table("Inside", [["Place"], ["Kind"]], inside.map((each) => row(cell(link(address("place", each.location), ltr(each.location))), cell(each.kind)))));
  parts.push(history(found.moves, true));
  show_(parts, `${found.location}: ${rows.length === 1 ? "1 line" : `${rows.length} lines`}`, { location: found.location });
}

const note = (text) => element("p", { className: "note", textContent: text });

function show_(parts, title, about = null) {
  byId("nothing").hidden = true;
  byId("found").hidden = false;
  byId("found").replaceChildren(...parts);
  attachTo(about);
  say("good", title);
}

// ---------------------------------------------------------------- asking

const shown = { item: (code, query) => item(code, query.get("lot") || "", query.get("serial") || ""), place: (code) => place(code) };

async function open(found) {
  if (reach.ok === false && found.kind === "item") { say("warn", `${found.name || found.item}: how much there is, the node says when it answers`); return; }
  if (found.kind === "operation") { location.assign(`/operations/${found.op_id}`); return; }
  if (found.kind === "location" && !found.known) { say("warn", `Unit ${found.location} is not used yet`); return; }
  const query = new URLSearchParams(found.kind === "item" ? { item: found.item } : { place: found.location });
  if (found.lot) query.set("lot", found.lot);
  if (found.serial) query.set("serial", found.serial);
  history_(query);
}

function history_(query) {
  window.history.pushState(null, "", `/look?${query}`);
  return fromAddress();
}

async function fromAddress() {
  const query = new URLSearchParams(location.search);
  const kind = Object.keys(shown).find((name) => query.get(name));
  if (kind) await attempt(() => shown[kind](query.get(kind), query));
}

async function find(text) {
  byId("what").value = text;
  await open(await lookUp(text));
}

onCode(find);
byId("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("what").value.trim();
  if (text) attempt(() => find(text));
  else say("warn", "Scan a label, or type a code", { aloud: false });
});
addEventListener("popstate", fromAddress);
whenAway(() => "What a code stands for is known here, how much there is of it is not.", fromAddress);
byId("found").addEventListener("click", (event) => {
  const to = event.target.closest("a.row");
  if (!to || !to.pathname.startsWith("/look")) return;
  event.preventDefault();
  history_(new URLSearchParams(to.search));
});
fromAddress();
