// Photos and files about what the page shows.

import { get, newOpId, post } from "./api.js";
import { readFile } from "./files.js";
import { byId, element, ltr } from "./page.js";
import { momentWords } from "./times.js";
import { _ } from "./words.js";

const section = byId("attachments"), line = byId("attach-line");
let about = {}, next = null;

const tell = (words) => { byId("attach-words").textContent = words; };

async function show(cursor = "") {
  const asked = about;
  const page = await get(`attachments/?${new URLSearchParams({ limit: 24, ...asked, ...(cursor && { cursor }) })}`);
  if (asked !== about) return;
  byId("photos").append(...page.rows.map(card));
  next = page.next;
  byId("photos-more").hidden = !next;
  tell(byId("photos").childElementCount ? "" : _("Nothing is attached."));
}

function card(row) {
  const where = `/api/v1/attachments/${row.attachment}/content`;
  const facts = element("p", { className: "quiet" }, `${row.line === null || about.item ? "" : `${_("Line %(number)s", { number: row.line + 1 })} · `}${row.by} · ${momentWords(row.at_ms)}`);
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

async function send(wish) {
  const mine = about;
  try {
    await post("attachments/", wish);
  } catch (error) {
    // The same act again: it is kept once, even if it was kept and only the answer was lost.
    const again = element("button", { className: "button", type: "button", textContent: _("Try again") });
    again.addEventListener("click", () => send(wish));
    byId("attach-words").replaceChildren(`${error.message} `, again);
    return;
  }
  if (mine !== about) return; // it is kept; the page shows something else by now
  byId("photos").replaceChildren();
  await show();
  if (mine !== about) return;
  tell(_("It is kept, and its hash is in the next block."));
}

byId("attach").addEventListener("click", () => byId("attach-file").click());
byId("attach-file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  tell(_("It is made small and sent…"));
  try {
    await send({ op_id: newOpId(), ...await readFile(file), ...about, ...(line?.value && { line: Number(line.value) }) });
  } catch (error) {
    tell(error.message);
  }
});
byId("photos-more").firstElementChild.addEventListener("click", () => show(next).catch((error) => tell(error.message)));

// Show what is attached to `named`, {kind: code}, and attach to that from now on; null shows nothing.
export function attachTo(named) {
  section.hidden = !named;
  byId("attach").disabled = true;
  byId("photos").replaceChildren();
  if (!named) return;
  const mine = about = named;
  tell(_("Looking…"));
  // Until the first answer nobody can attach: what it says would take the place of what became of their photo.
  show().catch((error) => tell(error.message)).finally(() => { byId("attach").disabled = mine !== about; });
}

if (section.dataset.about) attachTo(JSON.parse(section.dataset.about));
