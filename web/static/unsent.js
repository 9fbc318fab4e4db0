// What somebody said on a page and did not send yet: kept while they look at other rows of a long list, over a reload
// and a way back, until it is sent or this tab is closed. Each person has their own.

export function unsent(who, what = "") {
  const key = `unsent:${who}:${location.pathname}:${what}`;
  return {
    said: JSON.parse(sessionStorage.getItem(key) || "null"),
    keep: (said) => sessionStorage.setItem(key, JSON.stringify(said)),
    drop: () => sessionStorage.removeItem(key),
  };
}
