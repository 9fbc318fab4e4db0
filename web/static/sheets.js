// Count sheets: issue them, try what comes back, take it, or say that a sheet will not come.

import { act } from "./api.js";
import { attempt, byId, say } from "./page.js";
import { inOne, take, trial } from "./sheet_trial.js";
import { siteMs, siteWall } from "./times.js";
import { _ } from "./words.js";

const session = byId("session")?.dataset.session;
let sheet = 0, wish = null;

byId("issue")?.addEventListener("click", () => attempt(async () => {
  const { sheet: number } = await act("counts/sheets", { session, blind: !byId("told").checked });
  location.assign(`/review/sheets/${number}`);
}));

for (const each of document.querySelectorAll("[data-return]")) {
  each.addEventListener("click", () => {
    sheet = Number(each.dataset.return);
    again("");
    byId("back-title").textContent = _("Sheet %(number)s is back", { number: sheet });
    byId("counted-at").value = siteWall(Date.now());
    byId("back").showModal();
  });
}

function again(words) {
  wish = null;
  byId("tried").textContent = words;
  byId("back-refusal").textContent = "";
  byId("back-yes").textContent = _("Try it");
}
byId("back-form").addEventListener("input", () => again(""));
byId("back-form").addEventListener("submit", (event) => {
  event.preventDefault();
  send().catch((error) => { byId("back-refusal").textContent = error.message; });
});

function offer({ words, yes, wish: found }) {
  wish = found;
  byId("tried").textContent = words;
  byId("back-yes").textContent = yes;
}

async function send() {
  if (wish) {
    const asked = await take(wish);
    if (asked) offer(asked);
    else location.reload();
    return;
  }
  const [file] = byId("file").files, at = siteMs(byId("counted-at").value);
  if (!file) throw new Error(_("Choose the file first"));
  if (Number.isNaN(at)) throw new Error(_("Say when it was counted"));
  const found = await trial({ sheet, csv: await file.text(), counter: byId("counter").value, counted_ms: at });
  if (found.problems.length) throw new Error(inOne(found.problems));
  offer(found);
}

for (const each of document.querySelectorAll("[data-lost]")) {
  each.addEventListener("click", () => {
    sheet = Number(each.dataset.lost);
    byId("lost-title").textContent = _("Sheet %(number)s does not come back", { number: sheet });
    byId("lost").showModal();
  });
}
for (const state of ["void", "missing"]) {
  byId(state).addEventListener("click", () => attempt(async () => {
    byId("lost").close();
    await act("counts/sheets/settle", { sheet, state, reason: byId("lost-reason").value });
    say("good", state === "void" ? _("Sheet %(number)s is void", { number: sheet }) : _("Sheet %(number)s is missing", { number: sheet }));
    location.reload();
  }));
}
