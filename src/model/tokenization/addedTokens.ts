// Added tokens: texts that are tokens wherever they stand, found before anything else looks at the text. Source:
// tokenizers' tokenizer/added_vocabulary.rs.

import { TokenizerError } from "../../tensor/errors.ts";
import {
  endsWithWord,
  escapeRegExp,
  skipWhiteSpace,
  skipWhiteSpaceBack,
  startsWithWord,
} from "./characters.ts";
import { isRecord, shorten } from "./description.ts";
import { slice, type Normalized, type Normalizer } from "./normalized.ts";
import type { VocabularyModel } from "./unigram.ts";

/** How an added token is looked for, and whether it is special. */
export interface AddedToken {
  readonly content: string;
  /** Only where no letter, digit or mark adjoins. */
  readonly single_word: boolean;
  /** Takes the white space before it. */
  readonly lstrip: boolean;
  /** Takes the white space behind it. */
  readonly rstrip: boolean;
  /** Looked for in normalised text, itself normalised; otherwise in the text as it is. */
  readonly normalized: boolean;
  readonly special: boolean;
}

/**
 * An added token from its JSON: a text, or an object with its content and flags.
 * @throws {TokenizerError} for something that is neither
 */
export function readAddedToken(where: string, value: unknown, special = false): AddedToken {
  const fields = typeof value === "string" ? { content: value } : value;
  if (!isRecord(fields) || typeof fields["content"] !== "string") {
    throw new TokenizerError(
      `${where}: tokens must be texts or objects with a content, got ${shorten(value)}`,
    );
  }
  const flag = (key: string, fallback: boolean) => {
    const flagged = fields[key] ?? fallback;
    if (typeof flagged === "boolean") return flagged;
    throw new TokenizerError(`${where}: ${key} must be true or false, got ${shorten(flagged)}`);
  };
  const isSpecial = flag("special", special);
  return {
    content: fields["content"],
    single_word: flag("single_word", false),
    lstrip: flag("lstrip", false),
    rstrip: flag("rstrip", false),
    normalized: flag("normalized", !isSpecial),
    special: isSpecial,
  };
}

/** A piece of text that is a token (`id`), or is still to be cut up. */
export interface Segment {
  readonly piece: Normalized;
  readonly id: number | undefined;
}

/** The added tokens of a tokenizer, with their ids. */
export class AddedTokens {
  readonly #byId = new Map<number, AddedToken>();
  /** What is looked for, and what decoding writes: the content, normalised where the token is. */
  readonly #texts = new Map<number, string>();
  readonly #ids = new Map<string, number>();
  readonly #raw: Search;
  readonly #normalized: Search;
  readonly #normalizer: Normalizer;

  /**
   * @param tokens a later one of the same content replaces an earlier one
   * @param model gives the ids of contents that are pieces; others get the next free ids
   */
  constructor(tokens: Iterable<AddedToken>, model: VocabularyModel, normalizer: Normalizer) {
    let next = model.vocab.length;
    for (const token of tokens) {
      if (token.content === "") continue;
      const id = this.#ids.get(token.content) ?? model.ids.get(token.content) ?? next;
      if (id === next) next += 1;
      this.#ids.set(token.content, id);
      this.#byId.set(id, token);
    }
    this.#normalizer = normalizer;
    for (const [id, { content, normalized }] of this.#byId) {
      this.#texts.set(id, normalized ? normalizer({ text: content, head: 0 }).text : content);
    }
    const search = (inNormalized: boolean) => {
      const those = [...this.#byId].filter(([, { normalized }]) => normalized === inNormalized);
      return new Search(
        those.map(([id]) => [this.#texts.get(id)!, id]),
        this.#byId,
      );
    };
    this.#raw = search(false);
    this.#normalized = search(true);
  }

  get texts(): ReadonlyMap<number, string> {
    return this.#texts;
  }

  /** Ids that decoding without special tokens leaves out. A normalised text that is no token's content is none. */
  get specialIds(): Set<number> {
    const special = [...this.#byId.values()].filter((token) => token.special);
    const contents = new Set(special.map(({ content }) => content));
    return new Set([...this.#texts].filter(([, text]) => contents.has(text)).map(([id]) => id));
  }

  get ids(): ReadonlyMap<string, number> {
    return this.#ids;
  }

  /** Finds tokens in the text, normalises what lies between them, and finds tokens there too. */
  split(text: string): Segment[] {
    const first = text.codePointAt(0) ?? 0;
    const input = { text, head: first > 0xffff ? 2 : 1 };
    return this.#raw.split(input).flatMap((segment) => {
      if (segment.id !== undefined) return [segment];
      return this.#normalized.split(this.#normalizer(segment.piece));
    });
  }
}

/** Finds some texts in others: of those that begin first, the longest. */
class Search {
  readonly #pattern: RegExp | undefined;
  readonly #ids = new Map<string, number>();
  readonly #tokens: ReadonlyMap<number, AddedToken>;

  constructor(
    contents: readonly (readonly [string, number])[],
    tokens: ReadonlyMap<number, AddedToken>,
  ) {
    for (const [content, id] of contents) {
      if (content !== "" && !this.#ids.has(content)) this.#ids.set(content, id);
    }
    this.#tokens = tokens;
    const longestFirst = [...this.#ids.keys()].sort((a, b) => b.length - a.length);
    const choices = longestFirst.map(escapeRegExp).join("|");
    this.#pattern = choices === "" ? undefined : new RegExp(choices, "gu");
  }

  split(input: Normalized): Segment[] {
    const { text } = input;
    const segments: Segment[] = [];
    let from = 0;
    const push = (start: number, end: number, id?: number) => {
      if (end > start) segments.push({ piece: slice(input, start, end), id });
    };
    for (const match of this.#pattern === undefined ? [] : text.matchAll(this.#pattern)) {
      const id = this.#ids.get(match[0])!;
      const token = this.#tokens.get(id)!;
      let start = match.index;
      let end = start + match[0].length;
      const isWord = !endsWithWord(text.slice(0, start)) && !startsWithWord(text.slice(end));
      if (token.single_word && !isWord) continue;
      // White space that the token before took is not taken again.
      if (token.lstrip) start = Math.max(skipWhiteSpaceBack(text, start), from);
      if (token.rstrip) end = skipWhiteSpace(text, end);
      push(from, start);
      push(start, end, id);
      from = end;
    }
    push(from, text.length);
    return segments;
  }
}
