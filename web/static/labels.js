// The company's own labels, as the node reads them (`devices/decoders`): its rules come with the page. Whether a check
// character or digit fits is the node's to say.

// The node's expression for bins without a prefix: Python and JavaScript write but the name of a group differently.
function whole(pattern) {
  try {
    return pattern ? new RegExp(`^(?:${pattern.replaceAll("(?P<", "(?<")})$`) : null;
  } catch { return null; } // one that this browser cannot read: such a label says nothing here, and the node reads it
}

// What a read is, {kind: bin | unit | badge | control, code}, or null for anything else. With `checked` a label has one more
// character at its end.
export function reader({ prefixes, pattern, pattern_text_max: longest, checked, gs1, retail }) {
  const fits = whole(pattern);
  return (text) => {
    const [tag] = /^\][A-Za-z][0-9A-Za-z]/.exec(text) || [""], plain = text.slice(tag.length);
    const unit = /^\u001d?(?:00|\(00\))([0-9]{18})/.exec(plain)?.[1]; // it stands first on every label of a unit
    if (gs1.includes(tag) || plain.includes("\u001d")) {
      const [, place, part] = /^\u001d?414([0-9]{13})(?:254([^\u001d]+))?$/.exec(plain) || [];
      if (place) return { kind: "bin", code: [place, part].filter(Boolean).join("/") };
      return unit ? { kind: "unit", code: unit } : null;
    }
    if (retail.includes(tag)) return null;
    const [kind, prefix] = Object.entries(prefixes).find(([, each]) => each && plain.startsWith(each)) || [];
    if (kind) return { kind, code: plain.slice(prefix.length, checked ? -1 : undefined) };
    const found = plain.length <= longest && fits?.exec(plain);
    if (found) return { kind: "bin", code: found.groups?.code || plain };
    if (tag) return null;
    const sscc = /^[0-9]{18}$/.test(plain) ? plain : unit;
    return sscc ? { kind: "unit", code: sscc } : null;
  };
}
