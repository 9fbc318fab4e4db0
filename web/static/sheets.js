// Count sheets: issue them, try what comes back, take it, or say that a sheet will not come.

import { act, newOpId, post } from "./api.js";
import { attempt, byId, say } from "./page.js";
import { siteMs, siteWall } from "./times.js";
import { _, n_ } from "./words.js";

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

async function send() {
  if (wish) {
    const answer = await act("counts/sheets/return", wish);
    if (answer.ask) { byId("tried").textContent = answer.ask; wish = { ...wish, confirm: true }; byId("back-yes").textContent = _("Yes, take it"); return; }
    location.reload();
    return;
  }
  const [file] = byId("file").files, at = siteMs(byId("counted-at").value);
  if (!file) throw new Error(_("Choose the file first"));
  if (Number.isNaN(at)) throw new Error(_("Say when it was counted"));
  const tried = { sheet, csv: await file.text(), counter: byId("counter").value, counted_ms: at };
  const found = await post("counts/sheets/return", { op_id: newOpId(), ...tried, dry_run: true });
  if (found.problems.length) {
    const more = found.problems.length > 5 ? ` ${n_("And %(num)s more.", "And %(num)s more.", found.problems.length - 5)}` : "";
    throw new Error(`${found.problems.slice(0, 5).join(". ")}.${more}`);
  }
  const lines = found.bins.reduce((sum, each) => sum + each.lines, 0);
  const left = found.left.length ? ` ${_("Not on it: %(bins)s.", { bins: found.left.join(", ") })}` : "";
  const counted = `${n_("%(num)s bin", "%(num)s bins", found.bins.length)}, ${n_("%(num)s line", "%(num)s lines", lines)}.${left}`;
  byId("tried").textContent = [counted, ...found.asked.slice(0, 5)].join(" ▲ ");
  byId("back-yes").textContent = found.asked.length ? _("Yes, take it") : _("Take it");
  wish = found.asked.length ? { ...tried, confirm: true } : tried;
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
