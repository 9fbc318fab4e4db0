// The tablet tests itself: each line says what holds, and what to do where it does not.

import { byId, say } from "./page.js";
import { secure, worker } from "./shell.js";
import { sound } from "./sounds.js";
import { keep, manner, MEASURING, onScan } from "./wedge.js";
import { _ } from "./words.js";

const CLOCK_MS_MAX = 60000, GAP_MS_MAX = 60, SCANS = 5, BETWEEN_MS = 900;
const SHAPES = { good: "✓", warn: "▲", bad: "✕", quiet: "○" };
const results = new Map();

function tell(id, level, word, words = "") {
  const row = byId(`test-${id}`), chip = row.querySelector(".chip");
  chip.dataset.level = level;
  chip.querySelector(".shape").textContent = SHAPES[level];
  chip.querySelector(".word").textContent = word;
  if (words) row.querySelector("p").textContent = words;
  results.set(id, level);
}

async function storage() {
  const kept = await navigator.storage?.persist?.().catch(() => false);
  if (kept) tell("storage", "good", _("kept for good"));
  else if (secure) tell("storage", "warn", _("kept for now"), _("Add this page to the home screen: then the browser promises to keep what waits."));
  else tell("storage", "warn", _("kept for now"), _("The promise needs the secure connection."));
}

async function clock() {
  const before = Date.now();
  const answer = await fetch("/setup", { method: "HEAD", cache: "no-store" }).catch(() => null);
  const node = Date.parse(answer?.headers.get("Date") || "");
  if (Number.isNaN(node)) { tell("clock", "warn", _("unknown")); return; }
  const off = Math.max(0, Math.abs((before + Date.now()) / 2 - node) - 1000);
  if (off > CLOCK_MS_MAX) tell("clock", "bad", _("%(seconds)s s off", { seconds: Math.round(off / 1000) }),
    _("Let the tablet set its clock by the network: a wrong one also breaks the secure connection."));
  else tell("clock", "good", _("right"));
}

const keptWords = () => _("Kept on this tablet: keys up to %(gap)s ms apart are a scan.", { gap: manner().gap });

function measured(scans) {
  const widest = Math.max(...scans.map((scan) => scan.widest)), silence = scans.every((scan) => scan.silent);
  const word = _("at most %(gap)s ms between keys", { gap: Math.ceil(widest) });
  if (new Set(scans.map((scan) => scan.text)).size > 1) {
    tell("wedge", "bad", _("not the same each time"), _("Scan one and the same code five times. If you did, it arrives in pieces: lower the scanner's delay between characters."));
    return;
  }
  keep(widest, silence);
  if (!silence && scans.some((scan) => scan.silent)) tell("wedge", "bad", _("sometimes no Enter"), _("Set the scanner to end each code with Enter: some came without."));
  else if (widest > GAP_MS_MAX) tell("wedge", "warn", word, _("It types slowly: lower its delay between characters, or its scans may be taken for typing."));
  else if (silence) tell("wedge", "warn", word, _("No key ends its codes: this tablet waits for the silence after each. Better set the scanner to end with Enter."));
  else tell("wedge", "good", word, keptWords());
}

const countries = new Intl.DisplayNames([document.documentElement.lang], { type: "region" });
const garbled = JSON.parse(byId("layouts").textContent);
const swapped = (text) => [...text].map((each) => (each === each.toUpperCase() ? each.toLowerCase() : each.toUpperCase())).join("");
// What became of the code of the layout test, {pairs: [[scanner, tablet], …], caps}; null for any other code.
function keyboards(text) {
  const known = (written) => Object.keys(garbled).find((each) => written.endsWith(each));
  if (known(text)) return { pairs: garbled[known(text)], caps: false };
  return known(swapped(text)) ? { pairs: garbled[known(swapped(text))], caps: true } : null;
}

function toldLayout({ pairs, caps }) {
  const names = (place) => [...new Set(pairs.map((pair) => countries.of(pair[place].toUpperCase())))].join(", ");
  if (caps) tell("layout", "bad", _("capitals exchanged"), _("Switch Caps Lock off, on the tablet and on the scanner."));
  else if (!pairs.length) tell("layout", "good", _("as it stands in the code"), _("Scanner and tablet agree on the keyboard."));
  else tell("layout", "bad", _("garbled"), _("The scanner types as on a keyboard of %(scanner)s, and the tablet reads it as one of %(tablet)s. Set the scanner to the tablet's country, or the tablet's physical keyboard to the scanner's.", { scanner: names(0), tablet: names(1) }));
}

let scans = [];
onScan((text, { widest, silent }) => {
  sound("good");
  const found = keyboards(text);
  if (found) toldLayout(found);
  scans = scans.length < SCANS ? [...scans, { text, widest, silent }] : [{ text, widest, silent }];
  if (scans.length < SCANS) tell("wedge", "quiet", _("%(number)s of %(total)s", { number: scans.length, total: SCANS }));
  else measured(scans);
}, () => false, MEASURING);
if (localStorage.getItem("scanner")) byId("test-wedge").querySelector("p").textContent = keptWords();

// As they sound at work: taken, ask, refused. Whether that is loud enough where it is used, only a person can say.
byId("play").addEventListener("click", () => {
  ["good", "warn", "bad"].forEach((level, number) => setTimeout(() => sound(level), number * BETWEEN_MS));
  byId("heard").hidden = false;
  tell("sound", "quiet", _("played"), navigator.vibrate ? _("Three tones, each with its vibration: taken, a question, refused.")
    : _("Three tones: taken, a question, refused. This tablet does not vibrate."));
});
byId("heard").addEventListener("click", ({ target: { dataset: { heard } } }) => {
  if (heard) byId("heard").hidden = true;
  if (heard === "yes") tell("sound", "good", _("loud enough"));
  if (heard === "no") tell("sound", "bad", _("not heard"), _("Turn up the volume of media, switch off “Do not disturb”, and play it again where it is loud."));
});

async function all() {
  if (isSecureContext) tell("secure", "good", _("secure"));
  else tell("secure", "bad", _("not secure"), _("Install the site's certificate below, then open this page by its secure address."));
  if (await worker) tell("worker", "good", _("ready"));
  else tell("worker", secure ? "bad" : "warn", _("off"),
    secure ? _("The certificate is not trusted yet: install it below.") : _("It needs the secure connection."));
  await storage();
  await clock();
  if (navigator.wakeLock) tell("awake", "good", _("ready"));
  else tell("awake", "warn", _("off"), _("Set the tablet's own time until the screen goes dark to its longest."));
  const levels = [...results.values()];
  if (levels.includes("bad")) say("bad", _("Something is missing: see below"), { aloud: false });
  else if (levels.includes("warn")) say("warn", _("It works, with the limits below"), { aloud: false });
  else say("good", _("This tablet is ready"), { aloud: false });
}

// Opened by the code on another tablet: is this the node that was meant?
const meant = new URLSearchParams(location.hash.slice(1));
if (meant.get("ca")) {
  const same = meant.get("ca") === byId("fingerprint")?.textContent.replaceAll(" ", "");
  if (same) tell("meant", "good", _("the same"), _("Site and fingerprint are those of the code that was scanned."));
  else tell("meant", "bad", _("another node"), _("The code that was scanned belongs to %(site)s with another certificate: install nothing here.", { site: meant.get("site") || "?" }));
  byId("test-meant").hidden = false;
}
all();
