// One request to the node: its answer, a refusal in its own words, or nobody there.

import { _ } from "./words.js";

const TIMEOUT_MS = 10000;
// The slowest Wi-Fi on which a photo arrives: 4 minutes for the largest. It is no longer, because a node that loses its
// power in the middle of one keeps all that comes after it waiting so long.
const BYTES_A_SECOND_MIN = 4096;

// `title`: the kind of refusal, the same in every language.
export class Refused extends Error {
  constructor(message, title = "") {
    super(message);
    this.title = title;
  }
}
// The node itself failed at it (500): perhaps it does so every time.
export class Failed extends Refused {}
export class Unreachable extends Error {}
// The log-in has ended, or it is somebody else's: whatever was asked waits for its own person.
export class LoggedOut extends Unreachable {}

export function newId() {
  // crypto.randomUUID needs a secure context; this works over plain HTTP on the floor too.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// The node's own words, as a sentence.
export const sentence = (detail, otherwise = "") => (detail ? detail[0].toUpperCase() + detail.slice(1) : otherwise);

// A photo is on its way for minutes on slow Wi-Fi: given up too soon it would be begun again and again, before all else.
const patienceMs = (body = "") => TIMEOUT_MS + 1000 * body.length / BYTES_A_SECOND_MIN;

export async function call(path, options = {}) {
  let response, content;
  try {
    response = await fetch(`/api/v1/${path}`, { ...options, signal: AbortSignal.timeout(patienceMs(options.body)) });
    content = await response.text();
  } catch (cause) {
    throw new Unreachable(_("The node does not answer."), { cause });
  }
  const { status } = response;
  let answer = null;
  try { answer = JSON.parse(content); } catch { /* not the node's own answer: see below */ }
  if (status === 401) throw new LoggedOut(sentence(answer?.detail, _("Log in again.")));
  // Whatever is not the node's own yes or no decides nothing: a stopped node, a proxy's page, an answer cut short.
  if (status === 500 && answer) throw new Failed(sentence(answer.detail, _("The node failed at this.")));
  if (status === 408 || status === 429 || status >= 500 || !answer) {
    throw new Unreachable(sentence(answer?.detail, _("That is not possible at the moment.")));
  }
  if (!response.ok) throw new Refused(sentence(answer.detail, _("That was refused.")), answer.title);
  return answer;
}

export function post(path, body, headers = {}, method = "POST") {
  return call(path, { method, headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) });
}
