// A stable, exact weight from the scale of this person or tablet; the node says it in the item's unit.

import { post } from "./api.js";
import { say } from "./page.js";

const UNITS = ["mg", "g", "kg", "t", "oz", "lb"];

export const isWeighed = (unit) => UNITS.includes((unit || "").toLowerCase());

// The amount as text, after a refusal in the node's words "". The button is off meanwhile: standing still takes a moment.
export async function weighed(button, item) {
  button.disabled = true;
  const words = button.textContent;
  button.textContent = "Weighing…";
  try {
    const found = await post("scales/weigh", { item });
    say("good", `${found.scale}: ${found.weight} ${found.unit}${found.net ? " net" : ""}`);
    return found.amount;
  } finally {
    button.disabled = false;
    button.textContent = words;
  }
}
