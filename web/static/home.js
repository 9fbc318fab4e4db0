// The start page's numbers: what waits for this person, as the node counts it now and then. None is calm.

import { stream } from "./bar.js";
import { byId, element } from "./page.js";
import { momentWords } from "./times.js";
import { onScan } from "./wedge.js";
import { _, n_ } from "./words.js";

const SHOWN_MAX = 99; // of more it matters that there are many

// By the tile's address: how many, what is said of them, and of none, where that differs from what the page says.
const TILES = {
  "/count": ({ count = 0, overdue = 0, until_ms = 0 }) => [count, overdue ? `▲ ${n_("%(num)s bin is overdue", "%(num)s bins are overdue", overdue)}`
    : [n_("%(num)s bin waits", "%(num)s bins wait", count), until_ms && _("until %(moment)s", { moment: momentWords(until_ms) })].filter(Boolean).join(" ")],
  "/review/": ({ review = 0, codes = 0 }) => [review + codes, [review && n_("%(num)s bin to approve", "%(num)s bins to approve", review), codes && n_("%(num)s unknown code", "%(num)s unknown codes", codes)].filter(Boolean).join(" · ")],
  "/review/proposals": ({ sign = 0 }) => [sign, n_("%(num)s act waits for a signature", "%(num)s acts wait for a signature", sign)],
  "/receive": ({ deliveries = 0 }) => [deliveries, n_("%(num)s delivery is expected", "%(num)s deliveries are expected", deliveries)],
  "/bring-in": ({ arrivals = 0 }) => [arrivals, n_("%(num)s transfer is on its way", "%(num)s transfers are on their way", arrivals)],
  "/pick": ({ lists = 0, orders = 0 }) => [lists + orders, [lists && n_("%(num)s list to pick", "%(num)s lists to pick", lists), orders && n_("%(num)s order waits", "%(num)s orders wait", orders)].filter(Boolean).join(" · ")],
  "/people": ({ locked = 0 }) => [locked, n_("%(num)s cannot log in", "%(num)s cannot log in", locked)],
  "/node": ({ alerts, undecided = 0, findings }) => [alerts + undecided, [alerts && n_("%(num)s new alert", "%(num)s new alerts", alerts), undecided && n_("%(num)s scan to decide", "%(num)s scans to decide", undecided)].filter(Boolean).join(" · "), findings ? _("Alerts seen") : _("All well")],
};

// What is put together behind a tile and not sent yet, by the names of its drafts; `/floor/scrap` leads to that of scrap.
const DRAFTS = { "/receive": ["deliver"], "/bring-in": ["arrival"], "/pick": ["issue", "order"], "/held": ["hold"] };
function begun(address, waiting) {
  const lines = (DRAFTS[address] || [address.slice("/floor/".length)]).reduce((sum, name) => sum + (waiting[`begun:${name}`] || 0), 0);
  return lines ? `◐ ${n_("%(num)s line begun", "%(num)s lines begun", lines)}` : "";
}

const NOTHING = () => [0, ""];
const tiles = [...byId("tiles").children].map((tile) => {
  const use = tile.querySelector(".use"), address = tile.getAttribute("href");
  return { tile, use, address, calm: use.textContent, of: TILES[address] || NOTHING };
});

function show(waiting) {
  for (const { tile, use, address, calm, of } of tiles) {
    const [number, words, none = calm] = of(waiting), mine = begun(address, waiting);
    tile.querySelector(".waits")?.remove();
    if (number) tile.append(element("span", { className: "waits", ariaHidden: "true", textContent: number > SHOWN_MAX ? `${SHOWN_MAX}+` : number }));
    const said = [number ? words : !mine && none, mine].filter(Boolean).join(" · ");
    if (use.textContent !== said) use.textContent = said;
  }
}

// Of the node's alerts the bar knows, and nobody's start page counts them again.
const alertsOf = (findings) => ({ alerts: findings.filter((each) => !each.seen).length, findings: findings.length });
const written = (id) => JSON.parse(byId(id).textContent);
show({ ...written("waiting"), ...alertsOf(written("findings")) });
onScan((text) => location.assign(`/look?${new URLSearchParams({ code: text })}`));
stream.addEventListener("state", ({ detail: { waiting, links, undecided = 0 } }) => {
  if (waiting) show({ ...waiting, ...alertsOf(links.findings || []), undecided });
});
