// What a count sheet says is tried before it is taken, from a file or typed in.

import { act, newOpId, post } from "./api.js";
import { _, n_ } from "./words.js";

const SHOWN_MAX = 5;

// `sheet`: {sheet, csv, counter, counted_ms}. Answers its problems, or {words, yes, wish}: what was found, what the button
// says that takes it, and the wish it makes.
export async function trial(sheet) {
  const found = await post("counts/sheets/return", { op_id: newOpId(), ...sheet, dry_run: true });
  if (found.problems.length) return { problems: found.problems };
  const lines = found.bins.reduce((sum, each) => sum + each.lines, 0);
  const left = found.left.length ? ` ${_("Not on it: %(bins)s.", { bins: found.left.join(", ") })}` : "";
  const counted = `${n_("%(num)s bin", "%(num)s bins", found.bins.length)}, ${n_("%(num)s line", "%(num)s lines", lines)}.${left}`;
  const sure = found.asked.length > 0;
  return {
    problems: [], words: [counted, ...found.asked.slice(0, SHOWN_MAX)].join(" ▲ "), sure,
    yes: sure ? _("Yes, take it") : _("Take it"), wish: sure ? { ...sheet, confirm: true } : sheet,
  };
}

// The first problems, as one text.
export function inOne(problems) {
  const left = problems.length - SHOWN_MAX;
  const more = left > 0 ? ` ${n_("And %(num)s more.", "And %(num)s more.", left)}` : "";
  return `${problems.slice(0, SHOWN_MAX).join(". ")}.${more}`;
}

// Takes it. Answers what is asked back of it, as `trial` does; null when it is taken.
export async function take(wish) {
  const { ask } = await act("counts/sheets/return", wish);
  return ask ? { words: ask, sure: true, yes: _("Yes, take it"), wish: { ...wish, confirm: true } } : null;
}
