// Base units as people write them, in the item's own unit. Whole numbers and text only, never a float.

import { Refused } from "./wire.js";
import { _, decimalMark, latin, n_ } from "./words.js";

// Digits with a point, as they are typed and sent, in the reader's own manner.
export const withMark = (digits) => digits.replace(".", decimalMark);

export function written(count, decimals = 0, mark = decimalMark) {
  if (!decimals) return String(count);
  const digits = String(Math.abs(count)).padStart(decimals + 1, "0");
  return `${count < 0 ? "-" : ""}${digits.slice(0, -decimals)}${mark}${digits.slice(-decimals)}`;
}

// What stands in a field for an amount, as digits with a point.
export const typed = (field) => latin(field.value.trim()).replace(",", ".");

// The digits of a number key pad or a field in base units, exactly.
export function base(digits, decimals = 0) {
  const [whole, rest = ""] = digits.split(".");
  if (rest.length > decimals) throw new Refused(_("So many decimals do not come out in the smallest unit: say it exactly."));
  return Number(whole + rest.padEnd(decimals, "0"));
}

// The same with its unit, where that is not plain pieces.
export const measured = (count, { unit, decimals = 0 }) => (decimals ? `${written(count, decimals)} ${unit}` : written(count));

// The sum of several things, [{quantity, unit, decimals}]: kilograms and pieces are no one number.
export function together(lines) {
  const sums = new Map();
  for (const { quantity, unit, decimals } of lines) {
    const key = decimals ? `${decimals} ${unit}` : "", known = sums.get(key) || { quantity: 0, unit, decimals };
    sums.set(key, { ...known, quantity: known.quantity + quantity });
  }
  return [...sums.values()].map((sum) => measured(sum.quantity, sum)).join(" + ") || "0";
}

// What stands beside the figure of a line: its unit where it is not plain pieces, and its pieces beside a weight.
export function beside(line) {
  return [line.unit, line.pieces === undefined ? "" : n_("%(num)s piece", "%(num)s pieces", line.pieces)].filter(Boolean).join(" · ");
}
