// The people of the site: an administrator resets an authenticator that was lost, a supervisor lets in who guessed too often.

import { act } from "./api.js";
import { byId } from "./page.js";
import { _ } from "./words.js";

// `name`: of the dialog, and of the buttons that open it; `path`: what is done about the person of the row.
function dialog(name, path, title) {
  let actor = "";
  for (const each of document.querySelectorAll(`[data-${name}]`)) {
    each.addEventListener("click", () => {
      const row = each.closest("[data-actor]");
      actor = row.dataset.actor;
      byId(`${name}-title`).textContent = title(row.querySelector("[data-name]").textContent);
      byId(`${name}-refusal`).textContent = "";
      byId(name).showModal();
    });
  }
  const yes = byId(`${name}-yes`);
  yes.addEventListener("click", async () => {
    yes.disabled = true;
    try {
      await act(`users/${actor}/${path}`, {});
      location.reload();
    } catch (error) {
      byId(`${name}-refusal`).textContent = error.message;
    }
    yes.disabled = false;
  });
}

dialog("reset", "reset-second-factor", (name) => _("Reset the authenticator of %(name)s?", { name }));
dialog("unlock", "unlock", (name) => _("Unlock %(name)s?", { name }));
