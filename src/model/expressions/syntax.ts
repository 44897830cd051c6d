// Regular expressions of Python's `re` (without flags: of JavaScript too) as trees. What would need more than linear time
// (references to groups) or has no use here (possessive and atomic groups, conditions) is refused by name.

import { isWord, Scanner, unread, type Characters } from "./characters.ts";

export type Node =
  | { readonly kind: "characters"; readonly matches: Characters }
  | { readonly kind: "place"; readonly holds: (text: readonly number[], at: number) => boolean }
  | { readonly kind: "sequence"; readonly parts: readonly Node[] }
  | { readonly kind: "choice"; readonly branches: readonly Node[] }
  | { readonly kind: "group"; readonly name: string; readonly inner: Node }
  | {
      readonly kind: "repeat";
      readonly inner: Node;
      readonly least: number;
      readonly most: number;
      readonly lazy: boolean;
    }
  | {
      readonly kind: "look";
      readonly inner: Node;
      readonly behind: boolean;
      readonly negated: boolean;
    };

/** Groups in groups. */
const MOST_DEPTH = 50;
/** Repetitions are written out, so this many copies of what repeats. */
const MOST_COPIES = 1000;

interface Flags {
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
}

const NEWLINE = 10;
const HEAD_FLAGS = /^(?:\(\?[aimsu]+\))*/;
const QUANTIFIER = /^(?:[*+?]|\{(\d*)(,?)(\d*)\})/;

/** @throws {SyntaxError} saying what cannot be read */
export function parseExpression(source: string): Node {
  return new Parser(source).parse();
}

class Parser {
  readonly #scanner: Scanner;
  readonly #names = new Set<string>();
  #flags: Flags;
  #depth = 0;

  constructor(source: string) {
    this.#scanner = new Scanner(source);
    const head = HEAD_FLAGS.exec(source)![0];
    this.#scanner.at = head.length;
    this.#flags = { i: head.includes("i"), m: head.includes("m"), s: head.includes("s") };
  }

