// Tones are made, not loaded. A browser allows them after the first touch or key of a page; those of a scanner are some.

const WAKING_MS = 500;
let context;

function tone(frequency, start, length, shape) {
  const source = context.createOscillator();
  const volume = context.createGain();
  source.type = shape;
  source.frequency.value = frequency;
  volume.gain.setValueAtTime(0.15, context.currentTime + start);
  volume.gain.exponentialRampToValueAtTime(0.001, context.currentTime + start + length);
  source.connect(volume).connect(context.destination);
  source.start(context.currentTime + start);
  source.stop(context.currentTime + start + length);
}

const TONES = {
  good: () => tone(1760, 0, 0.09, "sine"),
  held: () => tone(1320, 0, 0.09, "sine"),
  warn: () => [0, 0.14].forEach((start) => tone(660, start, 0.12, "triangle")),
  bad: () => [0, 0.16, 0.32].forEach((start) => tone(220, start, 0.13, "square")),
};
const BUZZ = { good: 40, held: 40, warn: [60, 60, 60], bad: [150, 80, 150, 80, 150] };

// Asked for before, both are refused with a complaint.
const mayBe = () => navigator.userActivation?.hasBeenActive ?? true;

// Also where the browser has put it to rest. A tone that would come only after a later touch is none.
async function awake() {
  if (!mayBe()) return false;
  try {
    context ??= new AudioContext();
    if (context.state !== "running") await Promise.race([context.resume(), new Promise((resolve) => setTimeout(resolve, WAKING_MS))]);
  } catch { /* a tablet without sound */ }
  return context?.state === "running";
}
for (const each of ["pointerdown", "keydown"]) addEventListener(each, awake, { passive: true, capture: true });

export async function sound(level) {
  if (mayBe()) navigator.vibrate?.(BUZZ[level] || 0);
  if (await awake()) TONES[level]?.();
}
