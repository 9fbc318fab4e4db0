// Look up an item, a place or an operation. What a count must not tell, the node does not tell here either.

import { get, Refused } from "./api.js";
import { attachTo } from "./attachments.js";
import { written } from "./amounts.js";
import { whenAway } from "./away.js";
import { lookUp, onCode } from "./goods.js";
import { attempt, byId, element, ltr, say } from "./page.js";
import { reach } from "./reach.js";
import { loadNames } from "./names.js";
import { rest } from "./rest.js";
import { concerns, rowsOf, whileHere } from "./still.js";
import { momentWords } from "./times.js";
import { TYPED } from "./wedge.js";
import { _, apart, arrow, n_ } from "./words.js";

const words = JSON.parse(byId("floor-words").textContent);
const TYPED_MIN = 2, TYPED_MS = 300; // how much of a word is looked for, and how long after its last letter
const ROWS_MAX = 200, MOVES_MAX = 50; // of the first answer about something
const STATUS = { free: _("free"), quality: _("held: quality"), damage: _("held: damage"), expired: _("held: expired") };
const GONE = { SUPPLIER: _("back at its supplier"), CUSTOMER: _("with a customer"), IN_TRANSIT: _("on its way to another site"), SHRINKAGE: _("written off") };
const KINDS = { bin: _("bin"), unit: _("handling unit"), area: _("area") };
const address = (kind, code) => `/look?${kind}=${encodeURIComponent(code)}`;
const path = (list, code) => `${list}/${encodeURIComponent(code)}`;

// ---------------------------------------------------------------- pieces of a page

const link = (href, ...children) => element("a", { className: "row", href }, ...children);
const cell = (content, className = "") => element("td", { className }, content);

// `list`: at the API, of what the table shows the first `most` of; `rowOf` makes a row of each.
function table(name, heads, rows, rowOf, list, most = ROWS_MAX) {
  const head = element("tr", {}, ...heads.map(([word, number]) => element("th", { textContent: word, className: number ? "number" : "" })));
  const body = element("tbody", {});
  const show = (some) => body.replaceChildren(...some.map(rowOf));
  const frame = element("div", { className: "card scroll", tabIndex: 0 }, element("table", {}, element("thead", {}, head), body));
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", name);
  const made = element("section", {}, element("h2", { textContent: name }), frame);
  show(rows);
  if (rows.length >= most) rest(frame, list, { rows }, show);
  return made;
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
  const chip = element("span", { className: "chip" }, element("span", { className: "shape", textContent: words.shapes[move.state] }), ` ${words.states[move.state]}`);
  chip.dataset.level = "good";
  chip.firstChild.setAttribute("aria-hidden", "true");
  return chip;
}

// What it was, and how it came about where that matters.
function what(move) {
  const found = cell(link(`/operations/${move.op_id}`, words.calls[move.call] || move.call));
  if (move.unit) found.append(element("div", { className: "quiet" }, link(address("place", move.unit), _("Unit %(code)s", { code: move.unit }))));
  if (move.marks.length) found.append(element("div", { className: "quiet", textContent: move.marks.map((mark) => words.marks[mark] || mark).join(" · ") }));
  return found;
}

