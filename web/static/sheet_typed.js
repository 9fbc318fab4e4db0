// A count sheet typed in from its paper, line by line in the order of the sheet: the same wish as its file makes.

import { lookUp } from "./goods.js";
import { attempt, byId, element, say } from "./page.js";
import { take, trial } from "./sheet_trial.js";
import { siteMs, siteWall } from "./times.js";
import { unsent } from "./unsent.js";
import { TYPED } from "./wedge.js";
import { _ } from "./words.js";

const FIELDS = ["sheet", "bin", "item", "lot", "serial", "status", "expiry", "quantity", "pieces"];
const QUOTE = "\u0022"; // around every cell, and twice for one inside (RFC 4180)
const FIRST_ROW = 2; // as a spreadsheet numbers the file: its heading is the first
const form = byId("typed"), kept = unsent(byId("bar").dataset.actor, "sheet");
let wish = null;

if (!form) kept.drop(); // nothing is to be said of this sheet any more
if (form) {
  const { sheet, lines: linesMax } = form.dataset;
  const bins = [...form.querySelectorAll("[data-bin]")];
  const linesOf = (bin) => [...bin.querySelectorAll(".typed")];
  const field = (line, name) => line.querySelector(`[name=${name}]`);
  const said = (line) => Object.fromEntries([...line.querySelectorAll("input, select")].map(({ name, value }) => [name, value.trim()]));
  const isBlank = (line) => Object.values(said(line)).every((value) => !value);
  const emptyOf = (bin) => bin.querySelector("[name=empty]");

  // One line more in a bin; `values`: what was typed in it before.
  function add(bin, values = {}) {
    const line = byId("line").content.cloneNode(true).firstElementChild;
    for (const [name, value] of Object.entries(values)) field(line, name).value = value;
    bin.querySelector(".lines").append(line);
    attempt(() => about(line));
  }

  // What has to be said of this item, and what it is called. What the node does not know, it refuses when it is tried.
  async function about(line) {
    const code = field(line, "item").value.trim(), words = line.querySelector("[role=status]");
    const found = code ? await lookUp(code, TYPED).catch((error) => ({ why: error.message })) : {};
    if (field(line, "item").value.trim() !== code) return;
    const { why = "", item = "", name = "", unit = "" } = found.kind === "item" ? found : { why: found.why ?? (code ? _("This is no item") : "") };
    if (item) {
      field(line, "item").value = item; // a barcode may stand there
      for (const part of ["lot", "serial", "expiry"]) if (found[part] && !field(line, part).value) field(line, part).value = found[part];
    }
    for (const each of line.querySelectorAll("[data-needs]")) each.hidden = !found[each.dataset.needs] && !each.querySelector("input").value;
    words.textContent = item ? [name, unit].filter(Boolean).join(" · ") : why;
    changed();
  }

  // Every bin has a blank line at its end; the number of a line is its row in the file.
  function changed() {
    for (const bin of bins) {
      const lines = linesOf(bin), empty = emptyOf(bin).checked;
      if (lines.length < Number(linesMax) && (!lines.length || !isBlank(lines.at(-1)))) add(bin);
      bin.querySelector(".lines").hidden = empty;
    }
    let row = FIRST_ROW;
    for (const bin of bins) {
      if (emptyOf(bin).checked) { row += 1; continue; }
      for (const line of linesOf(bin)) {
        const spare = isBlank(line), number = spare ? "" : row++;
        line.querySelector(".code").textContent = number;
        line.setAttribute("aria-label", spare ? _("A new row") : _("Row %(number)s", { number }));
      }
    }
  }

  const cell = (text) => QUOTE + text.replaceAll(QUOTE, QUOTE + QUOTE) + QUOTE;
  function csv() {
    const rows = bins.flatMap((bin) => {
      const start = { sheet, bin: bin.dataset.bin };
      if (emptyOf(bin).checked) return [{ ...start, quantity: "0" }];
      return linesOf(bin).filter((line) => !isBlank(line)).map((line) => ({ ...start, ...said(line), quantity: said(line).quantity.replace(",", ".") }));
    });
    return [FIELDS, ...rows.map((row) => FIELDS.map((name) => cell(row[name] ?? "")))].map((cells) => cells.join(",")).join("\r\n");
  }

  function keep() {
    kept.keep({
      counter: byId("counter").value, at: byId("counted-at").value,
      bins: bins.map((bin) => ({ empty: emptyOf(bin).checked, lines: linesOf(bin).filter((line) => !isBlank(line)).map(said) })),
    });
  }

  // Something else is said: what was tried before says nothing of it.
  function again() {
    wish = null;
    byId("yes").textContent = _("Try it");
    byId("wrong").hidden = true;
    byId("summary").textContent = "";
  }

  form.addEventListener("input", () => { again(); changed(); keep(); });
  form.addEventListener("change", ({ target }) => {
    if (target.name === "item") attempt(() => about(target.closest(".typed"))).then(keep);
  });

  // Enter goes on as Tab does, within the lines; from a line that stays blank, to the next bin, and last to the button.
  form.addEventListener("keydown", (event) => {
    const { target, key } = event, line = target.closest(".typed");
    if (key !== "Enter" || !line || event.isComposing) return;
    event.preventDefault();
    const stops = [...form.querySelectorAll(".typed input, #yes")].filter((each) => each.checkVisibility());
    const bin = target.closest("[data-bin]"), skip = isBlank(line) ? linesOf(bin).flatMap((each) => [...each.querySelectorAll("input")]) : [];
    stops.slice(stops.indexOf(target) + 1).find((each) => !skip.includes(each))?.focus();
  });

  function offer(found) {
    wish = found.wish;
    say(found.sure ? "warn" : "good", found.words);
    byId("summary").textContent = _("Nothing is recorded yet");
    byId("yes").textContent = found.yes;
  }

  async function send() {
    if (wish) {
      const asked = await take(wish);
      if (asked) { offer(asked); return; }
      await kept.drop();
      location.assign(byId("leave").href);
      return;
    }
    const at = siteMs(byId("counted-at").value);
    if (Number.isNaN(at)) { byId("counted-at").focus(); say("bad", _("Say when it was counted")); return; }
    const { problems, ...found } = await trial({ sheet: Number(sheet), csv: csv(), counter: byId("counter").value, counted_ms: at });
    byId("wrong").hidden = !problems.length;
    byId("problems").replaceChildren(...problems.map((each) => element("li", { textContent: each })));
    if (problems.length) say("bad", _("It cannot be taken so: see below"));
    else offer(found);
  }
  form.addEventListener("submit", (event) => { event.preventDefault(); attempt(send); });

  const before = await kept.said;
  byId("counted-at").value = before?.at || siteWall(Date.now());
  if (before) byId("counter").value = before.counter;
  for (const [at, bin] of bins.entries()) {
    const was = before?.bins[at];
    emptyOf(bin).checked = Boolean(was?.empty);
    for (const line of was?.lines ?? JSON.parse(bin.dataset.items).map((item) => ({ item }))) add(bin, line);
  }
  changed();
  [...form.querySelectorAll(".typed input")].find((each) => !each.value && each.checkVisibility())?.focus();
}
