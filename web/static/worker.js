// The service worker: pages open without the node. It keeps files of this version and empty pages in the languages that
// this tablet was read in, and nothing that anybody counted, expects or may not know. `VERSION`, `FILES`, `LANGUAGES` and
// `PAGES` (the addresses that have an empty page of their own) are put before this text by the node.

const CACHE = `tallyman-${VERSION}`;
const NAVIGATION_MS = 5000; // a node that hangs is as good as none: the empty page goes on by itself when it answers

async function spoken() {
  const chosen = await caches.match("/language", { cacheName: "language" });
  const language = await chosen?.text();
  return LANGUAGES.includes(language) ? language : "en";
}

// All pages of a language come together, or none: the first one stands for them.
async function keep(cache, language) {
  if (!LANGUAGES.includes(language) || await cache.match(`/offline/${language}`)) return;
  const pages = ["", ...PAGES].map((path) => `/offline/${language}${path}`);
  await cache.addAll(pages.map((path) => new Request(path, { credentials: "omit" })));
}

addEventListener("install", (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    // What the page that registers this has loaded already need not cross the air again: an address is of one content.
    await cache.addAll(FILES);
    await keep(cache, await spoken());
    // Open pages go on with what they have loaded: nothing is taken from under an open count.
    await self.skipWaiting();
  })());
});

// A page says the language that it is read in. One that was opening at the moment when this worker began is in nobody's
// charge: claimed too late, and asked for too early.
addEventListener("message", (event) => {
  event.waitUntil(Promise.all([clients.claim(), caches.open(CACHE).then((cache) => keep(cache, event.data.language))]));
});

addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    const old = (await caches.keys()).filter((name) => name.startsWith("tallyman-") && name !== CACHE);
    await Promise.all(old.map((name) => caches.delete(name)));
    await clients.claim();
  })());
});

async function page(request, path) {
  const wait = new AbortController();
  const timer = setTimeout(() => wait.abort(), NAVIGATION_MS);
  try {
    const answer = await fetch(request, { signal: wait.signal });
    if (![502, 503, 504].includes(answer.status)) return answer;
  } catch { /* nobody there, or too slow */ } finally {
    clearTimeout(timer);
  }
  const cache = await caches.open(CACHE);
  // The tablet may have changed its language when there was no node to get the pages from.
  for (const language of [await spoken(), ...LANGUAGES]) {
    const kept = await cache.match(`/offline/${language}${PAGES.includes(path) ? path : ""}`);
    if (kept) return kept;
  }
  return Response.error();
}

addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  if (event.request.mode === "navigate" && !url.pathname.startsWith("/api/")) event.respondWith(page(event.request, url.pathname));
  else if (FILES.includes(url.pathname)) event.respondWith(caches.match(event.request).then((kept) => kept || fetch(event.request)));
});
