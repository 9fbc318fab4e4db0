// Moments in the reader's own time zone, and ages that grow while the page is open.
// An age starts from what the server measured: the clock of a tablet is not asked how late it is.

import { _, locale, n_, zone } from "./words.js";

const EVERY_MS = 10000;
const loaded = performance.now();
const moments = new Intl.DateTimeFormat(locale, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short", timeZone: zone,
});

export function ageWords(ms) {
  const [days, hours, minutes] = [86400000, 3600000, 60000].map((step) => Math.floor(ms / step));
  if (days > 0) return n_("%(num)s day", "%(num)s days", days);
  if (hours > 0) return n_("%(num)s hour", "%(num)s hours", hours);
  if (minutes > 0) return n_("%(num)s minute", "%(num)s minutes", minutes);
  return _("under a minute");
}

const clock = new Intl.DateTimeFormat(locale, { timeStyle: "medium", timeZone: zone });
const hours = new Intl.DateTimeFormat(locale, { timeStyle: "short", timeZone: zone });
const days = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone: "UTC" });

export const clockWords = (ms) => clock.format(new Date(ms));

export const hourWords = (ms) => hours.format(new Date(ms));

// A date as the ledger keeps it, YYYY-MM-DD.
export const dayWords = (day) => days.format(new Date(day));

const wall = new Intl.DateTimeFormat("en", {
  year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone,
});

// A moment as a field for date and time takes it, by the site's clock.
export function siteWall(ms) {
  const part = Object.fromEntries(wall.formatToParts(new Date(ms)).map(({ type, value }) => [type, value]));
  return `${part.year}-${part.month}-${part.day}T${part.hour}:${part.minute}`;
}

// And back: what the site's clock shows is sought twice, because the first guess may lie on the other side of a change
// to or from summer time.
export function siteMs(text) {
  const shown = (ms) => Date.parse(`${siteWall(ms)}Z`), wanted = Date.parse(`${text}Z`);
  const guess = wanted - (shown(wanted) - wanted);
  return guess - (shown(guess) - wanted);
}

export function momentWords(ms) {
  return moments.format(new Date(ms));
}

function update(root = document) {
  const since = performance.now() - loaded;
  for (const each of root.querySelectorAll("[data-age-ms]")) {
    each.textContent = ageWords(Number(each.dataset.ageMs) + since);
  }
}

for (const each of document.querySelectorAll("time[data-ms]")) each.textContent = momentWords(Number(each.dataset.ms));
update();
setInterval(update, EVERY_MS);
