// Counting a bin. The node holds the truth: this page shows what the stream says and sends acts, nothing else.

import { act, get, Refused } from "./api.js";
import { stream } from "./bar.js";
import { onScan } from "./wedge.js";
import { sound } from "./sounds.js";

const byId = (id) => document.getElementById(id);
const SHAPES = { good: "✓", warn: "▲", bad: "✕", quiet: "○" };
let screen = null, known = new Map(), latest = "", proofOf = null;

function say(level, word, aloud = true) {
  const answer = byId("answer");
  answer.dataset.level = level;
  answer.querySelector(".shape").textContent = SHAPES[level];
  answer.querySelector(".word").textContent = word;
  if (aloud) sound(level);
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const keyOf = (line) => [line.item, line.lot, line.serial, line.status].join("\u001f");
const titled = (line) => line.name || line.item;

async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    say("bad", error.message);
    if (!(error instanceof Refused)) console.error(error);
    return null;
  }
}

// ---------------------------------------------------------------- what is shown

function showBins(bins) {
  byId("bins").replaceChildren(...bins.map((bin) => {
    const button = element("button", { className: "tile", type: "button" },
      element("strong", {}, element("bdi", { dir: "ltr", textContent: bin.bin })),
      element("span", { textContent: bin.name }));
    button.addEventListener("click", () => attempt(() => act("counts/open", { bin: bin.bin })));
    return button;
  }));
  byId("no-bins").hidden = bins.length > 0;
}

function lineOf(line) {
  const details = [line.item, line.lot && `lot ${line.lot}`, line.serial && `serial ${line.serial}`].filter(Boolean);
  const type = element("button", { className: "button", type: "button", textContent: "Type quantity" });
  type.addEventListener("click", () => askQuantity(line));
  const row = element("article", { className: "line card" },
    element("div", { className: "what" }, element("strong", { textContent: titled(line) }),
      element("bdi", { dir: "ltr", className: "quiet", textContent: details.join(" · ") })),
    element("output", { className: "count", textContent: line.counted }), type);
  if (keyOf(line) === latest) row.dataset.latest = "";
  return row;
}

function notice(lines) {
  for (const line of lines) {
    const before = known.get(keyOf(line));
    if (before !== undefined && before === line.counted) continue;
    latest = keyOf(line);
    if (before === undefined || line.counted > before) say("good", `${titled(line)}: ${line.counted}`);
    else say("warn", `${titled(line)}: back to ${line.counted}`);
  }
  known = new Map(lines.map((line) => [keyOf(line), line.counted]));
}

function show(state) {
  const before = screen;
  screen = state.screen && state.screen.kind === "count" ? state.screen : null;
  byId("choose").hidden = Boolean(screen);
  byId("counting").hidden = !screen;
  if (!screen) {
    known = new Map();
    showBins(state.bins);
    if (!before && !proofOf) say("quiet", "Ready: scan a bin or choose one", false);
    return;
  }
  const opened = !before || before.task !== screen.task;
  const lines = screen.lines || [];
  if (opened) {
    known = new Map(lines.map((line) => [keyOf(line), line.counted]));
    proofOf = null;
    byId("proof").hidden = true;
    say("quiet", `Bin ${screen.target} is open: scan what is in it`, false);
  } else {
    notice(lines);
    if (screen.parked > before.parked) say("bad", "Unknown code: it is kept for later");
  }
  byId("bin").textContent = screen.target;
  byId("progress").textContent = lines.length === 1 ? "1 line" : `${lines.length} lines`;
  byId("no-lines").hidden = lines.length > 0 || screen.empty;
  byId("lines").replaceChildren(...lines.slice(-200).reverse().map(lineOf));
  byId("empty").disabled = lines.some((line) => line.counted > 0) || screen.empty;
  byId("parked").hidden = !screen.parked;
  byId("parked-count").textContent = screen.parked;
}

stream.addEventListener("state", (event) => show(event.detail));
document.addEventListener("waiting", (event) => say("warn", event.detail, false));

// ---------------------------------------------------------------- what is done

onScan((text) => attempt(() => act("scans", { text })));
byId("undo").addEventListener("click", () => attempt(() => act("counts/undo", {})));
byId("empty").addEventListener("click", () => attempt(() => act("counts/empty", {})));
byId("leave").addEventListener("click", () => attempt(() => act("counts/leave", { bin: screen.target })));
byId("done").addEventListener("click", () => attempt(() => close(false)));

async function close(sure) {
  const bin = screen.target;
  const answer = await act("counts/close", { bin, confirm: sure });
  if (answer.ask) {
    byId("ask-words").textContent = answer.ask;
    byId("ask").showModal();
    return;
  }
  say("good", `Bin ${bin} is counted`);
  const operations = answer.operations || [];
  if (operations.length) follow(operations[0], bin);
}
byId("ask-yes").addEventListener("click", () => { byId("ask").close(); attempt(() => close(true)); });
byId("ask-no").addEventListener("click", () => byId("ask").close());

// ---------------------------------------------------------------- quantity

let typed = "", typing = null;
function askQuantity(line) {
  typing = line;
  typed = "";
  byId("keypad-title").textContent = titled(line);
  byId("keypad-value").textContent = String(line.counted);
  byId("keypad").showModal();
}
byId("keypad").addEventListener("click", (event) => {
  const key = event.target.closest("[data-key]")?.dataset.key;
  if (!key) return;
  if (key === "cancel") { byId("keypad").close(); return; }
  if (key === "ok") {
    byId("keypad").close();
    if (typed === "") return;
    const { item, lot, serial, status, expiry } = typing;
    const body = { item, quantity: Number(typed), mode: "set" };
    for (const [name, value] of Object.entries({ lot, serial, status, expiry })) {
      if (value !== undefined && value !== null && value !== "") body[name] = value;
    }
    attempt(() => act("counts/enter", body));
    return;
  }
  typed = key === "erase" ? typed.slice(0, -1) : (typed + key).slice(0, 12);
  byId("keypad-value").textContent = typed || "0";
});

// ---------------------------------------------------------------- unknown codes

byId("parked").addEventListener("click", () => attempt(async () => {
  const { parked } = await get("scans/parked");
  byId("unknown-list").replaceChildren(...parked.map((read) => {
    const dismiss = element("button", { className: "button", type: "button", textContent: "Not stock: dismiss" });
    dismiss.addEventListener("click", () => attempt(async () => {
      await act("scans/dismiss", { park: read.park, reason: "not-stock" });
      row.remove();
    }));
    const row = element("article", { className: "line" }, element("div", { className: "what" },
      element("bdi", { dir: "ltr", className: "code", textContent: read.text }),
      element("span", { className: "quiet", textContent: read.why })), dismiss);
    return row;
  }));
  byId("unknown").showModal();
}));
byId("unknown-close").addEventListener("click", () => byId("unknown").close());

// ---------------------------------------------------------------- the proof ladder

async function follow(opId, bin) {
  proofOf = opId;
  byId("proof").hidden = false;
  byId("proof-bin").textContent = bin;
  byId("proof-link").href = `/operations/${opId}`;
  while (proofOf === opId) {
    const found = await get(`operations/${opId}`).catch(() => null);
    if (found) {
      byId("proof-words").textContent = found.words;
      byId("ladder").replaceChildren(...found.ladder.map((rung) => {
        const step = element("li", { title: rung.words },
          element("span", { className: "shape", textContent: rung.shape }), ` ${rung.name}`);
        if (rung.reached) step.dataset.reached = "";
        return step;
      }));
      if (found.state === "anchored") return;
    }
    await new Promise((resume) => setTimeout(resume, 1500));
  }
}
