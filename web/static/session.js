// A count as a whole: approve what agrees with one PIN, leave bins, start, cancel.

import { act } from "./api.js";
import { decider } from "./decide.js";
import { attempt, byId } from "./page.js";

const { session, same } = byId("session").dataset;
const bins = same ? same.split("\n") : [];
const again = () => byId("reason-again").value;
const reload = () => location.reload();
let leaving = "";

if (byId("decide")) {
  const { open } = decider({
    "approve-same": {
      title: "Approve what agrees", yes: "Sign and post", signed: true, why: "",
      words: () => `${bins.length === 1 ? "One bin is" : `${bins.length} bins are`} posted, each on its own. Nothing is booked: your signature proves that they were counted.`,
      act: () => act("counts/approve-bins", { session, bins, pin: byId("pin").value }), done: reload,
    },
    leave: {
      title: "Leave it uncounted", yes: "Leave it", why: "why-again", words: () => `Bin ${leaving} is closed without a count. Nothing is booked.`,
      act: () => act("counts/uncounted", { session, bin: leaving, reason: again() }), done: reload,
    },
    cancel: {
      title: "Cancel the count", yes: "Cancel it", why: "why-again", words: "Bins that are not posted stay uncounted. What was posted stays posted.",
      act: () => act("counts/cancel", { session, reason: again() }), done: reload,
    },
  });
  for (const each of document.querySelectorAll("[data-leave]")) {
    each.addEventListener("click", () => { leaving = each.dataset.leave; open("leave"); });
  }
}
byId("start")?.addEventListener("click", () => attempt(async () => { await act("counts/start", { session }); reload(); }));
