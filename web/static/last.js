// What the node's stream said last, on this tablet's disk: a page shows it until the node answers again.

import { stream } from "./bar.js";
import { person, whose } from "./outbox.js";
import { fact, setFact } from "./store.js";

let last = { screen: null, bins: [], links: {}, scanners_mine: [] }, said = false;

stream.addEventListener("state", ({ detail: state }) => {
  if (state.held) return;
  said = true;
  const { screen, bins, scanners_mine } = state;
  keep({ screen, bins, links: {}, scanners_mine });
});

function keep(state) {
  last = state;
  setFact("last", { actor: person()?.actor, state }).catch(() => {});
}

export const lastState = () => last;

// What was open is ended, as far as this tablet can do that alone.
export function ended() {
  keep({ ...last, screen: null });
  return last;
}

// After a reload: what it was for this person, unless the stream was quicker.
export async function recall() {
  const kept = await fact("last").catch(() => null);
  const mine = kept && kept.actor === (await whose())?.actor;
  if (!said && mine) last = kept.state;
  return last;
}
