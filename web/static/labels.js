// The company's own labels, as the node reads them (`devices/decoders`): its rules come with the page. Whether a check
// character or digit fits is the node's to say.

// What a read is, {kind: bin | unit | badge | control, code}, or null for anything else. With `checked` a label has one more
// character at its end.
export function reader({ prefixes, pattern, pattern_text_max: longest, checked, gs1, retail }) {
  const fits = pattern ? new RegExp(`^(?:${pattern})$`, "u") : null; // the node takes none that reads otherwise here
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
    const found = [...plain].length <= longest && fits?.exec(plain);
    if (found) return { kind: "bin", code: found.groups?.code || plain };
    if (tag) return null;
    const sscc = /^[0-9]{18}$/.test(plain) ? plain : unit;
    return sscc ? { kind: "unit", code: sscc } : null;
  };
}
