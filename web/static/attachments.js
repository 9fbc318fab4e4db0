// Photos and files about what the page shows: those that the node keeps, and above them those that are still on this
// tablet, which go through the outbox like every act.

import { act, get, newOpId, post } from "./api.js";
import { readFile } from "./files.js";
import { byId, element, ltr } from "./page.js";
import { soon } from "./reach.js";
import { whileHere } from "./still.js";
import { momentWords } from "./times.js";
import { onTablet } from "./waiting.js";
import { _ } from "./words.js";

const PATH = "attachments/";
const section = byId("attachments"), line = byId("attach-line"), list = byId("photos");
let about = {}, next = null;
let held = [], here = null; // acts of the outbox that attach to it, and who looks after them

const tell = (words) => { byId("attach-words").textContent = words; };
// What became of somebody's photo stands there: that the list has come does not take its place.
function tellOfList() {
  if ([_("Looking…"), _("Nothing is attached.")].includes(byId("attach-words").textContent)) tell(list.childElementCount ? "" : _("Nothing is attached."));
}

async function show(cursor = "") {
  const asked = about;
  const page = await get(`${PATH}?${new URLSearchParams({ limit: 24, ...asked, ...(cursor && { cursor }) })}`);
  if (asked !== about) return;
  if (cursor) list.append(...page.rows.map(card));
  else list.replaceChildren(...held.map(heldCard), ...page.rows.map(card));
  next = page.next;
  byId("photos-more").hidden = !next;
  tellOfList();
}

function showHeld() {
  for (const each of list.querySelectorAll("li[data-held]")) each.remove();
  list.prepend(...held.map(heldCard));
  tellOfList();
}
const lineOf = ({ line: number }) => (number === null || number === undefined || about.item ? "" : `${_("Line %(number)s", { number: number + 1 })} · `);

function heldCard({ body, name, at }) {
  const picture = body.content.startsWith("/9j/"); // as every JPEG begins
  const shown = picture ? element("img", { src: `data:image/jpeg;base64,${body.content}`, alt: body.name }) : element("span", { className: "shape", ariaHidden: "true", textContent: "▤" });
  const made = element("li", {}, element("div", { className: "photo" }, shown), element("p", {}, ltr(body.name)),
    element("p", { className: "quiet", textContent: `${lineOf(body)}${name} · ${momentWords(at)}` }), onTablet());
  made.dataset.held = "";
  return made;
}

function card(row) {
  const where = `/api/v1/attachments/${row.attachment}/content`;
  const facts = element("p", { className: "quiet" }, `${lineOf(row)}${row.by} · ${momentWords(row.at_ms)}`);
  if (row.operation && !about.operation) facts.append(" · ", element("a", { href: `/operations/${row.operation}` }, _("what happened")));
  if (row.erased) return element("li", {}, element("p", { className: "photo empty", textContent: _("Erased") }), facts);
  const shown = row.media.startsWith("image/")
    ? element("img", { src: where, alt: row.name, loading: "lazy" })
    : element("span", { className: "shape", ariaHidden: "true", textContent: "▤" });
  const link = element("a", { className: "photo", href: where, target: "_blank", rel: "noopener" }, shown);
  const made = element("li", {}, link, element("p", {}, ltr(row.name)), facts);
  if (!row.media.startsWith("image/")) link.append(element("span", { textContent: row.name }));
  if ("erase" in section.dataset) {
    const button = element("button", { className: "button small", type: "button", textContent: _("Erase") });
    button.setAttribute("aria-label", _("Erase %(name)s", { name: row.name }));
    button.addEventListener("click", () => ask(row, made));
    made.append(button);
  }
  return made;
}

function ask(row, made) {
  const dialog = byId("erase"), op_id = newOpId();
  byId("erase-yes").onclick = async () => {
    try {
      await post("attachments/erase", { op_id, attachment: row.attachment, reasons: ["erased"] });
      made.replaceWith(card({ ...row, erased: true }));
      tell(_("It is erased."));
      dialog.close();
    } catch (error) {
      dialog.close();
      tell(error.message);
    }
  };
  dialog.showModal();
}

byId("attach").addEventListener("click", () => byId("attach-file").click());
byId("attach-file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  const mine = about, wish = { ...about, ...(line?.value && { line: Number(line.value) }) };
  const tellHere = (words) => { if (mine === about) tell(words); }; // the page may show something else by then
  tell(_("It is made small…"));
  try {
    const sent = act(PATH, { ...await readFile(file), ...wish });
    tellHere("");
    await sent;
    tellHere(_("It is kept, and its hash is in the next block."));
  } catch (error) {
    tellHere(error.message);
  }
});
byId("photos-more").firstElementChild.addEventListener("click", () => show(next).catch((error) => tell(error.message)));

// Show what is attached to `named`, {kind: code}, and attach to that from now on; null shows nothing.
export function attachTo(named) {
  section.hidden = !named;
  byId("attach").disabled = true;
  list.replaceChildren();
  held = [];
  here?.abort();
  if (!named) return;
  const mine = about = named;
  tell(_("Looking…"));
  here = whileHere(({ path, body }) => path === PATH && Object.entries(named).every(([name, code]) => body[name] === code), (acts, gone) => {
    held = acts;
    if (gone) show().catch((error) => { showHeld(); tell(error.message); }); // it is among what the node keeps
    else showHeld();
  });
  // A node that is silent is not waited for: what is attached is on this tablet.
  soon(show().catch((error) => tell(error.message))).finally(() => { if (mine === about) byId("attach").disabled = false; });
}

if (section.dataset.about) attachTo(JSON.parse(section.dataset.about));
