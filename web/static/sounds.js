// Tones are made, not loaded. A browser allows them after the first touch.

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

addEventListener("pointerdown", () => { context ??= new AudioContext(); context.resume(); }, { passive: true });

export function sound(level) {
  if (context && context.state === "running") TONES[level]?.();
  // Refused with a complaint before the first touch.
  if (navigator.userActivation?.hasBeenActive ?? true) navigator.vibrate?.(BUZZ[level] || 0);
}
