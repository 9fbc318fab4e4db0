// Where somebody goes on who had to log in first: to the page on which their log-in ended, or that a link asked for.

import { person } from "./outbox.js";

const KEY = "back";

// The log-in has ended: its own person comes back to this page, and nobody else does.
export function ended() {
  if (location.pathname === "/login") return;
  sessionStorage.setItem(KEY, JSON.stringify({ path: location.pathname + location.search, actor: person()?.actor }));
  location.assign("/login?ended=1");
}

// The address of a page of this node, or "". Whole, because a path alone could begin like another machine's name.
function pageOf(path) {
  const url = /^\/(?![/\\])\P{Cc}*$/u.test(path) && new URL(path, location.origin);
  return url && url.origin === location.origin && url.pathname !== "/login" ? url.href : "";
}

// `actor` is logged in now. A page that is not for them is not opened.
export async function goOn(actor) {
  const left = JSON.parse(sessionStorage.getItem(KEY) || "null");
  sessionStorage.removeItem(KEY);
  const page = pageOf(left ? (left.actor === actor ? left.path : "") : new URLSearchParams(location.search).get("next") || "");
  const open = page && await fetch(page, { method: "HEAD" }).then(({ ok }) => ok, () => false);
  location.assign(open ? page : "/");
}
