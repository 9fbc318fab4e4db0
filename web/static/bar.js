// The bar: how the links are, what waits to be sent, light or dark, log out. Owns the page's one event stream.

import { ended } from "./back.js";
import { Codes } from "./codes.js";
import { belongTo, kick, outbox, person, sign } from "./outbox.js";
import { byId, openDialog, say } from "./page.js";
import { lost, reach } from "./reach.js";
import { finishLogOut, logOut, pagesSpeak, whoIsHere } from "./shell.js";
import { tellOfItself } from "./telling.js";
import { ageWords } from "./times.js";
import { post } from "./wire.js";
import "./waiting.js";
import { onNoScan } from "./wedge.js";
import { _, n_ } from "./words.js";

const DEAD_MS = 12000; // over two heartbeats
const AGAIN_MS = 2000;
const AGED_MS = 60000; // an age of seconds says no more than that it is away
const HUB_WARN_MS = 86400000, HUB_BAD_MS = 3 * 86400000;
const LOUD = { warning: "warn", urgent: "bad" };

const PIN = /^[0-9]{1,11}$/; // as a quick hand types it; 12 digits and more are a barcode

export const stream = new EventTarget();
const clock = { node: 0, at: 0 };
const { tiles = "" } = byId("bar")?.dataset || {};
let codes = null;
let take = null; // what this page does with a code of the node's own scanners
const early = []; // those that came before it said so
let heard = performance.now(), listening = 0, source = null, state = null, unsent = 0;

// `taker(text, taken)`: calls `taken` as soon as something has come of it.
export function takeCodes(taker) {
  take = taker;
  for (const code of early.splice(0)) take(...code);
}

function set(id, level, word) {
  const chip = document.getElementById(id);
  chip.dataset.level = level;
  chip.querySelector(".word").textContent = word;
}

function hub() {
  const answered = state.links.hub_ms;
  if (answered === null || answered === undefined) { set("chip-hub", "warn", _("Hub never")); return; }
  const age = clock.node + performance.now() - clock.at - answered;
  const word = age < AGED_MS ? _("Hub now") : _("Hub %(age)s ago", { age: ageWords(age) });
  set("chip-hub", age > HUB_BAD_MS ? "bad" : age > HUB_WARN_MS ? "warn" : "good", word);
}

function scanner() {
  const all = (state.links.scanners || []).filter((device) => device.kind === "scanner"), mine = state.scanners_mine || [];
  const own = all.filter((device) => mine.includes(device.name));
  if (!all.length) set("chip-scanner", "quiet", _("No scanner"));
  else if (!own.length) set("chip-scanner", "quiet", _("Scanner not yours"));
  else if (own.every((device) => device.state === "ready")) set("chip-scanner", "good", _("Scanner ready"));
  else set("chip-scanner", "bad", _("Scanner away"));
}

// An age only once it has said something here: after a reload without it nobody knows when that was.
function away() {
  const age = performance.now() - heard;
  set("chip-node", "bad", state && age >= AGED_MS ? _("Node %(age)s ago", { age: ageWords(age) }) : _("Node out of reach"));
}

function show() {
  if (reach.ok === false) { away(); return; }
  const loud = (state.links.findings || []).filter((finding) => LOUD[finding.severity]);
  const worst = loud.filter((finding) => !finding.seen).map((finding) => LOUD[finding.severity]).sort()[0];
  if (worst) set("chip-node", worst, _("Node needs help"));
  else if (loud.length) set("chip-node", "quiet", _("Alerts seen"));
  else set("chip-node", "good", _("Node ok"));
  hub();
  scanner();
}

function quiet() {
  if (performance.now() - heard > DEAD_MS) {
    lost();
    // A line that broke without a word never says so: try another one.
    if (performance.now() - listening > DEAD_MS) listen();
    if (reach.ok === false) away();
  } else if (state) {
    hub();
  }
}

function listen() {
  source?.close();
  listening = performance.now();
  codes ??= new Codes(byId("bar").dataset.codes, person()?.actor);
  source = new EventSource(`/events?${new URLSearchParams({ ...codes.wish(), ...(tiles && { tiles }) })}`);
  source.addEventListener("open", () => { sign(); kick(); });
  source.addEventListener("state", (event) => {
    heard = performance.now();
    codes.at(event.lastEventId);
    sign();
    state = JSON.parse(event.data);
    Object.assign(clock, { node: state.now_ms, at: performance.now() });
    show();
    stream.dispatchEvent(new CustomEvent("state", { detail: state }));
  });
  source.addEventListener("code", (event) => {
    const code = [JSON.parse(event.data).text, codes.came(event.lastEventId)];
    if (take) take(...code);
    else early.push(code);
  });
  source.addEventListener("heartbeat", () => { heard = performance.now(); codes.tell(); sign(); if (state) show(); });
  source.addEventListener("ended", ended);
  const mine = source;
  source.addEventListener("error", () => {
    // The browser comes back by itself after a cut line, but never after an answer that refuses it.
    if (mine !== source) return;
    lost();
    if (source.readyState === EventSource.CLOSED) setTimeout(again, AGAIN_MS);
  });
}

async function again() {
  const answer = await fetch("/api/v1/users/me").catch(() => null);
  if (answer?.status === 401) ended();
  else listen();
}

async function leave() {
  await logOut();
  location.assign("/login");
}

async function start() {
  const left = await finishLogOut();
  const atLogin = location.pathname === "/login";
  if (left === "done" || (left && !atLogin)) { location.replace("/login"); return; }
  const me = left ? null : await whoIsHere(byId("bar"));
  if (byId("who")) byId("who").textContent = me ? me.name : "";
  belongTo(me);
  if (byId("logout") && !atLogin) {
    listen();
    tellOfItself();
    setInterval(quiet, 1000);
    addEventListener("pagehide", () => source.close());
  }
}

outbox.addEventListener("change", (event) => { unsent = event.detail.mine; });
reach.addEventListener("change", () => { if (state || !reach.ok) show(); });
outbox.addEventListener("held", ended);
byId("leaving-yes").addEventListener("click", leave);
byId("logout")?.addEventListener("click", () => {
  if (!unsent) { leave(); return; }
  byId("leaving-words").textContent = n_("%(num)s act is still on this tablet. It stays here and is sent when you log in again.",
    "%(num)s acts are still on this tablet. They stay here and are sent when you log in again.", unsent);
  byId("leaving").showModal();
});
start();

// A field takes what is scanned into it, as the number on a paper that is looked for; the keys of a PIN are no scan.
onNoScan(() => say("warn", _("Nothing to scan here")), (text, field) => field?.matches("input, textarea") || (openDialog()?.querySelector(".keypad") && PIN.test(text)));

// The tablet's language, which its person has on other tablets too; without the node it is told at their next log-in.
byId("language").addEventListener("change", async ({ target }) => {
  document.cookie = `${target.dataset.cookie}=${target.value}; path=/; max-age=34560000; samesite=strict`;
  await pagesSpeak(target.value);
  if (byId("bar").dataset.actor) await post("users/me/language", { language: target.value }).catch(() => {});
  location.reload();
});

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "light" ? "dark" : "light";
  localStorage.setItem("theme", root.dataset.theme);
});
