// The console: log in and out, light or dark, entries on a discrepancy. Pages themselves come ready from the hub.

import { post } from "./api.js";

const byId = (id) => document.getElementById(id);

byId("theme")?.addEventListener("click", () => {
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
  const answer = byId("answer");
  try {
    await post("auth/login", { login: byId("name").value.trim(), password: byId("password").value });
    location.assign("/");
  } catch (error) {
    answer.dataset.level = "bad";
    answer.querySelector(".shape").textContent = "✕";
    answer.querySelector(".word").textContent = error.message;
  }
});

byId("entry")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = byId("text").value.trim();
  try {
    await post(`discrepancies/${event.target.dataset.number}/${event.submitter.value}`, { text });
    location.reload();
  } catch (error) {
    byId("answer").textContent = error.message;
  }
});
