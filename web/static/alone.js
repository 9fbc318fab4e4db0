// One page of this browser at a time: Web Locks where there are any (secure contexts), else a lease on the tablet's disk.

import { change } from "./store.js";
import { newId } from "./wire.js";

const LEASE_MS = 15000, RENEW_MS = 5000;
const me = newId();

const lease = (until) => change(async ({ facts }, asked) => {
  const held = await asked(facts.get("lease"));
  const now = Date.now();
  // A clock that was set back must not leave a lease standing for hours.
  const taken = held && held.page !== me && held.until > now && held.until <= now + LEASE_MS;
  if (!taken) await asked(facts.put({ page: me, until: now + until }, "lease"));
  return !taken;
});

// Run `work(stillAlone)`; without locks, a page that finds another one at work does nothing and is asked again later.
// Two pages at once would do no harm: both send the oldest first, and the node acts once.
export async function alone(work) {
  if (navigator.locks) return navigator.locks.request("tallyman-outbox", () => work(async () => true));
  if (!await lease(LEASE_MS)) return undefined;
  const renewing = setInterval(() => lease(LEASE_MS).catch(() => {}), RENEW_MS); // one request may take minutes
  try {
    return await work(() => lease(LEASE_MS));
  } finally {
    clearInterval(renewing);
    await lease(0);
  }
}
