// A count as a whole: approve what agrees with one PIN, leave bins, start, cancel.

import { act, get, newOpId } from "./api.js";
import { decider } from "./decide.js";
import { before, given } from "./give.js";
import { attempt, byId, say } from "./page.js";
import { unsent } from "./unsent.js";
import { _, n_ } from "./words.js";

const { session, same, waiting } = byId("session").dataset;
const listed = (text) => (text ? text.split("\n") : []);
const bins = listed(same);
const again = () => byId("reason-again").value;
const reload = () => location.reload();
const boxes = [...document.querySelectorAll("[data-choose]")];
// Those on the list's other pages are chosen as well, as long as they wait for a decision.
const kept = unsent(byId("bar").dataset.actor), among = new Set();
const chosen = () => [...among];
const toExplain = () => chosen().some((bin) => !bins.includes(bin));
const LEFT_OVER = `left-over:${session}`;
let leaving = "", assigned = "", taken = "", freed = {};

// A node takes so many bins at a time.
const BULK_MAX = 200;
async function approve(some, signal, said) {
  const refused = {};
  for (let at = 0; at < some.length; at += BULK_MAX) {
    Object.assign(refused, (await act("counts/approve-bins", { session, bins: some.slice(at, at + BULK_MAX), pin: byId("pin").value, ...said }, newOpId(), signal)).refused);
  }
  return { refused };
}

// What could not be posted with the others, said once the page shows how the bins stand now.
function posted({ refused }) {
  const said = Object.entries(refused).map(([bin, why]) => `${bin}: ${why}`);
  if (said.length) sessionStorage.setItem(LEFT_OVER, JSON.stringify(said));
  reload();
}

if (byId("decide")) {
  const { open } = decider({
    "approve-same": {
      title: _("Approve what agrees"), yes: _("Sign and post"), signed: true, why: "",
      words: () => n_("%(num)s bin is posted. Nothing is booked: your signature proves that it was counted.",
        "%(num)s bins are posted, each on its own. Nothing is booked: your signature proves that they were counted.", bins.length),
      act: (signal) => approve(bins, signal), done: posted,
    },
    "approve-chosen": {
      title: _("Approve the chosen bins"), yes: _("Sign and post"), signed: true, why: () => (toExplain() ? "why-approve" : ""),
      words: () => n_("%(num)s bin is posted. Its differences are booked now, for this reason, and your signature stands beside them.",
        "%(num)s bins are posted, each on its own. Their differences are booked now, for this reason, and your signature stands beside them.", chosen().length),
      act: (signal) => approve(chosen(), signal, toExplain() && { reason: byId("reason-approve").value }), done: posted,
    },
    "reject-chosen": {
      title: _("Reject these counts"), yes: _("Reject them"), why: "why-reject",
      words: () => n_("Nothing is booked of %(num)s bin. The count stays on record, and the bin can be counted in another one.",
        "Nothing is booked of %(num)s bins. The counts stay on record, and the bins can be counted in another one.", chosen().length),
      act: () => act("counts/reject", { session, bins: chosen(), reason: byId("reason-reject").value }), done: reload,
    },
    draw: {
      title: _("Draw them now"), yes: _("Draw them"), why: "",
      words: _("The bins are drawn without waiting for the hub. The plan says who chose the secret of the draw."),
      act: () => act("counts/draw", { session }), done: reload,
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
    free: {
      title: _("Somebody else counts it"), yes: _("Take it from them"), why: "",
      words: () => _("%(name)s counts bin %(bin)s no more. What was scanned there stays on record and counts for nothing: another person begins afresh.", freed),
      act: () => act("counts/free", { session, bin: freed.bin, assignee: freed.actor }), done: reload,
    },
    take: {
      title: _("Take the count"), yes: _("Take the count"), why: "why-enough",
      words: () => _("Bin %(bin)s is not counted again. It waits for a decision as it was counted, with this reason beside it.", { bin: taken }),
      act: () => act("counts/take", { session, bin: taken, reason: byId("reason-enough").value }), done: reload,
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
  for (const each of document.querySelectorAll("[data-free]")) {
    each.addEventListener("click", () => {
      freed = { bin: each.dataset.free, actor: each.dataset.actor, name: each.dataset.name };
      open("free");
    });
  }
  for (const each of document.querySelectorAll("[data-take]")) {
    each.addEventListener("click", () => { taken = each.dataset.take; open("take"); });
  }
  for (const each of document.querySelectorAll("[data-assign]")) {
    each.addEventListener("click", () => {
      assigned = each.dataset.assign;
      before(each.dataset.name, Number(each.dataset.until));
      open("assign");
    });
  }
}
function showChosen() {
  const { length } = chosen(), here = boxes.filter((each) => each.checked).length;
  byId("chosen").hidden = !length;
  byId("dock").hidden = length > 0;
  byId("choose-all").hidden = here === boxes.length;
  byId("approve-chosen").textContent = n_("Approve %(num)s bin", "Approve %(num)s bins", length);
  byId("reject-chosen").textContent = n_("Reject %(num)s bin", "Reject %(num)s bins", length);
}
function choose(some, checked) {
  for (const each of some) each.checked = checked;
  for (const each of boxes) {
    if (each.checked) among.add(each.value);
    else among.delete(each.value);
  }
  kept.keep(chosen());
  showChosen();
}
function mark() {
  for (const each of boxes) each.checked = among.has(each.value);
  if (byId("chosen")) showChosen();
}
for (const each of boxes) each.addEventListener("change", () => choose([], true));
mark(); // whatever ticks the browser kept of a page that is loaded again
kept.said.then((said) => {
  for (const bin of listed(waiting)) if (said?.includes(bin)) among.add(bin);
  if (!waiting) kept.drop(); // nothing is to be chosen any more
  mark();
});
byId("choose-all")?.addEventListener("click", () => choose(boxes, true));
byId("choose-none")?.addEventListener("click", () => { among.clear(); choose(boxes, false); });

// The hub's draw comes with one of the node's next calls.
const DRAWN_MS = 2000;
async function untilDrawn() {
  let waits = true;
  try {
    const { state, not_drawn: trouble } = await get(`counts/${session}`);
    waits = state === "drawing" && !trouble;
  } catch (error) { console.warn(error); } // a node that is away draws them when it is back
  if (waits) setTimeout(untilDrawn, DRAWN_MS);
  else reload();
}
if ("drawing" in byId("session").dataset) setTimeout(untilDrawn, DRAWN_MS);

const leftOver = JSON.parse(sessionStorage.getItem(LEFT_OVER) || "[]");
sessionStorage.removeItem(LEFT_OVER);
if (leftOver.length) say("warn", [n_("%(num)s bin is not posted.", "%(num)s bins are not posted.", leftOver.length), ...leftOver].join(" "));
byId("start")?.addEventListener("click", () => attempt(async () => { await act("counts/start", { session }); reload(); }));
