// A photo of a code, for a tablet without a scanner. It is made grey and small here; the node reads what is in it.

import { post } from "./api.js";
import { attempt, byId, element, ltr, makeWay, say } from "./page.js";
import { _ } from "./words.js";

const POINTS_MAX = 1_390_000, SIDE_MAX = 1600;

// Four bits a point, two points a byte: all that bars need, and it fits one plain request.
async function greyOf(file) {
  const picture = await createImageBitmap(file).catch(() => null);
  if (!picture) return null;
  const scale = Math.min(1, SIDE_MAX / Math.max(picture.width, picture.height), Math.sqrt(POINTS_MAX / (picture.width * picture.height)));
  const width = Math.max(1, Math.floor(picture.width * scale)), height = Math.max(1, Math.floor(picture.height * scale));
  const canvas = element("canvas", { width, height });
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const grey = new Uint8Array(Math.ceil(width * height / 2));
  for (let point = 0; point < width * height; point += 1) {
    const at = 4 * point, light = (data[at] * 77 + data[at + 1] * 150 + data[at + 2] * 29) >> 12;
    grey[point >> 1] |= point & 1 ? light : light << 4;
  }
  let text = "";
  for (let at = 0; at < grey.length; at += 0x8000) text += String.fromCharCode(...grey.subarray(at, at + 0x8000));
  return { width, height, points: btoa(text) };
}

const readable = (text) => text.replace(/^\][A-Za-z][0-9A-Za-z]/, "").replaceAll("\u001d", " ");

function choose(codes, take) {
  byId("codes-found").replaceChildren(...codes.map(({ text, symbology }) => {
    const button = element("button", { className: "button", type: "button" }, ltr(readable(text), "code"), element("span", { className: "quiet", textContent: ` ${symbology}` }));
    button.addEventListener("click", () => { byId("codes").close(); take(text); });
    return button;
  }));
  byId("codes").showModal();
}

export function onPhoto(take) {
  const button = byId("photo-code"), input = byId("photo-file");
  if (!button || !input) return;
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = "";
    if (!file) return;
    if (!makeWay()) return;
    attempt(async () => {
      say("quiet", _("The photo is being read…"), { aloud: false });
      const grey = await greyOf(file);
      if (!grey) { say("bad", _("This file cannot be read as a picture")); return; }
      const { codes } = await post("scans/picture", grey);
      if (!codes.length) say("warn", _("No code is in this photo: take it closer, in good light"));
      else if (codes.length === 1) take(codes[0].text);
      else choose(codes, take);
    });
  });
}
