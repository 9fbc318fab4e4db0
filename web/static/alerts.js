// Alerts of this node: saying that one has seen one, and taking it back.

import { act } from "./api.js";
import { attempt, byId } from "./page.js";

const list = byId("alerts");
let chosen = null;

const keyOf = ({ dataset }) => ({ code: dataset.code, subject: dataset.subject });

list?.addEventListener("click", ({ target }) => {
  chosen = target.closest("[data-code]");
  if ("see" in target.dataset) {
    byId("see-words").textContent = chosen.querySelector("strong").textContent;
    byId("see-note").value = "";
    byId("see-refusal").textContent = "";
    byId("see").showModal();
  } else if ("unsee" in target.dataset) {
    attempt(async () => {
      await act("alerts/unseen", keyOf(chosen));
      location.reload();
    });
  }
});

byId("see-yes").addEventListener("click", async () => {
  byId("see-yes").disabled = true;
  try {
    const note = byId("see-note").value.trim();
    await act("alerts/seen", { ...keyOf(chosen), severity: chosen.dataset.severity, ...(note && { note }) });
    location.reload();
  } catch (error) {
    byId("see-refusal").textContent = error.message;
  }
  byId("see-yes").disabled = false;
});
