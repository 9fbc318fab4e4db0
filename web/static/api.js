// Talks to the node. Every change carries an op_id made here, so that a retry after a lost answer acts once.

const TIMEOUT_MS = 10000;

export function newOpId() {
  // crypto.randomUUID needs a secure context; this works over plain HTTP on the floor too.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Refused extends Error {}
export class Unreachable extends Error {}

// The node's own words, as a sentence.
const sentence = (detail, otherwise) => (detail ? detail[0].toUpperCase() + detail.slice(1) : otherwise);

async function call(path, options) {
  let response;
  try {
    response = await fetch(`/api/v1/${path}`, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (cause) {
    throw new Unreachable("The node does not answer. Nothing is lost; it is tried again.", { cause });
  }
  const content = await response.json().catch(() => ({}));
  if (response.status === 401 && !location.pathname.startsWith("/login")) location.assign("/login?ended=1");
  if (response.status === 503 || response.status === 429) throw new Unreachable(sentence(content.detail, "That is not possible at the moment."));
  if (!response.ok) throw new Refused(sentence(content.detail, "That was refused."));
  return content;
}

export const get = (path) => call(path, {});

export function post(path, body) {
  return call(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

// An act that must arrive: the same op_id again until the node has answered yes or no.
export async function act(path, body, opId = newOpId()) {
  for (let wait = 400; ; wait = Math.min(wait * 2, 8000)) {
    try {
      return await post(path, { op_id: opId, ...body });
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      document.dispatchEvent(new CustomEvent("waiting", { detail: error.message }));
      await new Promise((resume) => setTimeout(resume, wait * (0.5 + Math.random() / 2)));
    }
  }
}
