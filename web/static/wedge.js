// A keyboard scanner on any page: keys that come faster than a hand types, ended by Enter or Tab.
// Gaps are taken from the event's own time, so a busy page does not split a code; a scan never stays in a text field.

const GAP_MS = 100;
const LENGTH_MIN = 4;
const LENGTH_MAX = 4096;

export function onScan(take) {
  let text = "", last = 0, fast = true, field = null, before = "";
  addEventListener("keydown", (event) => {
    const gap = event.timeStamp - last;
    if (gap > GAP_MS) {
      text = "";
      fast = true;
      field = event.target.closest?.("input, textarea") || null;
      before = field ? field.value : "";
    }
    last = event.timeStamp;
    if (event.key === "Enter" || event.key === "Tab") {
      if (text.length >= LENGTH_MIN && fast) {
        event.preventDefault();
        event.stopPropagation();
        if (field) field.value = before;
        take(text);
      }
      text = "";
      return;
    }
    if (event.ctrlKey && event.key === "]") text += "\u001d"; // how many scanners type the GS1 separator
    else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && text.length < LENGTH_MAX) text += event.key;
  }, true);
}
