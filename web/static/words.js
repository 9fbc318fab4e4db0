// The page's language: its messages, numbers and moments. `_` and `n_` are gettext's names; placeholders are %(name)s.

const page = document.documentElement;
export const language = page.lang;
export const zone = page.dataset.zone || undefined; // the site's, else the tablet's own
// Digits as on labels and keys, in every language.
export const locale = language === "en" ? undefined : `${language}-u-nu-latn`;
export const decimalMark = new Intl.NumberFormat(locale || "en").formatToParts(0.5).find((part) => part.type === "decimal").value;

// What somebody typed with the digits of an Arabic or Persian keyboard, in those of labels and keys, as the node reads it.
export const latin = (text) => text.replace(/[٠-٩۰-۹]/g, (digit) => digit.charCodeAt(0) & 15).replace("٫", ".");

const rightToLeft = page.dir === "rtl";
export const arrow = rightToLeft ? "←" : "→";
const RIGHT_TO_LEFT = /[\u0590-\u08ff]/;
const plurals = new Intl.PluralRules(language);
const CATEGORIES = ["zero", "one", "two", "few", "many", "other"]; // the order of the forms in a catalogue
const forms = CATEGORIES.filter((category) => plurals.resolvedOptions().pluralCategories.includes(category));

let known = {};
if (page.dataset.words) {
  // Without them English is shown, which is better than nothing.
  known = await fetch(page.dataset.words).then((answer) => answer.json()).catch(() => ({}));
}

// What is put into a sentence keeps its own direction: a code must not turn the words around it.
export function apart(value) {
  const text = String(value);
  return rightToLeft || RIGHT_TO_LEFT.test(text) ? `\u2068${text}\u2069` : text;
}

const filled = (text, values) => text.replace(/%\((\w+)\)s/g, (whole, name) => (name in values ? apart(values[name]) : whole));

export const _ = (text, values = {}) => filled(known[text] || text, values);

export function n_(one, many, num, values = {}) {
  const said = known[one] || [one, many];
  const form = known[one] ? forms.indexOf(plurals.select(num)) : Number(num !== 1);
  return filled(said[form], { num, ...values });
}
