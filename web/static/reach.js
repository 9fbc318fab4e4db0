// Whether the node is in reach at this moment: null until it is known, then true or false, with a "change" at each turn.

export const reach = Object.assign(new EventTarget(), { ok: null });

function turn(ok) {
  if (reach.ok === ok) return;
  reach.ok = ok;
  reach.dispatchEvent(new CustomEvent("change", { detail: ok }));
}

// As soon as it is, once.
export function whenHeard(then) {
  if (reach.ok) then();
  else reach.addEventListener("change", then, { once: true }); // from false it turns to true
}

export const heard = () => turn(true);
export const lost = () => turn(false);
