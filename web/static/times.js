// Moments in the reader's own time zone, and ages that grow while the page is open.
// An age starts from what the server measured: the clock of a tablet is not asked how late it is.

const STEPS = [[86400000, "day"], [3600000, "hour"], [60000, "minute"]];
const EVERY_MS = 10000;
const loaded = performance.now();
const moments = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
});

export function ageWords(ms) {
  for (const [step, name] of STEPS) {
    const count = Math.floor(ms / step);
    if (count > 0) return `${count} ${name}${count === 1 ? "" : "s"}`;
  }
  return "under a minute";
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
