// The node's own page: call the hub, take a scanner.

import { post } from "./api.js";
import { attempt, byId, say } from "./page.js";

byId("call").addEventListener("click", async () => {
  byId("call").disabled = true;
  say("quiet", "Calling the hub…", { aloud: false });
  await attempt(async () => {
    const answer = await post("sync/now", {});
    if (answer.exit === 0) location.reload();
    else say("warn", answer.message || `The hub says: ${answer.code}`);
  });
  byId("call").disabled = false;
});

for (const each of document.querySelectorAll("[data-use]")) {
  each.addEventListener("click", () => attempt(async () => {
    await post("devices/bind", { device: each.dataset.use });
    location.reload();
  }));
}
