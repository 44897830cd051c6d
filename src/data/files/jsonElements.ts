// Finds where the values of a JSON text begin and end, without parsing them, so that a list larger than a string is read
// element by element.

import { LONGEST_TEXT } from "../textFile.ts";

/** A value as it stands in the file. */
export interface JsonElement {
  readonly text: string;
  /** Of the file, from 1, on which it begins. */
  readonly line: number;
}

/**
 * The elements of the list that a text holds, or without a list its values one after another. What is no JSON comes out
 * as it stands, for the parser to refuse.
 * @throws {RangeError} while iterating, for an element longer than LONGEST_TEXT, before it fills the memory
 */
export async function* jsonElements(
  pieces: AsyncIterable<string>,
  isList: boolean,
): AsyncGenerator<JsonElement, void, undefined> {
  const splitter = new Splitter(isList ? 1 : 0);
  for await (const piece of pieces) yield* splitter.push(piece);
  yield* splitter.end();
}

class Splitter {
  /** How many brackets are open around an element. */
  readonly #level: number;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  #line = 1;
  /** What was read of the element that is not complete yet. */
  #text = "";
  #begin = 1;
  #hasList = false;

  constructor(level: number) {
    this.#level = level;
  }

  *push(piece: string): Generator<JsonElement, void, undefined> {
    let from = 0;
    for (let i = 0; i < piece.length; i++) {
      const character = piece[i]!;
      if (character === "\n") this.#line++;
      if (this.#isInString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (character === "\\") this.#isEscaped = true;
        else if (character === '"') this.#isInString = false;
        continue;
      }
      if (character === '"') this.#isInString = true;
      const opens = character === "[" || character === "{";
      const closes = character === "]" || character === "}";
      if (opens && this.#depth++ === 0 && this.#level === 1 && !this.#hasList) {
        this.#hasList = true;
        from = i + 1;
        this.#start();
      } else if (closes && this.#depth-- === this.#level) {
        // Of the list itself, or a bracket too many, which the parser is to see.
        if (this.#level === 1) yield* this.#finish(piece.slice(from, i), true);
        from = this.#level === 1 ? i + 1 : from;
      } else if (closes && this.#depth === 0 && this.#level === 0) {
        yield* this.#finish(piece.slice(from, i + 1), false);
        from = i + 1;
      } else if (character === "," && this.#depth === 1 && this.#level === 1) {
        yield this.#element(this.#text + piece.slice(from, i));
        from = i + 1;
        this.#start();
      }
    }
    this.#text += piece.slice(from);
    if (this.#text.length > LONGEST_TEXT) throw new RangeError("longer than texts may be");
  }

  /** What is left: nothing, or something that is not whole or does not belong there. */
  *end(): Generator<JsonElement, void, undefined> {
    if (this.#text.trim() !== "" || this.#depth > 0) yield this.#element(this.#text);
  }

  *#finish(rest: string, mayBeEmpty: boolean): Generator<JsonElement, void, undefined> {
    const text = this.#text + rest;
    if (!mayBeEmpty || text.trim() !== "") yield this.#element(text);
    this.#start();
  }

  #element(text: string): JsonElement {
    const blank = text.slice(0, text.length - text.trimStart().length);
    return { text, line: this.#begin + blank.split("\n").length - 1 };
  }

  #start(): void {
    this.#text = "";
    this.#begin = this.#line;
  }
}
