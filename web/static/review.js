// The supervisor decides on a counted bin: post it with a signature, have it counted again, or leave it uncounted.

import { act } from "./api.js";
import { Keypad } from "./keypad.js";
import { follow } from "./ladder.js";
import { attempt, byId, say } from "./page.js";
import { onScan } from "./wedge.js";

const proof = byId("proof"), dialog = byId("decide");
const watch = (opId) => follow(opId, proof, () => proof.dataset.op === opId);
if (proof.dataset.op) watch(proof.dataset.op);

for (const each of document.querySelectorAll("[data-dismiss]")) {
  each.addEventListener("click", () => attempt(async () => {
    await act("scans/dismiss", { park: Number(each.dataset.dismiss), reason: "not-stock" });
    location.reload();
  }));
}

for (const each of document.querySelectorAll("[data-relocate]")) {
  each.addEventListener("click", () => attempt(async () => {
    const { source, target, item, lot, serial, status } = each.closest(".offer").dataset;
    const said = Object.fromEntries(Object.entries({ lot, serial }).filter(([, value]) => value));
    const accept = each.dataset.relocate === "yes";
    await act("counts/relocate", { session: dialog.dataset.session, source, target, item, status, accept, ...said });
    location.reload();
  }));
}

const differs = Number(dialog?.dataset.differs || 0);
const CHOICES = {
  approve: {
    title: "Approve and post", yes: "Sign and post", path: "counts/approve", signed: true,
    words: differs ? "The difference is booked now, and your signature stands beside it." : "Nothing is booked; your signature proves the count.",
    body: () => ({ pin: byId("pin").value, ...(differs ? { reason: byId("reason-approve").value } : {}) }),
  },
  again: {
    title: "Count again", yes: "Order the recount", path: "counts/recount", signed: false,
    words: "Another person counts the bin. Nothing is booked yet.", body: () => ({ reason: byId("reason-again").value }),
  },
  leave: {
    title: "Leave uncounted", yes: "Leave it uncounted", path: "counts/uncounted", signed: false,
    words: "Nothing is booked, and the count is closed without this bin.", body: () => ({ reason: byId("reason-again").value }),
  },
};
let choice = null;

function open(name) {
  choice = CHOICES[name];
  byId("decide-title").textContent = choice.title;
  byId("decide-words").textContent = choice.words;
  byId("decide-yes").textContent = choice.yes;
  byId("decide-yes").hidden = choice.signed; // the keypad's own last key signs
  byId("refusal").textContent = "";
  byId("pin-part").hidden = !choice.signed;
  byId("why-approve").hidden = !(choice.signed && differs);
  byId("why-again").hidden = choice.signed;
  keypad.clear();
  dialog.showModal();
}

async function decide() {
  const signed = choice.signed;
  if (signed && !byId("pin").value) { byId("refusal").textContent = "Type your PIN: it signs the posting."; return; }
  const { session, bin } = dialog.dataset;
  for (const each of dialog.querySelectorAll("button")) each.disabled = true;
  try {
    const answer = await act(choice.path, { session, bin, ...choice.body() });
    dialog.close();
    if (signed) posted(answer);
    else location.assign(`/review/${session}`);
  } catch (error) {
    byId("refusal").textContent = error.message;
    keypad.clear();
  }
  for (const each of dialog.querySelectorAll("button")) each.disabled = false;
}

function posted(answer) {
  byId("dock").hidden = true;
  byId("onwards").hidden = false;
  byId("bin-state").dataset.level = "good";
  byId("bin-state").querySelector(".shape").textContent = "✓";
  byId("bin-state").querySelector(".word").textContent = "posted";
  say("good", `Bin ${answer.bin} is posted`);
  byId("proof-title").textContent = "Proof of the posting";
  byId("proof-link").href = `/operations/${answer.op_id}`;
  proof.hidden = false;
  proof.dataset.op = answer.op_id;
  proof.querySelector(".ladder").replaceChildren();
  watch(answer.op_id);
}

const keypad = dialog && new Keypad(dialog.querySelector(".keypad"), (digits) => { byId("pin").value = digits; }, decide);
if (dialog) {
  for (const name of Object.keys(CHOICES)) byId(name).addEventListener("click", () => open(name));
  byId("decide-yes").addEventListener("click", decide);
  byId("pin").addEventListener("input", () => { keypad.digits = byId("pin").value; });
  dialog.addEventListener("keydown", (event) => {
    if (choice.signed && event.target === byId("pin") && event.key === "Enter") decide();
    else if (choice.signed && event.target !== byId("pin") && event.target.tagName !== "SELECT") keypad.typed(event);
  });
}
onScan(() => say("warn", "Nothing to scan here: this bin is counted", { aloud: true }), (text) => dialog?.open && /^[0-9]+$/.test(text));
