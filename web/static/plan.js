// Open a count: a name and the bins that belong to it.

import { act } from "./api.js";
import { attempt, byId, say } from "./page.js";

const boxes = [...document.querySelectorAll("input[name=bin]")];
const chosen = () => boxes.filter((box) => box.checked).map((box) => box.value);

function update() {
  const count = chosen().length;
  byId("chosen").textContent = count === 0 ? "No bin chosen" : count === 1 ? "1 bin chosen" : `${count} bins chosen`;
}

byId("all").addEventListener("click", () => { for (const box of boxes) box.checked = true; update(); });
byId("plan").addEventListener("change", update);
byId("plan").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = byId("plan-name").value.trim(), bins = chosen();
  if (!name) { say("warn", "Give the count a name"); byId("plan-name").focus(); return; }
  if (!bins.length) { say("warn", "Choose at least one bin"); return; }
  byId("open").disabled = true;
  attempt(async () => {
    const opened = await act("counts", { name, bins });
    location.assign(`/review/${opened.session}`);
  }).finally(() => { byId("open").disabled = false; });
});
update();
