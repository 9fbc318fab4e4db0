// The tablet tests itself: each line says what holds, and what to do where it does not.

import { byId, say } from "./page.js";
import { secure, worker } from "./shell.js";
import { sound } from "./sounds.js";
import { onScan } from "./wedge.js";
import { _ } from "./words.js";

const CLOCK_MS_MAX = 60000, GAP_MS_MAX = 50, SCANS = 5;
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

let last = 0, length = 0, gap = 0, widest = 0, scans = 0;
addEventListener("keydown", (event) => {
  if (event.timeStamp - last > 500) { gap = 0; length = 0; }
  else gap = Math.max(gap, event.timeStamp - last);
  last = event.timeStamp;
  length += 1;
}, true);
onScan(() => {
  scans += 1;
  widest = Math.max(widest, gap);
  sound("good");
  if (scans < SCANS) tell("wedge", "quiet", _("%(number)s of %(total)s", { number: scans, total: SCANS }));
  else if (widest <= GAP_MS_MAX) tell("wedge", "good", _("at most %(gap)s ms between keys", { gap: Math.ceil(widest) }));
  else tell("wedge", "warn", _("%(gap)s ms between keys", { gap: Math.ceil(widest) }),
    _("It types slowly: lower its delay between characters, or its scans may be taken for typing."));
});

byId("play").addEventListener("click", () => {
  sound("good");
  tell("sound", "good", _("played"), _("If nothing was heard, turn the volume up and play it again."));
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
all();
