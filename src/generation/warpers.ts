// Processors that shape what sampling draws from. A dropped token has the score -Infinity.

import { ascendingIndices } from "./ascending.ts";
import type { GenerationPlan } from "./plan.ts";
import type { ScoreProcessor } from "./scoreProcessor.ts";
import { entropy, logSoftmax, softmax, topIndices } from "./scores.ts";

/** Likeliest tokens that top-H sampling looks at. */
const TOP_H_CANDIDATES = 100;

/** What a plan says about them. */
export type WarpingPlan = Pick<
  GenerationPlan,
  "temperature" | "topH" | "topK" | "topP" | "minP" | "typicalP" | "epsilonCutoff" | "etaCutoff"
>;

/** Those that the plan asks for, in transformers' order. @param leastKept likeliest tokens that always stay */
export function warpersFor(plan: WarpingPlan, leastKept: number): readonly ScoreProcessor[] {
  const warpers: ScoreProcessor[] = [];
  if (plan.temperature !== 1) warpers.push(divideByTemperature(plan.temperature));
  if (plan.topH !== null) warpers.push(keepTopH(plan.topH));
  if (plan.topK > 0) warpers.push(keepTopK(Math.max(plan.topK, leastKept)));
  if (plan.topP < 1) warpers.push(keepTopP(plan.topP, leastKept));
  if (plan.minP !== null) warpers.push(keepMinP(plan.minP, leastKept));
  if (plan.typicalP < 1) warpers.push(keepTypical(plan.typicalP, leastKept));
  if (plan.epsilonCutoff > 0) warpers.push(cutEpsilon(plan.epsilonCutoff, leastKept));
  if (plan.etaCutoff > 0) warpers.push(cutEta(plan.etaCutoff, leastKept));
  return warpers;
}

export function divideByTemperature(temperature: number): ScoreProcessor {
  const divisor = Math.fround(temperature);
  return (scores) => {
    for (let i = 0; i < scores.length; i++) scores[i]! /= divisor;
  };
}

/** Of the 100 likeliest tokens keeps the first whose shares of the entropy sum to at most `share` of it, and one at least. */
export function keepTopH(share: number): ScoreProcessor {
  return (scores) => {
    const best = topIndices(scores, TOP_H_CANDIDATES);
    const logs = Float32Array.from(best, (index) => scores[index]!);
    logSoftmax(logs);
    const limit = Math.fround(entropy(logs) * Math.fround(share));
    let total = 0;
    const isKept = Array.from(logs, (log) => {
      const probability = Math.fround(Math.exp(log));
      // A token without probability makes the sum NaN, and so drops out with all behind it.
      total += -probability * Math.fround(Math.log(probability));
      return Math.fround(total) <= limit;
    });
    const kept = new Set(best.filter((_, rank) => rank === 0 || isKept[rank]));
    for (let i = 0; i < scores.length; i++) if (!kept.has(i)) scores[i] = -Infinity;
  };
}

/** Bans what scores below the k-th largest; ties with it stay. */
export function keepTopK(k: number): ScoreProcessor {
  return (scores) => {
    const threshold = kthLargest(scores, k);
    for (let i = 0; i < scores.length; i++) if (scores[i]! < threshold) scores[i] = -Infinity;
  };
}

/**
 * Bans the least likely tokens whose probabilities sum to at most 1 - p, so that the rest is the smallest
 * set to reach p; always keeps the `leastKept` likeliest. Of tied tokens the first go first.
 */
export function keepTopP(p: number, leastKept: number): ScoreProcessor {
  return (scores) => {
    const left: number[] = [];
    for (let i = 0; i < scores.length; i++) if (scores[i]! > -Infinity) left.push(i);
    const candidates = new Float32Array(left.length);
    for (let i = 0; i < left.length; i++) candidates[i] = scores[left[i]!]!;
    const order = ascendingIndices(candidates);
    const ascending = new Float32Array(left.length);
    for (let i = 0; i < order.length; i++) ascending[i] = candidates[order[i]!]!;
    const banned = unlikelyPrefix(ascending, 1 - p, leastKept);
    for (let i = 0; i < banned; i++) scores[left[order[i]!]!] = -Infinity;
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

/** Bans what is less likely than `share` times the likeliest; the `leastKept` likeliest stay. */
export function keepMinP(share: number, leastKept: number): ScoreProcessor {
  return (scores) => {
    const probabilities = softmaxOf(scores);
    const kept = topIndices(scores, leastKept);
    const threshold = Math.fround(Math.fround(share) * probabilities[kept[0]!]!);
    for (let i = 0; i < scores.length; i++) {
      if (probabilities[i]! < threshold && !kept.includes(i)) scores[i] = -Infinity;
    }
  };
}

/**
 * Keeps the tokens whose -log p lies nearest to the entropy, until they reach `mass`; what lies as near as the last of them
 * stays too, and so do the `leastKept` nearest (Meister et al. 2022, "Locally typical sampling", arXiv 2202.00666).
 */
export function keepTypical(mass: number, leastKept: number): ScoreProcessor {
  return (scores) => {
    const logs = logSoftmaxOf(scores);
    const expected = entropy(logs);
    const distance = logs.map((log) => Math.abs(-log - expected));
    const nearest = ascendingIndices(distance);
    const limit = Math.fround(mass);
    let cumulative = 0;
    let last = 0;
    for (; last < nearest.length - 1; last++) {
      cumulative += Math.fround(Math.exp(logs[nearest[last]!]!));
      if (Math.fround(cumulative) >= limit) break;
    }
    const farthest = distance[nearest[last]!]!;
    nearest.forEach((index, rank) => {
      if (rank >= leastKept && distance[index]! > farthest) scores[index] = -Infinity;
    });
  };
}

/** Bans what is less likely than `epsilon`; the `leastKept` likeliest stay, with ties. */
export function cutEpsilon(epsilon: number, leastKept: number): ScoreProcessor {
  return (scores) => cutBelow(Math.fround(epsilon), scores, leastKept);
}

/** The same for min(epsilon, sqrt(epsilon) exp(-entropy)) (Hewitt et al. 2022, arXiv 2210.15191, section 3.2). */
export function cutEta(epsilon: number, leastKept: number): ScoreProcessor {
  const limit = Math.fround(epsilon);
  const root = Math.fround(Math.sqrt(limit));
  return (scores) => {
    const relative = Math.fround(root * Math.fround(Math.exp(-entropy(logSoftmaxOf(scores)))));
    cutBelow(Math.min(limit, relative), scores, leastKept);
  };
}

function cutBelow(threshold: number, scores: Float32Array, leastKept: number): void {
  const probabilities = softmaxOf(scores);
  const kept = kthLargest(scores, leastKept);
  for (let i = 0; i < scores.length; i++) {
    if (probabilities[i]! < threshold && scores[i]! < kept) scores[i] = -Infinity;
  }
}

function kthLargest(scores: Float32Array, k: number): number {
  return scores[topIndices(scores, k).at(-1)!]!;
}

function softmaxOf(scores: Float32Array): Float32Array {
  const probabilities = scores.slice();
  softmax(probabilities);
  return probabilities;
}

function logSoftmaxOf(scores: Float32Array): Float32Array {
  const logs = scores.slice();
  logSoftmax(logs);
  return logs;
}