// `about`: the item or the place whose history it is, {item} or {location}. `list`: the same at the API.
let here = null;
function history(moves, about, list) {
  const withItem = !about.item;
  const rowOf = (move) => row(
    what(move), cell(move.at_ms ? momentWords(move.at_ms) : "–"),
    ...(withItem ? [cell(move.item ? link(address("item", move.item), ltr(move.item)) : "–")] : []),
    cell(move.item ? written(move.quantity, move.decimals) : "–", "number"),
    cell(move.moved ? `${apart(move.source || "–")} ${arrow} ${apart(move.target || "–")}` : apart(move.source)), cell(apart(move.by || "–")), cell(proof(move)),
  );
  const made = table(_("What happened, newest first"),
    [[_("What")], [_("When")], ...(withItem ? [[_("Item")]] : []), [_("Quantity"), true], [_("From → to")], [_("Who")], [_("Proof")]], moves, rowOf, list, MOVES_MAX);
  const nothing = element("section", {}, element("h2", { textContent: _("What happened") }), empty(_("Nothing was booked here yet.")));
  const frame = element("div", {}), still = element("tbody", {}), between = (act) => [...(withItem ? ["–"] : []), "–", "–", apart(act.name)];
  const show = (acts) => {
    still.replaceChildren(...rowsOf(acts, between));
    frame.replaceChildren(moves.length || acts.length ? made : nothing);
  };
  made.querySelector("thead").after(still);
  show([]);
  here?.abort();
  here = whileHere((act) => concerns(act, about), (acts, gone) => {
    show(acts);
    // It stands among what happened by now, where anything came of it.
    if (gone) get(`${list}${list.includes("?") ? "&" : "?"}limit=${MOVES_MAX}`).then(({ rows }) => { if (frame.isConnected) frame.replaceWith(history(rows, about, list)); }, () => {});
  });
  return frame;
}

// ---------------------------------------------------------------- an item, a place

async function item(code, lot = "", serial = "") {
  const about = new URLSearchParams(Object.entries({ lot, serial }).filter(([, value]) => value));
  const found = await get(`${path("inventory", code)}?${about}`);
  const { stock, piece, quantity: all, free } = found;
  const show = (quantity) => written(quantity, found.decimals);
  const kept = [found.lots && _("by lot"), found.serials && _("by serial")].filter(Boolean).join(", ");
  const parts = [heading(found.name || found.item, found.item, [lot && _("lot %(lot)s", { lot }), serial && _("serial %(serial)s", { serial }), kept].filter(Boolean).join(" · "))];
  if (serial) parts.push(piece ? whereabouts(piece) : note(_("Where a piece is, is shown when no count is under way.")));
  else {
    const { to_here: comes = 0, back_here: back = 0, from_here: left = 0 } = found.in_transit || {};
    const away = [[_("On the way here"), comes], [_("On the way back"), back], [_("On the way out"), left]].filter(([, quantity]) => quantity);
    const figures = [[_("Here"), all], [_("Free"), free], [_("Held"), all - free], ...away];
    parts.push(element("div", { className: "grid figures" }, ...figures.map(([title, quantity]) => figure(title, show(quantity), found.unit))));
  }
  if (found.being_counted.length) parts.push(note(_("Bins that are being counted are left out until the count is finished.")));
  const rowOf = (line) => row(spot(line), cell(ltr(line.lot || "–")), cell(STATUS[line.status]), cell(show(line.quantity), "number"));
  const list = path("inventory", found.item);
  if (!serial) parts.push(stock.length ? table(_("Where it is"), [[_("Place")], [_("Lot")], [_("Status")], [_("Quantity"), true]], stock, rowOf, `${list}/locations?${new URLSearchParams(lot && { lot })}`)
    : empty(lot ? _("None of lot %(lot)s is here.", { lot }) : _("None of it is here.")));
  if (found.in_transit?.transfers.length) parts.push(underWay(found.in_transit.transfers, show));
  parts.push(history(found.moves, { item: found.item }, `${list}/history?${about}`));
  const name = found.name || found.item;
  show_(parts, serial ? _("%(name)s: serial %(serial)s", { name, serial }) : _("%(name)s: %(number)s here", { name, number: show(all) }), { item: found.item });
}

// What is on its way between sites: it stands in no bin here.
function underWay(transfers, show) {
  const way = ({ comes, back, site }) => (comes ? _("from %(site)s", { site }) : back ? _("back from %(site)s", { site }) : _("to %(site)s", { site }));
  const rowOf = (each) => row(
    cell(each.comes ? way(each) : link(`/operations/${each.transfer}`, way(each))),
    cell(ltr(each.serial || each.lot || "–")), cell(show(each.quantity), "number"), cell(each.missing ? show(each.missing) : "–", "number"),
  );
  return table(_("On its way between sites"), [[_("Transfer")], [_("Lot or serial")], [_("Quantity"), true], [_("Missing"), true]], transfers, rowOf, "");
}

