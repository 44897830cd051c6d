// Choosing tokens at random. Every draw is a function of (seed, row, step), so that a row's tokens do not
// depend on which other rows are decoded beside it, or on how long those take to end.

import { ArgumentError } from "../tensor/errors.ts";
import { philox4x32, streamKey } from "../tensor/philox.ts";
import type { GenerationOptions } from "./options.ts";
import { planGeneration } from "./plan.ts";
import { warpersFor } from "./warpers.ts";
import { softmax, topIndices } from "./scores.ts";

/** Uniform numbers in [0, 1); the same three integers >= 0 always give the same number. */
export type Uniforms = (row: number, step: number, index: number) => number;

/** Fourth word of the counter; other uses of Philox leave it 0, so equal seeds do not give equal numbers. */
const GENERATION = 1;

/** The draws that belong to a seed, 53 bits each. @param seed an integer in [0, 2^53) */
export function seededUniforms(seed: number): Uniforms {
  const key = streamKey({ seed, offset: 0 });
  return (row, step, index) => {
    const [high, low] = philox4x32([index, step, row, GENERATION], key);
    return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
  };
}

/** The options that change the distribution that sampling draws from. */
export type SamplingOptions = Pick<
  GenerationOptions,
  "temperature" | "topH" | "topK" | "topP" | "minP" | "typicalP" | "epsilonCutoff" | "etaCutoff"
>;

/**
 * The probabilities that sampling draws the next token from.
 * @param logits [V] logits of one position, or several such rows; not changed
 * @param options `temperature` > 0 (default 1), `topK` >= 0 (default 0: all), `topP` in (0, 1] (default 1), and the
 * others of `GenerationOptions` that say "sampling only"
 * @returns [V] f32, 0 for tokens that were dropped; an array of rows for rows
 * @throws {ArgumentError} for an option out of its range, or without logits
 */
export function nextTokenProbabilities(
  logits: readonly ArrayLike<number>[],
  options?: SamplingOptions,
): Float32Array[];
export function nextTokenProbabilities(
  logits: ArrayLike<number>,
  options?: SamplingOptions,
): Float32Array;
export function nextTokenProbabilities(
  logits: ArrayLike<number> | readonly ArrayLike<number>[],
  options: SamplingOptions = {},
): Float32Array | Float32Array[] {
  const warpers = warpersFor(
    planGeneration({ ...options, topK: options.topK ?? 0, doSample: true }),
    1,
  );
  const probabilities = (row: ArrayLike<number>): Float32Array => {
    if (row.length === 0) {
      throw new ArgumentError(
        "nextTokenProbabilities: logits must hold one number per token, got none",
      );
    }
    const scores = Float32Array.from(row);
    for (const warp of warpers) warp(scores, [], 0);
    softmax(scores);
    return scores;
  };
  return isRows(logits) ? logits.map(probabilities) : probabilities(logits);
}

/**
 * Draws a token by inverting the cumulative distribution.
 * @param scores [V] logits; overwritten with their softmax
 * @param uniform in [0, 1)
 */
export function drawToken(scores: Float32Array, uniform: number): number {
  softmax(scores);
  const { length } = scores;
  let total = 0;
  for (let i = 0; i < length; i++) total += scores[i]!;
  const target = uniform * total;
  let cumulative = 0;
  for (let token = 0; token < length; token++) {
    cumulative += scores[token]!;
    if (cumulative > target) return token;
  }
  // uniform * total < total = cumulative, unless the product rounded up.
  return scores.findLastIndex((probability) => probability > 0);
}

/**
 * Draws `count` different indices with probabilities softmax(scores), one after the other without
 * replacement: the largest of scores + Gumbel noise are such a draw, in its order (Kool et al. 2019,
 * "Stochastic Beams and Where to Find Them", section 2.3).
 * @param scores [n] log-probabilities up to a constant; -Infinity is drawn only when nothing else is left
 * @param uniform gives the uniform number in [0, 1) of an index
 */
export function drawDistinct(
  scores: Float32Array,
  count: number,
  uniform: (index: number) => number,
): number[] {
  const keys = new Float64Array(scores.length).fill(-Infinity);
  for (const [index, score] of scores.entries()) {
    if (score > -Infinity) keys[index] = score - Math.log(-Math.log(uniform(index)));
  }
  return topIndices(keys, count);
}

function isRows(
  logits: ArrayLike<number> | readonly ArrayLike<number>[],
): logits is readonly ArrayLike<number>[] {
  return typeof logits[0] === "object";
}
