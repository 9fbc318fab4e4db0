// A stable, exact weight from the scale of this person or tablet; the node says it in the item's unit.

import { post } from "./api.js";
import { withMark } from "./amounts.js";
import { _ } from "./words.js";

const UNITS = ["mg", "g", "kg", "t", "oz", "lb"];

export const isWeighed = (unit) => UNITS.includes((unit || "").toLowerCase());

function weightWords({ scale, weight, unit, net }) {
  const said = { scale, weight: `${withMark(String(weight))} ${unit}` };
  return net ? _("%(scale)s: %(weight)s net", said) : _("%(scale)s: %(weight)s", said);
}

// The amount as text; "" after a refusal. What the scale shows, or why it gives nothing, stands in `words`, beside the
// button: it is off meanwhile, since standing still takes a moment.
export async function weighed(button, item, words) {
  const tell = (text, className) => Object.assign(words, { textContent: text, className });
  button.disabled = true;
  tell(_("Weighing…"), "quiet");
  try {
    const found = await post("scales/weigh", { item });
    tell(weightWords(found), "quiet");
    return found.amount;
  } catch (error) {
    tell(error.message, "refusal");
    return "";
  } finally {
    button.disabled = false;
  }
}
