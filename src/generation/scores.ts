// Arithmetic on one row of scores (logits or log-probabilities of the next token). Scores are f32 as in
// transformers; sums run in f64 and are rounded once.

import { ArgumentError, GradloomError } from "../tensor/errors.ts";

/** Index of the largest score, the first on ties. @throws {GradloomError} as `softmax` */
export function argmax(scores: Float32Array): number {
  return scores.indexOf(largestOf(scores));
}

/**
 * Softmax of a row, in place: scores of -Infinity become 0.
 * @throws {GradloomError} when a score is NaN or +Infinity
 * @throws {ArgumentError} when all are -Infinity
 */
export function softmax(scores: Float32Array): void {
  const largest = largestOf(scores);
  const total = sumOfExponentials(scores, largest);
  for (let i = 0; i < scores.length; i++) scores[i] = Math.exp(scores[i]! - largest) / total;
}

/** Log-softmax of a row, in place. @throws {GradloomError} as `softmax` */
export function logSoftmax(scores: Float32Array): void {
  const largest = largestOf(scores);
  const shift = largest + Math.log(sumOfExponentials(scores, largest));
  for (let i = 0; i < scores.length; i++) scores[i]! -= shift;
}

/** Entropy in nats, rounded to f32. @param logs [n] log-probabilities */
export function entropy(logs: Float32Array): number {
  let total = 0;
  for (const log of logs) if (log > -Infinity) total -= Math.fround(Math.exp(log)) * log;
  return Math.fround(total);
}

/**
 * Indices of the `count` largest values, largest first; of equal values the first come first. Takes
 * O(n log count): a heap holds the best so far, its weakest on top.
 * @param values [n], no NaN
 */
export function topIndices(values: ArrayLike<number>, count: number): number[] {
  const size = Math.min(count, values.length);
  const weaker = (a: number, b: number): boolean =>
    values[a]! < values[b]! || (values[a] === values[b] && a > b);
  const heap: number[] = [];
  for (let i = 0; i < size; i++) siftUp(heap, i, weaker);
  for (let i = size; i < values.length; i++) {
    // An equal value comes later, so it is weaker.
    if (size > 0 && values[i]! > values[heap[0]!]!) replaceTop(heap, i, weaker);
  }
  return heap.sort((a, b) => (weaker(a, b) ? 1 : -1));
}

function siftUp(heap: number[], item: number, weaker: (a: number, b: number) => boolean): void {
  let at = heap.length;
  for (let parent = (at - 1) >> 1; at > 0 && weaker(item, heap[parent]!); parent = (at - 1) >> 1) {
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = item;
}

function replaceTop(heap: number[], item: number, weaker: (a: number, b: number) => boolean): void {
  let at = 0;
  for (let child = 1; child < heap.length; child = 2 * at + 1) {
    if (child + 1 < heap.length && weaker(heap[child + 1]!, heap[child]!)) child++;
    if (!weaker(heap[child]!, item)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = item;
}

/** The largest score, if one can be chosen at all. */
function largestOf(scores: Float32Array): number {
  const { length } = scores;
  let largest = -Infinity;
  // By index: until it is compiled by the last tier of V8, an iterator takes ten times as long, and that is after seconds.
  for (let i = 0; i < length; i++) {
    const score = scores[i]!;
    checkFinite(score);
    if (score > largest) largest = score;
  }
  if (largest === -Infinity) throw nothingLeft();
  return largest;
}

function sumOfExponentials(scores: Float32Array, largest: number): number {
  const { length } = scores;
  let total = 0;
  for (let i = 0; i < length; i++) total += Math.exp(scores[i]! - largest);
  return total;
}

/** Every token is banned, or scored -Infinity by an option that overflows. */
export function nothingLeft(): ArgumentError {
  return new ArgumentError(
    "generate: some token must be left to choose, got none. Lower minNewTokens or noRepeatNgramSize, ban fewer tokens, " +
      "or raise a temperature near 0.",
  );
}

/** @throws {GradloomError} for NaN or +Infinity, which neither a logit nor a score made of it may be */
export function checkFinite(score: number): void {
  if (score < Infinity) return;
  throw new GradloomError(
    `generate: scores must be finite, got ${score}. Either the weights are damaged or overflow their dtype: load them as ` +
      "f32; or a temperature near 0, a penalty or a bias among the options overflows f32: set one nearer to 1 or 0.",
  );
}
