// Open a count: a name, and its bins by a rule that is tried as it is typed, or chosen one by one.

import { base, typed } from "./amounts.js";
import { act, post } from "./api.js";
import { given } from "./give.js";
import { answers, attempt, byId, say } from "./page.js";
import { Refused } from "./wire.js";
import { _, n_ } from "./words.js";

const WAIT_MS = 300, READ_MS = 4000, SHOWN = 6;
const boxes = [...document.querySelectorAll("input[name=bin]")];
const chosen = () => boxes.filter((box) => box.checked).map((box) => box.value);
const byRule = () => byId("how").value === "rule";
const words = (text) => text.split(/[\s,;]+/).filter(Boolean);
const more = byId("more"), criteria = byId("criteria");
const LISTS = ["areas", "items", "abc"], OF_STOCK = ["items", "abc", "expiring_before"];
const OFTEN = "areas"; // a bin lies in one of several zones; everything else is said once

const valueOf = (criterion) => criterion.querySelector("input, select")?.value.trim();
const has = (kind) => Boolean(criteria.querySelector(`[data-kind=${kind}]`));

// The rule as the node reads it, or words about what is missing. What cannot hold together, the node says.
function rule() {
  const plan = {}, number = Number(typed(byId("number")));
  for (const each of criteria.children) {
    const { kind, title } = each.dataset, value = valueOf(each);
    const said = LISTS.includes(kind) ? words(value) : [value];
    if (value === "" || !said.length) return _("%(what)s: say which", { what: title });
    plan[kind] = LISTS.includes(kind) ? [...(plan[kind] || []), ...said] : value ?? true;
  }
  if (byId("whole").value === "no" && !byId("whole-part").hidden) plan.whole = false;
  if (byId("many").value) {
    if (!Number.isInteger(number) || number < 1) return _("Say how many");
    if (!Number.isSafeInteger(number)) return _("Too many for one count: take fewer");
    plan[byId("many").value] = number;
  }
  return plan;
}

function showRule() {
  byId("every").hidden = criteria.childElementCount > 0;
  byId("both").hidden = criteria.childElementCount < 2;
  for (const each of criteria.children) {
    const name = [each.dataset.title, valueOf(each)].filter(Boolean).join(" ");
    each.querySelector("[data-remove]").setAttribute("aria-label", _("Remove %(name)s", { name }));
  }
  for (const each of more.options) each.disabled = each.hidden = each.value !== OFTEN && has(each.value);
  if (!more.selectedOptions[0] || more.selectedOptions[0].disabled) more.value = [...more.options].find((each) => !each.disabled)?.value ?? "";
  byId("add").disabled = !more.value;
  byId("whole-part").hidden = !OF_STOCK.some(has);
  byId("number-part").hidden = !byId("many").value;
  byId("by-rule").hidden = !byRule();
  byId("by-hand").hidden = byRule();
}

function changed() {
  showRule();
  count();
  if (byRule()) preview();
}

byId("add").addEventListener("click", () => {
  criteria.append(byId(`fits-${more.value}`).content.cloneNode(true));
  changed();
  criteria.lastElementChild.querySelector("input, select")?.focus();
});
criteria.addEventListener("click", ({ target }) => {
  if (!target.closest("[data-remove]")) return;
  target.closest("li").remove();
  changed();
  more.focus();
});

function count() {
  const number = chosen().length;
  if (!byRule()) tell("quiet", _("Choose the bins; counters see them at once"));
  byId("chosen").textContent = byRule() ? "" : number ? n_("%(num)s bin chosen", "%(num)s bins chosen", number) : _("No bin chosen");
}

const tell = (level, text, figure = "") => say(level, text, { figure, aloud: false });
let asked = 0, timer = 0;
function preview() {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    const mine = ++asked, plan = rule();
    if (typeof plan === "string") { tell("quiet", plan); return; }
    let answer = null, trouble = "";
    const before = answers();
    try { answer = await post("counts/preview", plan); } catch (error) { trouble = error.message; }
    if (mine !== asked) return;
    // Somebody was answered meanwhile, as after a scan on this page: that stays to be read for a while.
    if (answers() !== before) { timer = setTimeout(preview, READ_MS); return; }
    if (!answer) { tell("warn", trouble); return; }
    const drawn = !answer.drawn_from ? "" : n_("Drawn from %(num)s bin when you open it", "Drawn from %(num)s bins when you open it", answer.drawn_from);
    const names = drawn || answer.bins.slice(0, SHOWN).map((each) => each.bin).join("  ");
    const more = !drawn && answer.total > SHOWN ? " …" : "";
    const busy = !answer.busy.length ? "" : (answer.total ? " · " : "")
      + n_("%(num)s bin that fits is in another count", "%(num)s bins that fit are in another count", answer.busy.length);
    if (answer.too_many) tell("warn", _("Too many for one count: take fewer"), answer.total);
    else tell(answer.total ? "good" : "warn", (names ? names + more : _("No bin fits now")) + busy, answer.total);
    count();
  }, WAIT_MS);
}

byId("all").addEventListener("click", () => { for (const box of boxes) box.checked = true; count(); });
byId("show").addEventListener("click", () => location.assign(`/review/new?from=${encodeURIComponent(byId("from").value.trim())}`));
byId("plan").addEventListener("input", changed);
byId("plan").addEventListener("submit", (event) => { event.preventDefault(); open(false); });
byId("draft").addEventListener("click", () => open(true));

function open(draft) {
  const buttons = [byId("open"), byId("draft")];
  let asked;
  try { asked = { ...wish(), draft }; } catch (error) { say("warn", error.message); return; }
  for (const each of buttons) each.disabled = true;
  attempt(async () => {
    const opened = await act("counts", asked);
    location.assign(`/review/${opened.session}`);
  }).finally(() => { for (const each of buttons) each.disabled = false; });
}

// What is asked for; what is missing is said and refused.
function wish() {
  const name = byId("plan-name").value.trim(), plan = rule(), only = words(byId("only").value);
  if (!name) { byId("plan-name").focus(); throw new Refused(_("Give the count a name")); }
  if (byRule() && typeof plan === "string") throw new Refused(plan);
  if (!byRule() && !chosen().length) throw new Refused(_("Choose at least one bin"));
  const bins = chosen().map((bin) => (only.length ? { bin, items: only } : bin)), limits = changedLimits();
  return { name, ...(byRule() ? { plan } : { bins }), rule: limits, freeze: byId("freeze").checked, ...given() };
}

// What was changed of the limits: the rest stays as the site has it.
function changedLimits() {
  const said = {};
  for (const field of document.querySelectorAll("[data-limit]")) {
    const text = typed(field);
    if (field.value.trim() === field.defaultValue) continue;
    if (text && !/^[0-9]+([.][0-9]+)?$/.test(text)) { field.focus(); throw new Refused(_("This limit is no number")); }
    said[field.dataset.limit] = text ? base(text, Number(field.dataset.decimals)) : null;
  }
  return said;
}
changed();
