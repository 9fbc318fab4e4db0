// What codes are called, for a tablet that cannot ask: names of the whole catalogue, and nothing about how much there is.

import { call } from "./wire.js";
import { fact, setFact } from "./store.js";

let known = { version: "", names: {}, barcodes: {} };

export async function loadNames() {
  const kept = await fact("names").catch(() => null);
  if (kept) known = kept;
  const found = await call(`names?have=${encodeURIComponent(known.version)}`).catch(() => null);
  if (!found?.names) return;
  known = found;
  await setFact("names", found).catch(() => {});
}

// The item behind a scanned text, or "": a plain barcode, the item number at the head of a GS1 code, an own code.
export function itemOf(text) {
  const plain = text.replace(/^\][A-Za-z][0-9]/, "");
  const digits = /^(?:\d{8}|\d{12,14})$/.test(plain) ? plain.padStart(14, "0") : /^01(\d{14})/.exec(plain)?.[1];
  return known.barcodes[digits] || (plain in known.names ? plain : "");
}

export const nameOf = (text) => known.names[itemOf(text)] || "";
