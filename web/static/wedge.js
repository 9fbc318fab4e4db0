// A keyboard scanner on any page: keys that come faster than a hand types, ended by Enter or Tab.
// Gaps are taken from the event's own time, so a busy page does not split a code; a scan never stays in a text field.

const GAP_MS = 100;
const GAP_FIELD_MS = 50; // in a text field a person may be typing, and some type fast
const LENGTH_MIN = 4;
const LENGTH_MAX = 4096;

function restore({ field, value, range }) {
  if (!field) return;
  field.value = value;
  if (range[0] !== null) field.setSelectionRange(...range);
}

function noted(target) {
  const field = target.closest?.("input, textarea, select") || null;
  const range = field && "selectionStart" in field ? [field.selectionStart, field.selectionEnd] : [null, null];
  return { field, value: field?.value, range };
}

// `typed(text, field)` may claim fast keys as typing, as the digits of a PIN.
export function onScan(take, typed = () => false) {
  let text = "", first = 0, last = 0, before = { field: null };
  addEventListener("keydown", (event) => {
    if (!text || event.timeStamp - last > GAP_MS) {
      text = "";
      first = event.timeStamp;
      before = noted(event.target);
    }
    last = event.timeStamp;
    if (event.key === "Enter" || event.key === "Tab") {
      const gap = (last - first) / Math.max(text.length, 1);
      const fast = gap <= (before.field ? GAP_FIELD_MS : GAP_MS);
      if (text.length >= LENGTH_MIN && fast && !typed(text, before.field)) {
        event.preventDefault();
        event.stopPropagation();
        restore(before);
        take(text);
      }
      text = "";
      return;
    }
    // A space inside a code must not press the button that has the focus.
    if (event.key === " " && text && !before.field) event.preventDefault();
    if (event.ctrlKey && event.key === "]") text += "\u001d"; // how many scanners type the GS1 separator
    else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && text.length < LENGTH_MAX) text += event.key;
  }, true);
  document.documentElement.dataset.scanner = "heard"; // from now on no key of one is missed
}
