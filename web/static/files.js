// A photo or file as it is attached. A photo is made small here, before it crosses bad Wi-Fi; that also leaves behind
// where and with what it was taken. Where a page has just recorded something, one tap attaches to that: it goes through
// the outbox, behind what was recorded.

import { act } from "./api.js";
import { attempt, byId, element, say } from "./page.js";
import { reach } from "./reach.js";
import { titleOf } from "./waiting.js";
import { _ } from "./words.js";

const SIDE_PX = 1600, BYTES_MAX = 700 * 1024, QUALITIES = [0.8, 0.6, 0.4];

// The largest quality that fits, at a size that shows a dent and reads a label.
async function smaller(file) {
  const picture = await createImageBitmap(file).catch(() => { throw new Error(_("This file cannot be read as a picture.")); });
  const scale = Math.min(1, SIDE_PX / Math.max(picture.width, picture.height));
  const canvas = element("canvas", { width: Math.round(picture.width * scale), height: Math.round(picture.height * scale) });
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  for (const quality of QUALITIES) {
    const made = await new Promise((done) => canvas.toBlob(done, "image/jpeg", quality));
    if (made.size <= BYTES_MAX) return made;
  }
  throw new Error(_("This picture cannot be made small enough."));
}

// {name, content} of an act that attaches it.
export async function readFile(file) {
  const content = file.type.startsWith("image/") ? await smaller(file) : file;
  if (content.size > BYTES_MAX) throw new Error(_("This file is larger than 700 KiB: attach a smaller one."));
  const bytes = new Uint8Array(await content.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return { name: file.name.slice(-80) || "photo", content: btoa(text) };
}

async function attach(file, operation) {
  const wish = { ...await readFile(file), operation };
  const sent = act("attachments/", wish);
  say(reach.ok === false ? "held" : "quiet", _("%(what)s: on this tablet", { what: titleOf({ path: "attachments/", body: wish }) }));
  await sent;
  say("good", _("It is kept, and its hash is in the next block."));
}

byId("proof-attach")?.addEventListener("click", () => byId("proof-file").click());
byId("proof-file")?.addEventListener("change", ({ target }) => {
  const [file] = target.files;
  target.value = "";
  const operation = byId("proof-link").getAttribute("href").split("/").pop();
  if (file) attempt(() => attach(file, operation));
});
