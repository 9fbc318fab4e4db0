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

// What the node answers, or `otherwise` where it is silent for a moment: it is not waited for with what can be done
// without it, and not again before it has said something.
const PATIENCE_MS = 1000;
let silent = false;
export const soon = (asked, otherwise = null) => new Promise((resolve, reject) => {
  const timer = setTimeout(() => { silent = true; resolve(otherwise); }, silent ? 0 : PATIENCE_MS);
  asked.then((answer) => { silent = false; resolve(answer); }, reject).finally(() => clearTimeout(timer));
});

export function heard() {
  silent = false;
  turn(true);
}
export const lost = () => turn(false);