// A place, and where that stands when it is a unit.
function spot({ location, stands_in: place }) {
  const found = cell(link(address("place", location), ltr(location)));
  if (place) found.append(element("div", { className: "quiet", textContent: _("in %(place)s", { place }) }));
  return found;
}

// Where one piece is: on the floor, or how it left it.
function whereabouts({ location, lot, status }) {
  const where = GONE[location] ? element("strong", { textContent: GONE[location] }) : element("strong", {}, link(address("place", location), ltr(location)));
  const said = [GONE[location] ? "" : STATUS[status], lot && _("lot %(lot)s", { lot })].filter(Boolean).join(" · ");
  return element("div", { className: "grid figures" }, element("div", { className: "card figure" },
    element("span", { className: "quiet", textContent: _("Where it is") }), where, element("span", { className: "quiet", textContent: said })));
}

async function place(code) {
  const list = path("locations", code), within = `locations/?parent=${encodeURIComponent(code)}`;
  const [found, { rows: inside }] = await Promise.all([get(list), get(within)]);
  const parent = { place: found.parent };
  const where = found.kind !== "unit" ? found.parent && _("in %(place)s", parent)
    : found.parent ? _("handling unit in %(place)s", parent) : _("handling unit");
  const said = [found.name !== found.location && found.name, where].filter(Boolean).join(" · ");
  const parts = [heading(found.kind === "unit" ? _("Unit %(code)s", { code }) : _("Bin %(bin)s", { bin: code }), "", said)];
  if (found.being_counted) {
    parts.push(empty(_("This bin is being counted. What lies in it is shown when the count is finished.")));
    show_(parts, _("%(place)s is being counted", { place: found.location }));
    return;
  }
  const lineRow = (line) => row(cell(link(address("item", line.item), ltr(line.item))), cell(line.name, "wide"), cell(ltr(line.lot || "–")), cell(STATUS[line.status]), cell(written(line.quantity, line.decimals), "number"));
  parts.push(found.stock.length ? table(_("What lies here"), [[_("Item")], [_("Name")], [_("Lot")], [_("Status")], [_("Quantity"), true]], found.stock, lineRow, `${list}/inventory`)
    : empty(_("Nothing lies here by the books.")));
  if (found.serials.length) parts.push(table(_("Pieces"), [[_("Item")], [_("Serial")], [_("Status")]], found.serials, (piece) => row(cell(link(address("item", piece.item), ltr(piece.item))), cell(ltr(piece.serial)), cell(STATUS[piece.status])), `${list}/serials`));
  if (inside.length) parts.push(table(_("Inside"), [[_("Place")], [_("Kind")]], inside, (each) => row(cell(link(address("place", each.location), ltr(each.location))), cell(KINDS[each.kind] || each.kind)), within));
  parts.push(history(found.moves, { location: code }, `${list}/history`));
  const lines = n_("%(num)s line", "%(num)s lines", found.stock.length);
  show_(parts, _("%(place)s: %(lines)s", { place: found.location, lines }), { location: found.location });
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

const shown = { item: (code, query) => item(code, query.get("lot") || "", query.get("serial") || ""), place: (code) => place(code), search, code: (text) => findOr(onPaper)(text) };

async function open(found) {
  if (reach.ok === false && found.kind === "item") { say("warn", _("%(name)s: how much there is, the node says when it answers", { name: found.name || found.item })); return; }
  if (found.kind === "operation") { location.assign(`/operations/${found.op_id}`); return; }
  if (found.kind === "location" && !found.known) { say("warn", _("Unit %(code)s is not used yet", { code: found.location })); return; }
  const query = new URLSearchParams(found.kind === "item" ? { item: found.item } : { place: found.location });
  if (found.lot) query.set("lot", found.lot);
  if (found.serial) query.set("serial", found.serial);
  history_(query);
}

function history_(query) {
  const step = new URLSearchParams(location.search).has("code") ? "replaceState" : "pushState"; // what was scanned elsewhere is found now
  window.history[step](null, "", `/look?${query}`);
  return fromAddress();
}

let owed = false; // what the address asks for could not be shown
async function fromAddress() {
  const query = new URLSearchParams(location.search);
  const kind = Object.keys(shown).find((name) => query.get(name));
  owed = Boolean(kind) && await attempt(async () => { await shown[kind](query.get(kind), query); return true; }) === null;
}

// What has these words in its code or name. Answers whether there is any.
async function search(text) {
  const query = new URLSearchParams({ search: text });
  const [items, places] = await Promise.all(["inventory", "locations"].map((list) => get(`${list}/?${query}`)));
  const itemRow = (each) => row(cell(link(address("item", each.item), ltr(each.item))), cell(each.name, "wide"), cell(written(each.quantity, each.decimals), "number"), cell(each.unit));
  const placeRow = (each) => row(cell(link(address("place", each.location), ltr(each.location))), cell(each.name === each.location ? "" : each.name, "wide"), cell(KINDS[each.kind] || each.kind));
  const parts = [];
  if (items.rows.length) parts.push(table(_("Items"), [[_("Item")], [_("Name")], [_("Here"), true], [_("Unit")]], items.rows, itemRow, `inventory/?${query}`));
  if (places.rows.length) parts.push(table(_("Places"), [[_("Place")], [_("Name")], [_("Kind")]], places.rows, placeRow, `locations/?${query}`));
  if (!parts.length) return false;
  byId("what").value = text;
  show_(parts, _("Found by “%(text)s”: open one of them", { text }));
  return true;
}

async function find(text, how) {
  clearTimeout(soon);
  byId("what").value = text;
  await open(await lookUp(text, how));
}

// What names nothing as a whole may be found in other ways; none of them: what was said of the code stands.
const findOr = (...ways) => async (text, how) => {
  try {
    await find(text, how);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    for (const way of ways) if (await way(text)) return;
    throw error;
  }
};

// The number on a paper leads to what was done with it. In front of it stands how a scanner names its symbology.
async function onPaper(text) {
  const reference = text.replace(/^\][A-Za-z][0-9A-Za-z]/, "").trim();
  if (!reference || reference.length > 64) return false;
  const found = await get(`operations/?${new URLSearchParams({ reference, limit: 1 })}`).catch((error) => { if (error instanceof Refused) return { rows: [] }; throw error; });
  if (found.rows.length) location.assign(`/operations/?${new URLSearchParams({ reference })}`);
  return found.rows.length > 0;
}

