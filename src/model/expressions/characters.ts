// What stands for one character in an expression: literals, escapes, classes.

/** A test of one character. */
export type Characters = (code: number) => boolean;

/** Walks over the text of an expression. */
export class Scanner {
  readonly source: string;
  at = 0;

  constructor(source: string) {
    this.source = source;
  }

  /** The next characters, as many as an element needs. */
  get rest(): string {
    return this.source.slice(this.at, this.at + 200);
  }

  takes(text: string): boolean {
    if (!this.source.startsWith(text, this.at)) return false;
    this.at += text.length;
    return true;
  }

  /** The next character, whatever it is. */
  code(): number {
    const code = this.source.codePointAt(this.at)!;
    this.at += code > 0xffff ? 2 : 1;
    return code;
  }

  /** `\\d` and the like; undefined where none stands here. */
  shorthand(): Characters | undefined {
    if (this.source[this.at] !== "\\") return undefined;
    const letter = this.source[this.at + 1] ?? "";
    const expression = Object.hasOwn(SHORTHANDS, letter) ? SHORTHANDS[letter] : undefined;
    if (expression === undefined) return undefined;
    this.at += 2;
    return (code) => expression.test(String.fromCodePoint(code));
  }

  /** A backslash that stands for one character. */
  escaped(): number {
    const letter = this.source[this.at + 1];
    if (letter === undefined) throw new SyntaxError("\\ at the end");
    if (letter === "x" || letter === "u") {
      const code = /^\\(?:x([\da-f]{2})|u([\da-f]{4}))/i.exec(this.rest);
      if (code === null) throw new SyntaxError(`\\${letter} without its digits`);
      this.at += code[0].length;
      return parseInt((code[1] ?? code[2])!, 16);
    }
    if (/\d/.test(letter)) throw unread(`\\${letter}`); // a reference to a group, or an octal number
    this.at++;
    if (!/[A-Za-z]/.test(letter)) return this.code();
    if (!Object.hasOwn(CONTROLS, letter)) throw unread(`\\${letter}`);
    this.at++;
    return CONTROLS[letter]!;
  }

  /**
   * A class, from its [ on.
   * @param cased makes a test that takes letters of either case, where the expression does
   */
  class(cased: (matches: Characters) => Characters): Characters {
    this.at++;
    const negated = this.takes("^");
    const first = this.at;
    const tests: Characters[] = [];
    // A ] at the beginning stands for itself.
    while (this.at === first || this.source[this.at] !== "]") {
      if (this.at >= this.source.length) throw new SyntaxError("[ without ]");
      const shorthand = this.shorthand();
      const low = shorthand === undefined ? this.#inClass() : undefined;
      const next = this.source[this.at + 1];
      const isRange = this.source[this.at] === "-" && next !== "]" && next !== undefined;
      if (!isRange) {
        tests.push(shorthand ?? cased((code) => code === low));
        continue;
      }
      this.at++;
      if (low === undefined || this.shorthand() !== undefined)
        throw new SyntaxError("a range to or from a class of characters");
      const high = this.#inClass();
      if (high < low) throw new SyntaxError("a range from a later to an earlier character");
      tests.push(cased((code) => code >= low && code <= high));
    }
    this.at++;
    return (code) => tests.some((test) => test(code)) !== negated;
  }

  #inClass(): number {
    if (this.source[this.at] !== "\\") return this.code();
    return this.takes("\\b") ? 8 : this.escaped(); // between [ and ], \b is backspace
  }
}

/** Python's classes of characters, tested on one character. */
const SHORTHANDS: Readonly<Record<string, RegExp>> = {
  d: /\p{Nd}/u,
  D: /\P{Nd}/u,
  w: /[\p{L}\p{N}_]/u,
  W: /[^\p{L}\p{N}_]/u,
  // Python counts the separators of ASCII, and no byte order mark.
  s: /(?!\ufeff)[\s\x1c-\x1f\x85]/u,
  S: /\ufeff|[^\s\x1c-\x1f\x85]/u,
};

const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };

export function isWord(code: number | undefined): boolean {
  return code !== undefined && SHORTHANDS["w"]!.test(String.fromCodePoint(code));
}

export function unread(part: string): SyntaxError {
  return new SyntaxError(`${part} is not read here`);
}
