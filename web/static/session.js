// A count as a whole: approve what agrees with one PIN, leave bins, start, cancel.

import { act } from "./api.js";
import { decider } from "./decide.js";
import { before, given } from "./give.js";
import { attempt, byId } from "./page.js";
import { _, n_ } from "./words.js";

const { session, same } = byId("session").dataset;
const bins = same ? same.split("\n") : [];
const again = () => byId("reason-again").value;
const reload = () => location.reload();
let leaving = "", assigned = "";

if (byId("decide")) {
  const { open } = decider({
    "approve-same": {
      title: _("Approve what agrees"), yes: _("Sign and post"), signed: true, why: "",
      words: () => n_("%(num)s bin is posted. Nothing is booked: your signature proves that it was counted.",
        "%(num)s bins are posted, each on its own. Nothing is booked: your signature proves that they were counted.", bins.length),
      act: () => act("counts/approve-bins", { session, bins, pin: byId("pin").value }), done: reload,
    },
    leave: {
      title: _("Leave it uncounted"), yes: _("Leave it"), why: "why-again",
      words: () => _("Bin %(bin)s is closed without a count. Nothing is booked.", { bin: leaving }),
      act: () => act("counts/uncounted", { session, bin: leaving, reason: again() }), done: reload,
    },
    assign: {
      title: _("Who counts it"), yes: _("Assign it"), why: "", give: true,
      words: () => _("Bin %(bin)s stands in that person's list, with its deadline.", { bin: assigned }),
      act: () => act("counts/assign", { session, bin: assigned, ...given() }), done: reload,
    },
    cancel: {
      title: _("Cancel the count"), yes: _("Cancel it"), why: "why-again",
      words: _("Bins that are not posted stay uncounted. What was posted stays posted."),
      act: () => act("counts/cancel", { session, reason: again() }), done: reload,
    },
  });
  for (const each of document.querySelectorAll("[data-leave]")) {
    each.addEventListener("click", () => { leaving = each.dataset.leave; open("leave"); });
  }
  for (const each of document.querySelectorAll("[data-assign]")) {
    each.addEventListener("click", () => {
      assigned = each.dataset.assign;
      before(each.dataset.name, Number(each.dataset.until));
      open("assign");
    });
  }
}
byId("start")?.addEventListener("click", () => attempt(async () => { await act("counts/start", { session }); reload(); }));
