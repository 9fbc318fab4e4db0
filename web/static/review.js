// The supervisor decides on a counted bin: post it with a signature, have it counted again, leave it or reject it.

import { act, newOpId } from "./api.js";
import { decider } from "./decide.js";
import { explanations } from "./explain.js";
import { given } from "./give.js";
import { follow } from "./ladder.js";
import { attempt, byId, say } from "./page.js";
import { lateCardOf } from "./unknown.js";
import { unsent } from "./unsent.js";
import { _ } from "./words.js";

const proof = byId("proof"), page = byId("bin-page");
const { session, bin } = page.dataset;
const differs = Number(page.dataset.differs), relocated = Number(page.dataset.relocated);
const speaking = Number(page.dataset.speaking);
let other = {}; // the count that is to be decided on instead
const watch = (opId) => follow(opId, proof, () => proof.dataset.op === opId);
if (proof.dataset.op) watch(proof.dataset.op);

byId("scans")?.append(...JSON.parse(byId("scans-said").textContent)
  .map((read) => lateCardOf(read, () => location.reload())));

for (const each of document.querySelectorAll("[data-relocate]")) {
  each.addEventListener("click", () => attempt(async () => {
    const { source, target, item, lot, serial, status } = each.closest(".offer").dataset;
    const said = Object.fromEntries(Object.entries({ lot, serial }).filter(([, value]) => value));
    const accept = each.dataset.relocate === "yes";
    await act("counts/relocate", { session, source, target, item, status, accept, ...said });
    location.reload();
  }));
}

const kept = unsent(byId("bar").dataset.actor, page.dataset.round), explained = explanations(kept);
const toExplain = () => differs - explained.size - relocated > 0;
const again = () => ({ session, bin, reason: byId("reason-again").value });
const back = () => location.assign(`/review/${session}`);

function approval() {
  const wish = { session, bin, round: speaking, pin: byId("pin").value, reasons: Object.fromEntries(explained) };
  return toExplain() ? { ...wish, reason: byId("reason-approve").value } : wish;
}

byId("order")?.addEventListener("click", () => attempt(async () => {
  const { session: ordered } = await act("counts/", { name: _("After the test of %(bin)s", { bin }), bins: [bin] });
  location.assign(`/review/${ordered}`);
}));

if (byId("decide")) {
  const { open } = decider({
    approve: {
      title: _("Approve and post"), yes: _("Sign and post"), signed: true, why: () => (toExplain() ? "why-approve" : ""),
      words: differs ? _("The difference is booked now, and your signature stands beside it.") : _("Nothing is booked; your signature proves the count."),
      act: (signal) => act("counts/approve", approval(), newOpId(), signal), done: posted,
    },
    again: {
      title: _("Count again"), yes: _("Order the recount"), why: "why-again", give: true,
      words: _("Another person counts the bin. Nothing is booked yet."),
      act: () => act("counts/recount", { ...again(), ...given() }), done: back,
    },
    reject: {
      title: _("Reject this count"), yes: _("Reject it"), why: "why-again",
      words: _("Nothing more is booked. The count stays on record, and the bin can be counted in another one."),
      act: () => act("counts/reject", { session, bins: [bin], reason: byId("reason-again").value }), done: back,
    },
    choose: {
      title: _("Decide on another count"), yes: _("Take this count"), why: "why-enough",
      words: () => _("The bin is decided on as %(name)s counted it, with what the books had then. Nothing is booked yet.", other),
      act: () => act("counts/choose", { session, bin, round: other.round, reason: byId("reason-enough").value }), done: () => location.reload(),
    },
  });
  for (const each of document.querySelectorAll("[data-choose]")) {
    each.addEventListener("click", () => {
      other = { round: Number(each.dataset.choose), name: each.dataset.name };
      open("choose");
    });
  }
}

async function posted(answer) {
  await kept.drop();
  if (answer.state !== "posted") { location.reload(); return; }
  byId("dock").hidden = true;
  byId("onwards").hidden = false;
  byId("bin-state").dataset.level = "good";
  byId("bin-state").querySelector(".shape").textContent = "✓";
  byId("bin-state").querySelector(".word").textContent = _("posted");
  say("good", _("Bin %(bin)s is posted", { bin: answer.bin }));
  byId("proof-title").textContent = _("Proof of the posting");
  byId("proof-link").href = `/operations/${answer.op_id}`;
  proof.hidden = false;
  proof.dataset.op = answer.op_id;
  proof.querySelector(".ladder").replaceChildren();
  watch(answer.op_id);
}

