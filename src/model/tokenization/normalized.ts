// Text on its way through normalisers and pre-tokenisers. Beside the text, only one fact about its origin is kept,
// the one that word marks ask for: does a piece begin where the input began?

/** A piece of text with a trace of where it came from. */
export interface Normalized {
  readonly text: string;
  /** How many leading UTF-16 units of `text` came from the first character of the whole input. */
  readonly head: number;
}

export type Normalizer = (input: Normalized) => Normalized;

/**
 * Where the characters of a replacement come from: each from its own character; the same, but what was removed at the
 * very start does not count (as in Rust's character maps); or all from the last character that was replaced.
 */
export type Alignment = "each" | "charsmap" | "last";

/** The part of a text from `start` to `end`. */
export function slice(input: Normalized, start: number, end: number): Normalized {
  return { text: input.text.slice(start, end), head: Math.max(0, input.head - start) };
}

/** Puts characters before a text that is not empty; they count as coming from its first character. */
export function prepend(input: Normalized, prefix: string): Normalized {
  if (input.text === "") return input;
  return { text: prefix + input.text, head: input.head > 0 ? input.head + prefix.length : 0 };
}

/** Replaces parts of a text from left to right; what is not replaced stays. */
export class Rewriting {
  readonly #input: Normalized;
  readonly #alignment: Alignment;
  readonly #parts: string[] = [];
  #length = 0;
  #copied = 0;
  /** End of the input's head, moved by removals that do not count. */
  #headEnd: number;
  #head = 0;

  constructor(input: Normalized, alignment: Alignment) {
    this.#input = input;
    this.#alignment = alignment;
    this.#headEnd = input.head;
  }

  /** Replaces the units from `start` to `end`, which must lie behind the last replacement. */
  replace(start: number, end: number, replacement: string): void {
    this.#copy(start);
    if (this.#alignment === "charsmap" && this.#length === 0 && replacement === "") {
      if (this.#headEnd > 0) this.#headEnd += end - start;
    } else if (start < this.#headEnd) {
      this.#head += this.#headOf(start, end, replacement);
    }
    this.#push(replacement);
    this.#copied = end;
  }

  finish(): Normalized {
    if (this.#copied === 0 && this.#length === 0) return this.#input;
    this.#copy(this.#input.text.length);
    return { text: this.#parts.join(""), head: this.#head };
  }

  #copy(until: number): void {
    if (until <= this.#copied) return;
    this.#head += Math.max(0, Math.min(until, this.#headEnd) - this.#copied);
    this.#push(this.#input.text.slice(this.#copied, until));
    this.#copied = until;
  }

  #push(part: string): void {
    this.#parts.push(part);
    this.#length += part.length;
  }

  #headOf(start: number, end: number, replacement: string): number {
    if (end <= this.#headEnd) return replacement.length;
    return this.#alignment === "last" ? 0 : Math.min(replacement.length, this.#headEnd - start);
  }
}
