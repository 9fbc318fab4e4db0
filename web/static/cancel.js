// The sender asks the hub to cancel a transfer: the bin is scanned or typed.

import { act, newOpId } from "./api.js";
import { byId } from "./page.js";

const form = byId("cancelling-form"), opId = newOpId();
byId("cancel").addEventListener("click", () => { byId("cancelling").showModal(); byId("cancelling-bin").focus(); });
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const target = byId("cancelling-bin").value.trim().replace(/^BIN:/, "");
  try {
    await act("transfers/cancel", { transfer: form.dataset.transfer, target }, opId);
    location.reload();
  } catch (error) {
    byId("cancelling-refusal").textContent = error.message;
    byId("cancelling-bin").select();
  }
});
