// The console: log in and out, light or dark, entries on a discrepancy, signatures for small sites. Pages themselves come ready from the hub.

import { post } from "./api.js";
import "./times.js";
import { unsent } from "./unsent.js";

const byId = (id) => document.getElementById(id);

byId("theme").addEventListener("click", () => {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "light" ? "dark" : "light";
  localStorage.setItem("theme", root.dataset.theme);
});

byId("logout")?.addEventListener("click", async () => {
  await post("auth/logout", {}).catch(() => {});
  location.assign("/login");
});

byId("console-login")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = byId("answer"), button = event.target.querySelector("button");
  button.disabled = true;
  try {
    await post("auth/login", { login: byId("name").value.trim(), password: byId("password").value });
    location.assign("/");
  } catch (error) {
    answer.dataset.level = "bad";
    answer.querySelector(".shape").textContent = "✕";
    answer.querySelector(".word").textContent = error.message;
    button.disabled = false;
    byId("password").select();
  }
});

// What somebody writes stands there again when they have looked at the rest of what is known.
const entry = byId("entry") && unsent(byId("entry").dataset.login);
entry?.said.then((said) => { byId("text").value ||= said ?? ""; });
byId("text")?.addEventListener("input", () => entry.keep(byId("text").value));

async function enter(number, verb, text) {
  const buttons = byId("entry").querySelectorAll("button");
  for (const each of buttons) each.disabled = true;
  try {
    await post(`discrepancies/${number}/${verb}`, verb === "diverted" ? { text, site: byId("site").value } : { text });
    if (verb !== "owner") await entry.drop();
    location.reload();
  } catch (error) {
    byId("entry-answer").textContent = error.message;
    for (const each of buttons) each.disabled = false;
  }
}

byId("entry")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("text").value.trim();
  if (text) enter(event.target.dataset.number, event.submitter.value, text);
  else { byId("entry-answer").textContent = "Say it in words first."; byId("text").focus(); }
});
byId("take")?.addEventListener("click", () => enter(byId("entry").dataset.number, "owner", byId("take").dataset.login));

// A transfer with which nothing is wrong yet is ended by a request, on whose page the verdicts are.
for (const button of document.querySelectorAll("[data-ask]")) button.addEventListener("click", async () => {
  button.disabled = true;
  const { id } = await post(`transfers/${button.dataset.ask}/ask`, { text: "somebody at the hub wants it ended" });
  location.assign(`/discrepancies/${id}`);
});

byId("approval")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { op, origin } = event.target.dataset, verdict = event.submitter.value;
  const reason = byId(verdict === "approved" ? "reason" : "reason-rejected")?.value ?? "";
  const buttons = event.target.querySelectorAll("button"), answer = byId("approval-answer");
  if (!byId("password").value) { answer.textContent = "Enter your password: it signs what you decide."; byId("password").focus(); return; }
  for (const each of buttons) each.disabled = true;
  try {
    await post(`approvals/${op}/${verdict}`, { password: byId("password").value, reason, origin });
    location.reload();
  } catch (error) {
    answer.textContent = error.message;
    for (const each of buttons) each.disabled = false;
    byId("password").select();
  }
});
