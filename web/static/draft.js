// Work that is put together before it is sent as one act. It is on this tablet at once and at the node as soon as that
// answers: after a reload it is gone on with here, after the loss of this tablet on another one of the same person.

import { get, put, Refused, Unreachable } from "./api.js";
import { attempt, byId, say } from "./page.js";
import { reach, soon } from "./reach.js";
import { fact, setFact } from "./store.js";
import { momentWords } from "./times.js";
import { _, n_ } from "./words.js";

const SOON_MS = 300, LATER_MS = 3000;
const NONE = { work: null, opId: "", on: "", dirty: false };

// `name`: as the node calls it. `take(work, opId)`: show this in place of what is shown, null for nothing. `work` is
// {lines, …} of JSON; `on`: the node's version of it that is known here; `dirty`: the node has not got what is here.
export class Draft {
  #name; #key; #take; #here = NONE; #timer = 0; #saving = Promise.resolve(); #asked = false; #shown = false; #ended = false;
  #shut = ""; // why it may not be looked at now

  constructor(name, actor, take) {
    this.#name = name;
    this.#key = `draft:${name}:${actor}`;
    this.#take = take;
  }

  // Resolves when what to go on with is shown: the node's, where nothing was done here that it lacks. A node that is
  // silent is not waited for; one that answers is heard first, for it may say that this is not to be seen now.
  async begin() {
    this.#here = { ...NONE, ...await fact(this.#key).catch(() => null) };
    reach.addEventListener("change", () => this.#again());
    document.addEventListener("visibilitychange", () => this.#again());
    await soon(this.#again());
    if (!this.#shown) this.#show();
  }

  // What is in it now; null once it is sent or given up. Refused while it may not be looked at. Resolves when it is on
  // the tablet's disk: until then a page that ends takes it along, so nothing says sooner that it is done.
  keep(work, opId) {
    if (this.#shut) throw new Refused(this.#shut);
    const written = this.#write({ ...this.#here, work, opId, dirty: true });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#again(), SOON_MS);
    return written;
  }

  // Before it is sent: the node knows under which op_id, so that no other tablet sends it under another one. Refused
  // where another tablet has changed it.
  async ready() {
    const { work } = this.#here;
    await this.#again();
    if (this.#shut) throw new Refused(this.#shut);
    if (this.#asked || this.#here.work !== work) throw new Refused(_("You went on with this on another tablet: look at it first."));
  }

  // Another one is shown from here on.
  end() {
    this.#again();
    this.#ended = true;
  }

  // What is here goes to the node, or else what is there comes here. Out of reach it waits.
  #again() {
    clearTimeout(this.#timer);
    if (!this.#ended && reach.ok !== false && !document.hidden) {
      this.#saving = this.#saving.then(() => (this.#here.dirty ? this.#push() : this.#pull())).catch((error) => {
        if (!(error instanceof Unreachable)) console.warn(error); // it is on this tablet all the same
        else if (this.#here.dirty) this.#timer = setTimeout(() => this.#again(), LATER_MS);
      });
    }
    return this.#saving;
  }

  // It tells what the books hold of a bin that is being counted: it stays as it is, unseen, until that is over.
  #close(place) {
    this.#shown = true;
    this.#shut = _("%(place)s is being counted: go on with this when that count is finished", { place });
    if (this.#ended) return;
    this.#take(null, "");
    say("warn", this.#shut, { aloud: false });
  }

  #show() {
    this.#shown = true;
    if (!this.#ended) this.#take(this.#here.work, this.#here.opId);
  }

  #write(here) {
    this.#here = here;
    return setFact(this.#key, here.work || here.dirty ? here : null).catch(() => say("bad", _("This tablet cannot keep anything: send this before the page is closed")));
  }

  #adopt(draft) {
    this.#write(draft ? { work: draft.work, opId: draft.op_id, on: draft.version, dirty: false } : NONE);
    this.#show();
  }

  async #pull() {
    const before = this.#here, { draft, counted } = await get(`drafts/${this.#name}`), wasShut = this.#shut;
    this.#shut = "";
    if (counted) this.#close(counted);
    else if (this.#here === before && (draft?.version ?? "") !== before.on) this.#adopt(draft);
    else if (wasShut) this.#show();
  }

  async #push() {
    while (this.#here.dirty && !this.#asked) {
      const before = this.#here, { work, opId, on } = before;
      const { kept, sent, draft, counted } = await put(`drafts/${this.#name}`, { op_id: opId, on, ...(work ? { work } : {}) });
      const same = this.#here === before;
      if (counted) {
        if (kept && same) this.#write({ ...this.#here, dirty: false }); // its version is told when it is told again
        this.#close(counted);
        return;
      }
      if (kept) this.#write({ ...this.#here, on: draft?.version ?? "", dirty: !same });
      else if (!sent && work) this.#choose(draft);
      else if (same) this.#adopt(draft);
      else this.#write({ ...this.#here, on: "" });
    }
  }

  // Two tablets went on from the same point. Until it is said which of them is right, each keeps what it has.
  #choose(draft) {
    const dialog = byId("two-drafts");
    this.#asked = true;
    const here = n_("%(num)s line here", "%(num)s lines here", this.#here.work.lines.length);
    const there = draft ? n_("%(num)s line there, of %(moment)s", "%(num)s lines there, of %(moment)s", draft.lines, { moment: momentWords(draft.at_ms) }) : _("nothing there any more: it was sent or given up");
    byId("two-drafts-words").textContent = `${here}, ${there}.`;
    dialog.returnValue = "";
    dialog.showModal();
    dialog.addEventListener("close", () => attempt(async () => {
      this.#asked = false;
      if (dialog.returnValue === "there") this.#adopt(draft);
      if (dialog.returnValue !== "here") return;
      this.#write({ ...this.#here, on: draft?.version ?? "" });
      await this.#again();
    }), { once: true });
  }
}

// What this person has begun, by name; none while the node is silent.
export async function begun() {
  try {
    return new Map((await get("drafts/")).rows.map((row) => [row.name, row]));
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    return new Map();
  }
}
