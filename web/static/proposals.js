// What somebody proposed, and another person signs or refuses, each for itself.

import { act, newOpId } from "./api.js";
import { whenAway } from "./away.js";
import { decider } from "./decide.js";
import { done } from "./goods.js";
import { byId, say } from "./page.js";
import { _ } from "./words.js";

const list = byId("proposals");
let chosen = null, opId = "";

const named = () => ({ what: chosen.querySelector("h2").textContent });
const decision = (more) => ({ proposal: chosen.dataset.proposal, ...more });

const KEPT = _("Kept as an exception: the bin is to be counted");

// The next one stands on top.
function decided() {
  chosen.remove();
  if (!list.children.length && "more" in list.dataset) location.reload();
  byId("none").hidden = list.children.length > 0;
  list.querySelector("[data-sign]")?.classList.add("primary");
}

const { open } = decider({
  sign: {
    title: _("Sign it?"), yes: _("Sign"), signed: true, why: "",
    words: () => _("%(what)s: it is booked now, and your signature stands beside it.", named()),
    act: (signal) => act("documents/approve", decision({ pin: byId("pin").value }), opId, signal),
    done: ({ proposal, exception }) => { decided(); done(proposal, exception ? KEPT : _("%(what)s: signed and booked", named())); },
  },
  refuse: {
    title: _("Refuse it?"), yes: _("Refuse it"), why: "why-again",
    words: () => _("%(what)s: nothing is booked. Whoever proposed it can propose it anew.", named()),
    act: () => act("documents/reject", decision({ reason: byId("reason-again").value }), opId),
    done: ({ exception }) => { decided(); say("warn", exception ? KEPT : _("%(what)s: refused", named())); },
  },
});

list.addEventListener("click", ({ target }) => {
  const choice = "sign" in target.dataset ? "sign" : "refuse" in target.dataset ? "refuse" : "";
  if (!choice) return;
  chosen = target.closest("[data-proposal]");
  opId = newOpId();
  open(choice);
});

whenAway(() => _("It is signed when the node answers."));
