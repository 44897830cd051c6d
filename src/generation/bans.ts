// Processors that leave no other choice: they set scores to -Infinity.

import { ArgumentError } from "../tensor/errors.ts";
import type { GenerationOptions } from "./options.ts";
import { endsWith, type ScoreProcessor } from "./scoreProcessor.ts";

/** Bans every token that would complete `size` tokens in a row which the sequence already has. */
export function banRepeatedNgrams(size: number): ScoreProcessor {
  return (scores, ids) => banNgramsOf(ids, size, scores, ids);
}

/** Bans every token that would complete `size` tokens in a row of the encoder's input. @param inputs [batch] token ids */
export function banEncoderNgrams(
  size: number,
  inputs: readonly (readonly number[])[],
): ScoreProcessor {
  return (scores, ids, item) => banNgramsOf(inputs[item]!, size, scores, ids);
}

/** Bans what would make the last tokens of `ids` an n-gram of `known`. */
function banNgramsOf(
  known: readonly number[],
  size: number,
  scores: Float32Array,
  ids: readonly number[],
): void {
  const last = ids.length - (size - 1);
  if (last < 0) return;
  for (let start = 0; start + size <= known.length; start++) {
    let same = true;
    for (let i = 0; same && i < size - 1; i++) same = known[start + i] === ids[last + i];
    if (same) scores[known[start + size - 1]!] = -Infinity;
  }
}

/** Bans the last token of each word where those before it are there. A word is not banned as the whole decoder sequence. */
export function banWords(words: readonly (readonly number[])[]): ScoreProcessor {
  return (scores, ids) => {
    for (const word of words) {
      if (completes(word, ids)) scores[word.at(-1)!] = -Infinity;
    }
  };
}

/** Whether one more token could complete the sequence, as transformers sees it: not where it would be all there is. */
export function completes(sequence: readonly number[], ids: readonly number[]): boolean {
  if (sequence.length === 1) return true;
  return sequence.length <= ids.length && endsWith(ids, sequence.slice(0, -1));
}

/** Bans the end tokens while the sequence, start token included, is shorter than `minLength`. */
export function banEndBefore(minLength: number, eosTokenIds: readonly number[]): ScoreProcessor {
  return (scores, ids) => {
    if (ids.length < minLength) ban(eosTokenIds, scores);
  };
}

/** Bans the tokens everywhere, or at one length alone. @param length of the decoder sequence before the token */
export function banTokens(tokens: readonly number[], length?: number): ScoreProcessor {
  return (scores, ids) => {
    if (length === undefined || ids.length === length) ban(tokens, scores);
  };
}

/** Allows only the tokens, with score 0, where the decoder sequence has that length. */
export function forceTokens(tokens: readonly number[], length: number): ScoreProcessor {
  return (scores, ids) => {
    if (ids.length !== length) return;
    scores.fill(-Infinity);
    for (const token of tokens) scores[token] = 0;
  };
}

/** Allows only what the function names. @throws {ArgumentError} when that is nothing */
export function allowOnly(
  allowed: NonNullable<GenerationOptions["prefixAllowedTokensFn"]>,
): ScoreProcessor {
  return (scores, ids, item) => {
    const tokens = new Set(allowed(item, ids));
    if (tokens.size === 0) {
      throw new ArgumentError(
        `generate: prefixAllowedTokensFn must name a token that may follow, got none for input ${item} after ${ids.join(", ")}`,
      );
    }
    for (let token = 0; token < scores.length; token++) {
      if (!tokens.has(token)) scores[token] = -Infinity;
    }
  };
}

function ban(tokens: readonly number[], scores: Float32Array): void {
  for (const token of tokens) scores[token] = -Infinity;
}
