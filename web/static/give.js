// Who counts a round and until when, as the part of the deciding dialog says it. Moments are of the site's time.

import { byId } from "./page.js";
import { siteMs, siteWall } from "./times.js";

export function given() {
  const until = byId("give-until").value;
  return { assignee: byId("give-to").value || null, deadline_ms: until ? siteMs(until) : null };
}

// What stands there before somebody changes it: the name of whoever has the round, and its deadline.
export function before(name = "", deadlineMs = null) {
  const options = [...byId("give-to").options];
  byId("give-to").selectedIndex = Math.max(0, options.findIndex((each) => each.textContent === name));
  byId("give-until").value = deadlineMs ? siteWall(deadlineMs) : "";
}
