// The pre-tokenisers of tokenizer.json, as the Rust tokenizers apply them: text to words.

import { TokenizerError } from "../../tensor/errors.ts";
import { byteLevelPreTokenizer } from "./byteLevel.ts";
import { escapeRegExp } from "./characters.ts";
import {
  choiceField,
  listField,
  refuseKind,
  shorten,
  stringField,
  type Description,
} from "./description.ts";
import { buildMetaspace } from "./metaspace.ts";
import { NEWER_PUNCTUATION } from "./newerCharacters.ts";
import type { Normalized } from "./normalized.ts";
import { compilePattern } from "./pattern.ts";
import { BEHAVIORS, splitBy, type Behavior } from "./splits.ts";

/** ASCII's punctuation and what Rust's tables have of Unicode's. */
const PUNCTUATION = new RegExp(`(?![${NEWER_PUNCTUATION}])[\\p{P}$+<=>^\`|~]`, "gu");

export type PreTokenizer = (input: Normalized) => readonly Normalized[];

/** Kinds of pre-tokeniser that are applied; every other is refused by name. */
export const PRE_TOKENIZERS: Readonly<Record<string, (description: Description) => PreTokenizer>> =
  {
    Sequence: sequence,
    Metaspace: buildMetaspace,
    WhitespaceSplit: () => splitting(/\p{White_Space}/gu, "Removed"),
    Whitespace: () =>
      splitting(
        /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu,
        "Removed",
        true,
      ),
    CharDelimiterSplit: (description) =>
      splitting(new RegExp(escapeRegExp(stringField(description, "delimiter")), "gu"), "Removed"),
    Split: (description) => {
      const invert = description["invert"] === true;
      return splitting(compilePattern(description), behaviorOf(description), invert);
    },
    Digits: ({ individual_digits: individual = false }) =>
      splitting(/\p{N}/gu, individual === true ? "Isolated" : "Contiguous"),
    Punctuation: (description) => splitting(PUNCTUATION, behaviorOf(description, "Isolated")),
    ByteLevel: byteLevelPreTokenizer,
  };

/** @throws {TokenizerError} for a pre-tokeniser that is not supported, by its name */
export function buildPreTokenizer(description: Description | null): PreTokenizer {
  if (description === null) return (input) => [input];
  const build =
    PRE_TOKENIZERS[description.type] ?? refuseKind("pre_tokenizer", description, PRE_TOKENIZERS);
  return build(description);
}

function sequence(description: Description): PreTokenizer {
  const steps = listField(description, "pretokenizers").map(buildPreTokenizer);
  return (input) =>
    steps.reduce<readonly Normalized[]>(
      (pieces, step) => pieces.flatMap((piece) => step(piece)).filter(({ text }) => text !== ""),
      [input],
    );
}

function splitting(pattern: RegExp, behavior: Behavior, invert = false): PreTokenizer {
  return (input) => splitBy(input, pattern, behavior, invert);
}

function behaviorOf(description: Description, fallback?: Behavior): Behavior {
  const { behavior } = description;
  if (behavior !== undefined && typeof behavior !== "string") {
    throw new TokenizerError(
      `${description.type}: behavior must be a text, got ${shorten(behavior)}`,
    );
  }
  return choiceField(description, "behavior", BEHAVIORS, fallback);
}
