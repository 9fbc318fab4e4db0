// Base units as people write them, in the item's own unit. Whole numbers and text only, never a float.

import { decimalMark, n_ } from "./words.js";

// Digits with a point, as they are typed and sent, in the reader's own manner.
export const withMark = (digits) => digits.replace(".", decimalMark);

export function written(count, decimals = 0) {
  if (!decimals) return String(count);
  const digits = String(Math.abs(count)).padStart(decimals + 1, "0");
  return `${count < 0 ? "-" : ""}${digits.slice(0, -decimals)}${decimalMark}${digits.slice(-decimals)}`;
}

// What stands beside the figure of a line: its unit where it is not plain pieces, and its pieces beside a weight.
export function beside(line) {
  return [line.unit, line.pieces === undefined ? "" : n_("%(num)s piece", "%(num)s pieces", line.pieces)].filter(Boolean).join(" · ");
}
