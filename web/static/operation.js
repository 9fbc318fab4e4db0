// One operation's page: its proof climbs while somebody looks, and its reversal can be proposed.

import { act, newOpId, post } from "./api.js";
import { answerOrKept } from "./away.js";
import { decider } from "./decide.js";
import { follow } from "./ladder.js";
import { byId } from "./page.js";
import { _ } from "./words.js";

const proof = byId("proof"), receipt = byId("receipt"); // a document in parts has none of its own
const blind = !receipt || (receipt.hidden && proof.dataset.state !== "recorded");
proof.addEventListener("rung", (event) => {
  if (blind || event.detail === "recorded") return;
  receipt.hidden = false;
  byId("no-receipt").hidden = true;
});
follow(proof.dataset.op, proof);

if (byId("reverse")?.dataset.how === "sign") {
  const opId = newOpId();
  decider({
    reverse: {
      title: _("Reverse it?"), yes: _("Sign"), why: "why-again", signed: true,
      words: _("What came in is on its way again, and the transfer can be accepted anew. The goods have to be where they were put, and free."),
      act: (signal) => act("transfers/reverse", { of: proof.dataset.op, reasons: [byId("reason-again").value], pin: byId("pin").value }, opId, signal),
      done: () => location.reload(),
    },
  });
} else if (byId("reverse")) {
  decider({
    reverse: {
      title: _("Reverse it?"), yes: _("Propose it"), why: "why-again",
      words: _("What moved by it is booked back once another person has signed. Until then nothing changes."),
      act: () => answerOrKept("documents/reverse", { of: proof.dataset.op, reasons: [byId("reason-again").value] }, act),
      done: () => { byId("reverse").hidden = true; byId("reversal").hidden = false; },
    },
  });
}

if (byId("note-dialog")) {
  const erasure = newOpId();
  byId("note-erase").addEventListener("click", () => byId("note-dialog").showModal());
  byId("note-yes").addEventListener("click", async () => {
    try {
      await post("notes/erase", { op_id: erasure, operation: proof.dataset.op, reasons: ["erased"] });
      location.reload();
    } catch (error) {
      byId("note-dialog").close();
      byId("note-refusal").textContent = error.message;
    }
  });
}
