// Instead of a page that cannot be had now: wait for the node, then show what was wanted.

import { Refused } from "./wire.js";
import { get } from "./api.js";
import { say } from "./page.js";
import { fact } from "./store.js";
import { _ } from "./words.js";

const EVERY_MS = 2000;

async function look() {
  try {
    await get("status");
    location.reload();
    return;
  } catch (error) {
    if (error instanceof Refused) { location.reload(); return; }
    say("warn", _("No answer yet: it is tried again and again"), { aloud: false });
  }
  setTimeout(look, EVERY_MS);
}
async function offer() {
  const roles = ((await fact("me").catch(() => null))?.roles || "").split(" ");
  for (const each of document.querySelectorAll("[data-needs]")) {
    const needs = each.dataset.needs.split(" ").filter(Boolean);
    each.hidden = needs.length > 0 && !needs.some((role) => roles.includes(role));
  }
}
offer();
look();
