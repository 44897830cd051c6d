// Word marks: spaces become ▁, and words begin at each ▁.

import { TokenizerError } from "../../tensor/errors.ts";
import { choiceField, shorten, stringField, type Description } from "./description.ts";
import { prepend, slice, type Normalized } from "./normalized.ts";

export const PREPEND_SCHEMES = ["always", "first", "never"] as const;
/** Which pieces get a mark before them: all, the one that begins the text, none. */
export type PrependScheme = (typeof PREPEND_SCHEMES)[number];

/** What a Metaspace pre-tokeniser and decoder have in common. */
export interface MetaspaceOptions {
  readonly mark: string;
  readonly scheme: PrependScheme;
}

/** @throws {TokenizerError} for options that contradict each other, or a mark of more than one character */
export function metaspaceOptions(description: Description): MetaspaceOptions {
  const mark = stringField(description, "replacement");
  const { add_prefix_space: prefix } = description;
  const scheme = choiceField(description, "prepend_scheme", PREPEND_SCHEMES, "always");
  if ([...mark].length !== 1) {
    throw new TokenizerError(`Metaspace: replacement must be one character, got ${shorten(mark)}`);
  }
  if (prefix === false && scheme !== "never") {
    throw new TokenizerError(
      `Metaspace: prepend_scheme must be never where add_prefix_space is false, got ${scheme}`,
    );
  }
  return { mark, scheme };
}

export function buildMetaspace(
  description: Description,
): (input: Normalized) => readonly Normalized[] {
  const { mark, scheme } = metaspaceOptions(description);
  const splits = description["split"] !== false;
  return (input) => {
    const text = input.text.replaceAll(" ", () => mark);
    const marked = { text, head: mark.length === 1 ? input.head : Math.min(input.head, 1) };
    const takesMark = scheme === "always" || (scheme === "first" && input.head > 0);
    const word = takesMark && !text.startsWith(mark) ? prepend(marked, mark) : marked;
    return splits ? cutAtMarks(word, mark) : [word];
  };
}

function cutAtMarks(input: Normalized, mark: string): Normalized[] {
  const { text } = input;
  const words: Normalized[] = [];
  let start = 0;
  while (start < text.length) {
    const next = text.indexOf(mark, start + 1);
    const end = next < 0 ? text.length : next;
    words.push(slice(input, start, end));
    start = end;
  }
  return words;
}
