// Scans that nobody could count: each is explained, as an item after all or as nothing to count.

import { act, get } from "./api.js";
import { attempt, byId, element, ltr, say } from "./page.js";
import { weighed } from "./weigh.js";
import { sentence } from "./wire.js";
import { _, latin } from "./words.js";

function field(row, name, label, value = "") {
  const id = `unknown-${row}-${name}`;
  const input = element("input", { id, name, value, autocomplete: "off", spellcheck: false });
  if (name === "expiry") input.type = "date";
  if (name === "amount" || name === "pieces") Object.assign(input, { inputMode: "decimal", className: "number" });
  return element("div", {}, element("label", { htmlFor: id, textContent: label }), input);
}

function wishOf(form, read) {
  const wish = { park: read.park };
  for (const { name, value } of form.elements) {
    const text = (value || "").trim();
    if (name && text) wish[name] = name === "pieces" ? Number(latin(text)) : text;
  }
  return wish;
}

function weigher(form) {
  const words = element("p", { className: "quiet" });
  words.setAttribute("role", "alert");
  const button = element("button", { className: "button", type: "button", textContent: _("Weigh") });
  button.addEventListener("click", async () => {
    const { item, amount } = form.elements;
    amount.value = await weighed(button, item.value.trim(), words) || amount.value;
  });
  return [button, words];
}

// Why a code counts for nothing: codes of a reason, and what the button says.
const NOTHING = [["not-stock", _("Not stock")], ["read-twice", _("Read twice")], ["not-here", _("Not from this bin")]];

const said = (read) => [ltr(read.text, "code"), element("p", { className: "quiet", textContent: read.why })];

// One read to explain. `gone(answer)` when it is; `yes`: what is done with it as an item.
function cardOf(read, gone, { scale = "", yes = _("Count it so") } = {}) {
  const hint = read.hint || {};
  const form = element("form", { className: "resolve", noValidate: true, hidden: true },
    field(read.park, "item", _("Item code"), hint.item), field(read.park, "lot", _("Lot"), hint.lot),
    field(read.park, "expiry", _("Expiry"), hint.expiry), field(read.park, "serial", _("Serial"), hint.serial),
    field(read.park, "amount", _("Quantity"), String(hint.amount || hint.quantity || 1)),
    ...(hint.pieces ? [field(read.park, "pieces", _("Pieces"), String(hint.pieces))] : []),
    element("button", { className: "button", type: "submit", textContent: yes }));
  const { lastElementChild: send } = form;
  let sure = false; // that what was asked about it is so
  const refusal = element("p", { className: "refusal" });
  if (scale) send.before(...weigher(form));
  refusal.setAttribute("role", "alert");
  const act_ = (path, wish) => attempt(async () => {
    try {
      const answer = await act(path, wish);
      if (!answer.ask) { gone(answer); return; }
      refusal.textContent = answer.ask;
      refusal.dataset.asks = "";
      send.textContent = _("Yes, count it");
      sure = true;
    } catch (error) {
      refusal.textContent = error.message;
      delete refusal.dataset.asks;
      throw error;
    }
  });
  const known = element("button", { className: "button", type: "button", textContent: _("It is an item…") });
  known.addEventListener("click", () => { form.hidden = !form.hidden; form.elements.namedItem("item").focus(); });
  const nothing = NOTHING.map(([reason, words]) => {
    const button = element("button", { className: "button", type: "button", textContent: words });
    button.addEventListener("click", () => act_("scans/dismiss", { park: read.park, reason }));
    return button;
  });
  form.addEventListener("input", () => { sure = false; send.textContent = yes; refusal.textContent = ""; });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act_("scans/resolve", { ...wishOf(form, read), ...(sure && { confirm: true }) });
  });
  return element("article", { className: "card unknown" }, ...said(read),
    element("div", { className: "actions" }, known, ...nothing), form, refusal);
}

// One read of what is over: an item after all joins no count that is closed, so the bin is counted once more. Who
// approves says so; an auditor looks at it.
export function lateCardOf(read, gone) {
  const decides = (byId("bar").dataset.roles || "").split(" ").includes("APPROVE");
  return decides ? cardOf(read, gone, { yes: _("It is this: count the bin again") })
    : element("article", { className: "card unknown" }, ...said(read));
}

// What was just set aside: a code that nobody knows, which is said in `otherwise`, or one that lacks a word.
export function sayAside({ item, why }, otherwise) {
  if (item) say("warn", sentence(why));
  else say("bad", otherwise);
}

export async function showUnknown(scale = "") {
  const { rows } = await get("scans/parked");
  const list = byId("unknown-list");
  const cards = rows.map((read) => {
    const card = cardOf(read, () => {
      card.remove();
      if (!list.children.length) byId("unknown").close();
    }, { scale });
    return card;
  });
  list.replaceChildren(...cards);
  if (cards.length && !byId("unknown").open) byId("unknown").showModal();
}
