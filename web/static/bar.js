// The bar: how the links are, light or dark, log out. Owns the page's one event stream.

import { post } from "./api.js";

const DEAD_MS = 12000; // over two heartbeats
const HUB_WARN_MS = 86400000, HUB_BAD_MS = 3 * 86400000;

export const stream = new EventTarget();
let heard = performance.now();

function set(id, level, word) {
  const chip = document.getElementById(id);
  if (!chip) return;
  chip.dataset.level = level;
  chip.querySelector(".word").textContent = word;
}

function age(ms) {
  const minutes = Math.round(ms / 60000);
  if (minutes < 1) return "now";
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 2880) return `${Math.round(minutes / 60)} h`;
  return `${Math.round(minutes / 1440)} days`;
}

function links(state) {
  const hub = state.hub_ms === null || state.hub_ms === undefined ? null : Date.now() - state.hub_ms;
  if (hub === null) set("chip-hub", "warn", "Hub never");
  else set("chip-hub", hub > HUB_BAD_MS ? "bad" : hub > HUB_WARN_MS ? "warn" : "good", `Hub ${age(hub)}`);
  const scanners = state.scanners || [];
  const ready = scanners.filter((device) => device.state === "ready").length;
  set("chip-scanner", ready || !scanners.length ? "good" : "warn",
    scanners.length ? `Scanner ${ready} of ${scanners.length}` : "No scanner");
}

function listen() {
  const source = new EventSource("/events");
  source.addEventListener("state", (event) => {
    heard = performance.now();
    const state = JSON.parse(event.data);
    set("chip-node", "good", "Node");
    links(state.links);
    stream.dispatchEvent(new CustomEvent("state", { detail: state }));
  });
  source.addEventListener("heartbeat", () => { heard = performance.now(); set("chip-node", "good", "Node"); });
}

if (document.getElementById("logout")) {
  listen();
  setInterval(() => {
    if (performance.now() - heard > DEAD_MS) set("chip-node", "bad", "No answer");
  }, 1000);
  document.getElementById("logout").addEventListener("click", async () => {
    await post("auth/logout", {}).catch(() => {});
    location.assign("/login");
  });
}

document.getElementById("theme")?.addEventListener("click", () => {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "light" ? "dark" : "light";
  localStorage.setItem("theme", root.dataset.theme);
});
