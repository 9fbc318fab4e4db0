// The node's own page: call the hub, take a scanner, settle what a tablet lost.

import "./alerts.js";
import { act, post } from "./api.js";
import { stream } from "./bar.js";
import { attempt, byId, say } from "./page.js";
import { showUnclaimed, showUndecided } from "./undecided.js";
import { _ } from "./words.js";

byId("call").addEventListener("click", async () => {
  byId("call").disabled = true;
  say("quiet", _("Calling the hub…"), { aloud: false });
  await attempt(async () => {
    const answer = await post("sync/now", {});
    if (answer.exit === 0) location.reload();
    else say("warn", answer.message || _("The hub says: %(code)s", { code: answer.code }));
  });
  byId("call").disabled = false;
});

for (const each of document.querySelectorAll("[data-use]")) {
  each.addEventListener("click", () => attempt(async () => {
    await post("devices/bind", { device: each.dataset.use });
    location.reload();
  }));
}

for (const each of document.querySelectorAll("[data-beep]")) {
  each.addEventListener("click", () => attempt(async () => {
    await post("devices/beep", { device: each.dataset.beep });
    say("quiet", _("%(scanner)s was told to beep", { scanner: each.dataset.beep }), { aloud: false });
  }));
}

// Paired by its code, or taken on another page: the table says whose it is now.
let mine = null;
stream.addEventListener("state", ({ detail }) => {
  const now = [...detail.scanners_mine].sort().join("\n");
  if (mine !== null && now !== mine) location.reload();
  mine = now;
});

attempt(async () => {
  const some = await showUndecided(byId("undecided-list"), () => { byId("undecided").hidden = true; });
  byId("undecided").hidden = !some;
});

const unclaimed = byId("unclaimed");
if (unclaimed) {
  attempt(async () => {
    const some = await showUnclaimed(byId("unclaimed-list"), () => { unclaimed.hidden = true; });
    unclaimed.hidden = !some;
  });
}

let settled = 0;
for (const each of document.querySelectorAll("[data-settle]")) {
  each.addEventListener("click", () => {
    settled = Number(each.dataset.settle);
    byId("settle-title").textContent = _("What %(tablet)s did not send is gone?", { tablet: `T${settled}` });
    byId("settle").showModal();
  });
}
byId("settle-yes").addEventListener("click", () => attempt(async () => {
  byId("settle").close();
  await act("tablets/settle", { tablet: settled });
  location.reload();
}));