// The words stand in the address, once for all that was typed: back leads from what was opened to what was found.
async function searchFor(text) {
  const found = await search(text);
  const step = new URLSearchParams(location.search).has("search") ? "replaceState" : "pushState";
  if (found) window.history[step](null, "", `/look?${new URLSearchParams({ search: text })}`);
  return found;
}

let soon = 0;
byId("what").addEventListener("input", () => {
  clearTimeout(soon);
  const text = byId("what").value.trim();
  if (text.length < TYPED_MIN || reach.ok === false) return;
  // A scanner's keys are gone from the field again before this.
  soon = setTimeout(() => { if (byId("what").value.trim() === text) attempt(() => searchFor(text)); }, TYPED_MS);
});
onCode(findOr(onPaper));
// Typed by hand it may be a part of a code, or of a name.
const findTyped = findOr((text) => searchFor(text), onPaper);
byId("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("what").value.trim();
  if (text) attempt(() => findTyped(text, TYPED));
  else say("warn", _("Scan a label, or type a code"), { aloud: false });
});
addEventListener("popstate", fromAddress);
whenAway(() => _("What a code stands for is known here, how much there is of it is not."), () => {
  if (owed) fromAddress(); // what is shown stays as its reader left it
});
byId("found").addEventListener("click", (event) => {
  const to = event.target.closest("a.row");
  if (!to || !to.pathname.startsWith("/look")) return;
  event.preventDefault();
  history_(new URLSearchParams(to.search));
});
fromAddress();
loadNames();
