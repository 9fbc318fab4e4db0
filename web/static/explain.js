// Several reasons for one line: each explains a part of the difference, until nothing is left.

import { base, measured, typed, written } from "./amounts.js";
import { byId, element } from "./page.js";
import { _ } from "./words.js";

const ROWS = 4;

// Answers a map of line number to [[code, share], …] that grows as lines are explained. `kept`: see `unsent.js`; what
// was said of a line whose difference is another since then is not taken up.
export function explanations(kept) {
  const dialog = byId("explain");
  if (!dialog) { kept.drop(); return new Map(); }
  const { reasons, left: sizes } = JSON.parse(byId("explain-reasons").textContent);
  const whole = ([number, shares]) => shares.reduce((sum, [, share]) => sum + share, 0) === Math.abs(sizes[number] ?? 0);
  const found = new Map();
  let line = null;

  const rows = () => [...dialog.querySelectorAll(".share")];
  const shares = () => rows().map(shareOf);
  const left = () => line.size - shares().reduce((sum, share) => sum + share, 0);

  // Typed in the item's unit; what is no amount of it explains nothing.
  function shareOf(row) {
    const digits = typed(row.querySelector("input"));
    if (!digits) return 0;
    return /^[0-9]{1,12}(\.[0-9]+)?$/.test(digits) && (digits.split(".")[1] || "").length <= line.decimals ? base(digits, line.decimals) : NaN;
  }

  function show() {
    const rest = left();
    byId("explain-left").textContent = rest === 0 ? _("All of it is explained")
      : Number.isNaN(rest) ? _("So many decimals do not come out in the smallest unit: say it exactly.")
        : rest > 0 ? _("%(rest)s left to explain", { rest: measured(rest, line) }) : _("%(rest)s too much", { rest: measured(-rest, line) });
    byId("explain-yes").disabled = rest !== 0;
  }

  function rowOf(number, code, share) {
    const select = element("select", { id: `share-reason-${number}` },
      ...reasons.filter((each) => each.direction === "both" || (each.direction === "plus") === line.plus)
        .map((each, at) => element("option", { value: each.code, textContent: each.words, selected: code ? each.code === code : at === number })));
    select.setAttribute("aria-label", _("Reason %(number)s", { number: number + 1 }));
    const input = element("input", { inputMode: line.decimals ? "decimal" : "numeric", value: share ? written(share, line.decimals) : "", autocomplete: "off", className: "number" });
    input.setAttribute("aria-label", _("How much reason %(number)s explains", { number: number + 1 }));
    input.addEventListener("input", show);
    return element("div", { className: "share" }, select, input);
  }

  function open(button) {
    const { line: number, difference, name, unit, decimals } = button.dataset;
    line = { number, size: Math.abs(Number(difference)), plus: Number(difference) > 0, unit, decimals: Number(decimals), button };
    byId("explain-title").textContent = `${name}: ${line.plus ? "+" : "-"}${measured(line.size, line)}`;
    const said = found.get(number) || [["", line.size]];
    byId("explain-rows").replaceChildren(...Array.from({ length: ROWS }, (_, at) => rowOf(at, ...(said[at] || []))));
    show();
    dialog.showModal();
  }

  byId("explain-yes").addEventListener("click", () => {
    const said = rows().map((row) => [row.querySelector("select").value, shareOf(row)]).filter(([, share]) => share);
    found.set(line.number, said);
    kept.keep([...found]);
    tell(line.button);
    dialog.close();
  });

  function tell(button) {
    const { line: number, unit, decimals } = button.dataset, words = Object.fromEntries(reasons.map((each) => [each.code, each.words]));
    const said = found.get(number) || [];
    button.parentElement.querySelector(".said").textContent = said.map(([code, share]) => `${measured(share, { unit, decimals: Number(decimals) })} ${words[code]}`).join(", ");
  }

  const buttons = document.querySelectorAll("[data-explain]");
  for (const each of buttons) each.addEventListener("click", () => open(each));
  kept.said.then((said) => {
    for (const [number, shares] of (said || []).filter(whole)) found.set(number, shares);
    buttons.forEach(tell);
  });
  return found;
}
