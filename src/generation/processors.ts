// What changes the scores of the next token before one is chosen, in transformers' order. Scores are f32
// and so are the numbers they meet: 1 / 1.3 in f32 is not 1 / 1.3 in f64.

import type { GenerationPlan } from "./options.ts";
import { topIndices } from "./scores.ts";

/**
 * Changes the scores of one row in place.
 * @param scores [V] logits; in beam search log-probabilities
 * @param ids the row's decoder tokens so far, start token first
 */
export type ScoreProcessor = (scores: Float32Array, ids: readonly number[]) => void;

/** The processors that a plan asks for, in the order in which they must run. */
export function processorsFor(
  plan: GenerationPlan,
  eosTokenIds: readonly number[],
): readonly ScoreProcessor[] {
  const processors: ScoreProcessor[] = [];
  if (plan.repetitionPenalty !== 1) processors.push(penalizeRepetition(plan.repetitionPenalty));
  if (plan.noRepeatNgramSize > 0) processors.push(banRepeatedNgrams(plan.noRepeatNgramSize));
  if (plan.minLength > 0) processors.push(banEndBefore(plan.minLength, eosTokenIds));
  // Beams need a token that goes on as well as those that end.
  const leastKept = plan.numBeams > 1 ? eosTokenIds.length + 1 : 1;
  if (plan.doSample) processors.push(...warpersFor(plan, leastKept));
  return processors;
}

/** The processors that shape what sampling draws from: temperature, top-k, top-p. */
export function warpersFor(
  plan: Pick<GenerationPlan, "temperature" | "topK" | "topP">,
  leastKept: number,
): readonly ScoreProcessor[] {
  const warpers: ScoreProcessor[] = [];
  if (plan.temperature !== 1) warpers.push(divideByTemperature(plan.temperature));
  if (plan.topK > 0) warpers.push(keepTopK(Math.max(plan.topK, leastKept)));
  if (plan.topP < 1) warpers.push(keepTopP(plan.topP, leastKept));
  return warpers;
}

/** Once per token already present: negative scores times `penalty`, others divided by it. */
export function penalizeRepetition(penalty: number): ScoreProcessor {
  const factor = Math.fround(penalty);
  return (scores, ids) => {
    for (const id of new Set(ids)) {
      const score = scores[id]!;
      scores[id] = score < 0 ? score * factor : score / factor;
    }
  };
}

/** Bans every token that would complete `size` tokens in a row which the sequence already has. */
export function banRepeatedNgrams(size: number): ScoreProcessor {
  return (scores, ids) => {
    const lastStart = ids.length - (size - 1);
    for (let start = 0; start < lastStart; start++) {
      const end = start + size - 1;
      let same = true;
      for (let i = 0; same && i < size - 1; i++) same = ids[start + i] === ids[lastStart + i];
      if (same) scores[ids[end]!] = -Infinity;
    }
  };
}

/** Bans the end tokens while the sequence, start token included, is shorter than `minLength`. */
export function banEndBefore(minLength: number, eosTokenIds: readonly number[]): ScoreProcessor {
  return (scores, ids) => {
    if (ids.length < minLength) for (const id of eosTokenIds) scores[id] = -Infinity;
  };
}

export function divideByTemperature(temperature: number): ScoreProcessor {
  const divisor = Math.fround(temperature);
  return (scores) => {
    for (let i = 0; i < scores.length; i++) scores[i]! /= divisor;
  };
}

/** Bans what scores below the k-th largest; ties with it stay. */
export function keepTopK(k: number): ScoreProcessor {
  return (scores) => {
    const threshold = scores[topIndices(scores, k).at(-1)!]!;
    for (let i = 0; i < scores.length; i++) if (scores[i]! < threshold) scores[i] = -Infinity;
  };
}

/**
 * Bans the least likely tokens whose probabilities sum to at most 1 - p, so that the rest is the smallest
 * set to reach p; always keeps the `leastKept` likeliest. Of tied tokens the first go first.
 */
export function keepTopP(p: number, leastKept: number): ScoreProcessor {
  return (scores) => {
    const ascending = scores.filter((score) => score > -Infinity).sort();
    const banned = unlikelyPrefix(ascending, 1 - p, leastKept);
    if (banned === 0) return;
    const lowestKept = ascending[banned]!;
    let tiesBanned = banned - ascending.indexOf(lowestKept);
    for (let i = 0; i < scores.length; i++) {
      if (scores[i]! < lowestKept || (scores[i] === lowestKept && tiesBanned-- > 0)) {
        scores[i] = -Infinity;
      }
    }
  };
}

/** How many of the smallest scores have a cumulative probability of at most `share`, leaving `leastKept`. */
function unlikelyPrefix(ascending: Float32Array, share: number, leastKept: number): number {
  const largest = ascending.at(-1) ?? 0;
  let total = 0;
  for (const score of ascending) total += Math.exp(score - largest);
  // PyTorch's softmax and cumulative sum round every entry to f32, and it compares in f32.
  const limit = Math.fround(share);
  let cumulative = 0;
  let count = 0;
  while (count < ascending.length - leastKept) {
    cumulative += Math.fround(Math.exp(ascending[count]! - largest) / total);
    if (Math.fround(cumulative) > limit) break;
    count++;
  }
  return count;
}
