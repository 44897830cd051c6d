// Classes of characters as Rust and its regex crate define them. JavaScript's \s and trim differ: they lack
// U+0085 and take U+FEFF.

/** One character that Rust's `char::is_whitespace` takes. */
export const WHITE_SPACE = /\p{White_Space}/u;

/** Rust's \w: letters, marks, decimal digits, connectors and the two joiners. */
const WORD = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]";
const STARTS_WITH_WORD = new RegExp(`^${WORD}`, "u");
const ENDS_WITH_WORD = new RegExp(`${WORD}$`, "u");

export function isWhiteSpace(character: string): boolean {
  return WHITE_SPACE.test(character);
}

export function startsWithWord(text: string): boolean {
  return STARTS_WITH_WORD.test(text);
}

export function endsWithWord(text: string): boolean {
  // Two units hold the last character; a whole text would be searched from its start.
  return ENDS_WITH_WORD.test(text.slice(-2));
}

/** Index behind the white space that follows `start`. */
export function skipWhiteSpace(text: string, start: number): number {
  // No white space lies outside the basic plane, so units are characters here.
  let end = start;
  while (end < text.length && isWhiteSpace(text[end]!)) end += 1;
  return end;
}

/** Index of the first of the white spaces that end at `end`. */
export function skipWhiteSpaceBack(text: string, end: number): number {
  let start = end;
  while (start > 0 && isWhiteSpace(text[start - 1]!)) start -= 1;
  return start;
}

/** Characters with a meaning in regular expressions, made literal. */
export function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
