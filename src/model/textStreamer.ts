// Text while it is generated, by the rules of transformers' TextStreamer (generation/streamers.py): tokens are decoded
// together, for single ones lose the blanks between words, and text is given away when no further token can change it.

import type { TokenStreamer } from "../generation/session.ts";
import { ArgumentError } from "../tensor/errors.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** How `TextStreamer` writes. */
export interface TextStreamerOptions {
  /** Leaves out what the decoder begins with, in T5 `<pad>`. Default false, as in transformers. */
  readonly skipPrompt?: boolean | undefined;
  /** Leaves out `<pad>`, `</s>` and the sentinels. Default false. */
  readonly skipSpecialTokens?: boolean | undefined;
  /**
   * Receives the text, piece by piece; awaited. Default: to stdout, with a newline at the end; in a page to the console.
   * @param isEnd after the last token; the text may then be empty
   */
  readonly callback?: ((text: string, isEnd: boolean) => unknown) | undefined;
}

/** Blocks of CJK ideographs: their texts have no blanks, so each is given away as it comes. */
const IDEOGRAPHS = [
  [0x4e00, 0x9fff],
  [0x3400, 0x4dbf],
  [0x20000, 0x2a6df],
  [0x2a700, 0x2b73f],
  [0x2b740, 0x2b81f],
  [0x2b820, 0x2ceaf],
  [0xf900, 0xfaff],
  [0x2f800, 0x2fa1f],
] as const;

/**
 * A streamer for `generate` that writes whole words: `streamer: new TextStreamer(tokenizer, { skipSpecialTokens: true })`.
 * One instance serves one call after another, each of one row.
 */
export class TextStreamer implements TokenStreamer {
  readonly #tokenizer: Pick<Tokenizer, "decode">;
  readonly #options: TextStreamerOptions;
  /** Since the last newline. */
  #tokens: number[] = [];
  /** Characters of their text that were given away. */
  #shown = 0;

  /** @throws {ArgumentError} without a tokenizer */
  constructor(tokenizer: Pick<Tokenizer, "decode">, options: TextStreamerOptions = {}) {
    if (typeof (tokenizer as Partial<Tokenizer> | undefined)?.decode !== "function") {
      throw new ArgumentError(
        `TextStreamer: must be given a tokenizer, got ${typeof tokenizer}. Pass the one that decodes the model's tokens.`,
      );
    }
    this.#tokenizer = tokenizer;
    this.#options = options;
  }

  /** What the decoder begins with. */
  async prompt(tokens: number[]): Promise<void> {
    if (this.#options.skipPrompt !== true) await this.put(tokens);
  }

  /** @throws {ArgumentError} for more than one row */
  async put(tokens: number[]): Promise<void> {
    if (tokens.length !== 1) {
      throw new ArgumentError(
        `TextStreamer: must be given one row, got ${tokens.length}. Generate for one text at a time, with numReturnSequences 1.`,
      );
    }
    this.#tokens.push(...tokens);
    const text = this.#text();
    const end = finalLength(text);
    const final = text.slice(this.#shown, end);
    if (text.endsWith("\n")) this.#startAnew();
    else this.#shown = Math.max(this.#shown, end);
    if (final !== "") await this.onFinalizedText(final, false);
  }

  /** Gives away what is left. */
  async end(): Promise<void> {
    const rest = this.#text().slice(this.#shown);
    this.#startAnew();
    await this.onFinalizedText(rest, true);
  }

  /** Is given each piece of text; subclasses may do something else with it. */
  async onFinalizedText(text: string, isEnd: boolean): Promise<void> {
    const { callback = print } = this.#options;
    await callback(text, isEnd);
  }

  #text(): string {
    const { skipSpecialTokens } = this.#options;
    return this.#tokenizer.decode(this.#tokens, { skipSpecialTokens });
  }

  #startAnew(): void {
    this.#tokens = [];
    this.#shown = 0;
  }
}

/** Up to where no further token changes a text: its end after a newline or an ideograph, else its last blank. */
function finalLength(text: string): number {
  const last = Array.from(text.slice(-2)).at(-1)?.codePointAt(0) ?? 0;
  const isIdeograph = IDEOGRAPHS.some(([first, end]) => first <= last && last <= end);
  return text.endsWith("\n") || isIdeograph ? text.length : text.lastIndexOf(" ") + 1;
}

function print(text: string, isEnd: boolean): void {
  const stdout = typeof process === "undefined" ? undefined : process.stdout;
  if (stdout) stdout.write(isEnd ? `${text}\n` : text);
  else if (text !== "") console.log(text);
}
