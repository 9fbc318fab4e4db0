// Talks to the node. Every change carries an op_id made here, so that a retry after a lost answer acts once.

import { ended } from "./back.js";
import { sendOff } from "./outbox.js";
import { lost, whenHeard } from "./reach.js";
import { call, LoggedOut, newId, post as plainPost, Refused, Unreachable } from "./wire.js";
import { _ } from "./words.js";

export { Refused, Unreachable };
export const newOpId = newId;

async function here(work) {
  try {
    return await work;
  } catch (error) {
    if (error instanceof LoggedOut) ended();
    throw error;
  }
}

export const get = (path) => here(call(path));
export const post = (path, body) => here(plainPost(path, body));
export const put = (path, body) => here(plainPost(path, body, {}, "PUT"));

// An act that must arrive: it is on this tablet's disk before it is sent, and stays until the node has said yes or no.
// What a PIN signs is the exception: a PIN is written nowhere, so its act lives until `signal` gives it up.
export function act(path, body, opId = newOpId(), signal = null) {
  return "pin" in body ? signed(path, { op_id: opId, ...body }, signal) : sendOff(path, { op_id: opId, ...body });
}

async function signed(path, body, signal) {
  for (let wait = 400; !signal?.aborted; wait = Math.min(wait * 2, 8000)) {
    try {
      return await post(path, body);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      lost();
      await new Promise((resume) => {
        setTimeout(resume, signal?.aborted ? 0 : wait * (0.5 + Math.random() / 2));
        signal?.addEventListener("abort", resume);
      });
    }
  }
  whenHeard(() => location.reload());
  throw new Unreachable(_("Given up. If the node had it already, this page says so when it answers."));
}
