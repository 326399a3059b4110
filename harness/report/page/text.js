// Text that came from outside: what hides in it is named, what is long is folded.

/** Characters shown of a long text before it's unfolded. */
export const FOLD = 2000;

/** Characters that each unfolding adds: more at once would stall the page. */
export const MORE = 50_000;

const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}]/u;
const SPLIT = /([\p{Cc}\p{Cf}\p{Cs}\p{Co}])/u;

/** The text in parts: `[text, hidden]`, where a hidden part is one control or format character. */
export function parts(text) {
  if (!HIDDEN.test(text)) return [[text, false]];
  const found = [];
  for (const part of text.split(SPLIT)) {
    if (part === "") continue;
    const hidden = HIDDEN.test(part) && part !== "\n" && part !== "\t";
    found.push(hidden ? [named(part), true] : [part, false]);
  }
  return found;
}

/** The text in one piece, for where no element can stand. */
export function plain(text) {
  return parts(text)
    .map(([part]) => part)
    .join("");
}

function named(character) {
  return `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** A number as people read it: percent with one decimal for fractions, else three digits. */
export function number(value, group) {
  if (value === null || value === undefined) return "";
  if (group.fraction) return (100 * value).toFixed(1);
  const text =
    Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
  return group.unit ? `${text} ${group.unit}` : text;
}

/** `1 sample`, `2 samples`. */
export function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}
