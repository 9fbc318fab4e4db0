// Whether what the node shows has everything that was done on this tablet: a state may be older than the act that was
// just answered.

import { outbox } from "./outbox.js";

const SETTLED_MS = 1000;
let busy = true, actedAt = -Infinity;

outbox.addEventListener("change", (event) => {
  if (busy && !event.detail.mine) actedAt = performance.now();
  busy = event.detail.mine > 0;
});

export const settled = () => !busy && performance.now() - actedAt > SETTLED_MS;
