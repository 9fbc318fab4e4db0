// The people of the site: an administrator resets an authenticator that was lost.

import { act } from "./api.js";
import { byId } from "./page.js";
import { _ } from "./words.js";

let actor = "";

for (const each of document.querySelectorAll("[data-reset]")) {
  each.addEventListener("click", () => {
    const row = each.closest("[data-actor]");
    actor = row.dataset.actor;
    byId("reset-title").textContent = _("Reset the authenticator of %(name)s?", { name: row.querySelector("[data-name]").textContent });
    byId("reset-refusal").textContent = "";
    byId("reset").showModal();
  });
}

byId("reset-yes").addEventListener("click", async () => {
  byId("reset-yes").disabled = true;
  try {
    await act(`users/${actor}/reset-second-factor`, {});
    location.reload();
  } catch (error) {
    byId("reset-refusal").textContent = error.message;
  }
  byId("reset-yes").disabled = false;
});