  parse(): Node {
    const node = this.#choice();
    if (this.#scanner.at < this.#scanner.source.length) throw new SyntaxError(") without (");
    return node;
  }

  #choice(): Node {
    const branches: Node[] = [];
    do branches.push(this.#sequence());
    while (this.#scanner.takes("|"));
    return branches.length === 1 ? branches[0]! : { kind: "choice", branches };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    for (;;) {
      const next = this.#scanner.source[this.#scanner.at];
      if (next === undefined || next === "|" || next === ")") break;
      if (this.#scanner.takes("(?#")) {
        const end = this.#scanner.source.indexOf(")", this.#scanner.at);
        if (end < 0) throw new SyntaxError("(?# without )");
        this.#scanner.at = end + 1;
        continue;
      }
      const quantifier = QUANTIFIER.exec(this.#scanner.rest);
      if (quantifier !== null && quantifier[0] !== "{}") {
        parts.push(this.#repetition(parts.pop(), quantifier));
        continue;
      }
      parts.push(this.#item(next));
    }
    return parts.length === 1 ? parts[0]! : { kind: "sequence", parts };
  }

  #repetition(inner: Node | undefined, [text, low, comma, high]: RegExpExecArray): Node {
    if (inner === undefined || inner.kind === "place")
      throw new SyntaxError(`${text} with nothing to repeat`);
    if (inner.kind === "repeat") throw new SyntaxError(`${text} behind a repetition`);
    this.#scanner.at += text.length;
    if (this.#scanner.source[this.#scanner.at] === "+") throw unread(`${text}+`);
    const lazy = this.#scanner.takes("?");
    const counted = text.startsWith("{");
    const least = counted ? Number(low || "0") : text === "+" ? 1 : 0;
    const most = !counted
      ? text === "?"
        ? 1
        : Infinity
      : comma === ""
        ? least
        : high
          ? Number(high)
          : Infinity;
    if (most < least) throw new SyntaxError(`${text} from more to fewer`);
    if (Math.max(least, most === Infinity ? 0 : most) > MOST_COPIES)
      throw new SyntaxError(`${text} of more than ${MOST_COPIES}`);
    return { kind: "repeat", inner, least, most, lazy };
  }

  #item(character: string): Node {
    switch (character) {
      case "(":
        return this.#group();
      case "[":
        return {
          kind: "characters",
          matches: this.#scanner.class((matches) => this.#cased(matches)),
        };
      case "\\":
        return this.#escape();
      case ".": {
        this.#scanner.at++;
        const { s } = this.#flags;
        return { kind: "characters", matches: (code) => s || code !== NEWLINE };
      }
      case "^": {
        this.#scanner.at++;
        const { m } = this.#flags;
        return {
          kind: "place",
          holds: (text, at) => at === 0 || (m && text[at - 1] === NEWLINE),
        };
      }
      case "$": {
        this.#scanner.at++;
        const { m } = this.#flags;
        return {
          kind: "place",
          holds: (text, at) =>
            at === text.length || (text[at] === NEWLINE && (m || at === text.length - 1)),
        };
      }
      default:
        return this.#literal(this.#scanner.code());
    }
  }

  #literal(code: number): Node {
    return { kind: "characters", matches: this.#cased((other) => other === code) };
  }

  /** Whatever the case where `(?i)` stands. */
  #cased(matches: Characters): Characters {
    if (!this.#flags.i) return matches;
    return (code) => {
      const text = String.fromCodePoint(code);
      return [text, text.toLowerCase(), text.toUpperCase()].some(
        (each) => each.length === text.length && matches(each.codePointAt(0)!),
      );
    };
  }

  #group(): Node {
    if (++this.#depth > MOST_DEPTH) throw new SyntaxError(`groups more than ${MOST_DEPTH} deep`);
    const flags = this.#flags;
    const node = this.#opened();
    if (!this.#scanner.takes(")")) throw new SyntaxError("( without )");
    this.#flags = flags;
    this.#depth--;
    // A group of its own, for a repetition behind it repeats all of it and is no second one.
    return node.kind === "look" || node.kind === "group"
      ? node
      : { kind: "sequence", parts: [node] };
  }

  #opened(): Node {
    for (const [text, behind, negated] of LOOKS) {
      if (this.#scanner.takes(text))
        return { kind: "look", inner: this.#choice(), behind, negated };
    }
    if (this.#scanner.takes("(?:")) return this.#choice();
    const named = /^\(\?P<([A-Za-z_]\w*)>/.exec(this.#scanner.rest);
    if (named !== null) {
      const name = named[1]!;
      if (this.#names.has(name)) throw new SyntaxError(`two groups called ${name}`);
      this.#names.add(name);
      this.#scanner.at += named[0].length;
      return { kind: "group", name, inner: this.#choice() };
    }
    const scoped = /^\(\?([ims]*)(?:-([ims]+))?:/.exec(this.#scanner.rest);
    if (scoped !== null) {
      this.#scanner.at += scoped[0].length;
      const [, on = "", off = ""] = scoped;
      const set = (flag: keyof Flags) =>
        on.includes(flag) || (this.#flags[flag] && !off.includes(flag));
      this.#flags = { i: set("i"), m: set("m"), s: set("s") };
      return this.#choice();
    }
    if (this.#scanner.rest.startsWith("(?"))
      throw unread(/^\(\?(?:\w+|[^\w)])?/.exec(this.#scanner.rest)![0]);
    this.#scanner.at++;
    return this.#choice();
  }

  #escape(): Node {
    const place = PLACES[this.#scanner.source[this.#scanner.at + 1] ?? ""];
    if (place !== undefined) {
      this.#scanner.at += 2;
      return { kind: "place", holds: place };
    }
    const shorthand = this.#scanner.shorthand();
    if (shorthand !== undefined) return { kind: "characters", matches: shorthand };
    return this.#literal(this.#scanner.escaped());
  }
}

const LOOKS = [
  ["(?=", false, false],
  ["(?!", false, true],
  ["(?<=", true, false],
  ["(?<!", true, true],
] as const;

const isBoundary = (text: readonly number[], at: number): boolean =>
  isWord(text[at - 1]) !== isWord(text[at]);

const PLACES: Readonly<
  Record<string, ((text: readonly number[], at: number) => boolean) | undefined>
> = {
  A: (_, at) => at === 0,
  Z: (text, at) => at === text.length,
  b: isBoundary,
  B: (text, at) => !isBoundary(text, at),
};
