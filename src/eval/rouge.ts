// ROUGE of a set of predictions, equal to what `evaluate.load("rouge")` computes.
//
// The figure of a type is the median of 1000 bootstrap means, not the mean, and one stream of random
// numbers runs through the types in order: rougeL and rougeLsum differ even where every single score agrees.

import { ArgumentError } from "../tensor/errors.ts";
import { Mt19937 } from "../tensor/mt19937.ts";
import { bootstrapMeans, columnMeans } from "./bootstrap.ts";
import {
  checkedReferences,
  rougeScores,
  rougeTypesOf,
  scorePair,
  type DefaultRougeType,
  type RougeScore,
  type RougeScoresOptions,
  type RougeType,
} from "./rougeScores.ts";

export { rougeScores };
export type { DefaultRougeType, RougeScore, RougeScoresOptions, RougeType };

/** Options of `rouge`: those of `rougeScores`, and how scores are put together. */
export interface RougeOptions<
  T extends RougeType = DefaultRougeType,
> extends RougeScoresOptions<T> {
  /** false gives the fmeasure of every prediction instead of one figure. Default true. */
  readonly useAggregator?: boolean;
  /** Seed of the bootstrap, 0 to 2^32 - 1. Default 42, evaluate's after transformers' set_seed(42). */
  readonly seed?: number;
}

/** One text, or several of which each rouge type takes the best. */
export type References = readonly (string | readonly string[])[];

/** Bootstrap percentiles 2.5, 50 and 97.5. */
export interface RougeInterval {
  readonly low: RougeScore;
  readonly mid: RougeScore;
  readonly high: RougeScore;
}

/**
 * Fmeasures over all pairs, in the order of the rouge types.
 * @param predictions [N], N > 0
 * @param references [N]
 * @throws {ArgumentError} for an unknown rouge type, lengths that differ, no pair, something that is not
 *   text, or a seed out of range
 */
export function rouge<T extends RougeType = DefaultRougeType>(
  predictions: readonly string[],
  references: References,
  options: RougeOptions<T> & { readonly useAggregator: false },
): Record<T, number[]>;
export function rouge<T extends RougeType = DefaultRougeType>(
  predictions: readonly string[],
  references: References,
  options?: RougeOptions<T> & { readonly useAggregator?: true },
): Record<T, number>;
export function rouge<T extends RougeType = DefaultRougeType>(
  predictions: readonly string[],
  references: References,
  options: RougeOptions<T>,
): Record<T, number> | Record<T, number[]>;
export function rouge<T extends RougeType = DefaultRougeType>(
  predictions: readonly string[],
  references: References,
  options: RougeOptions<T> = {},
): Record<T, number> | Record<T, number[]> {
  const samples = rougeSamples(predictions, references, options);
  if (options.useAggregator === false) {
    return mapValues(samples, (scores) => scores.map(({ fmeasure }) => fmeasure));
  }
  return mapValues(bootstrapAggregate(samples, options.seed), ({ mid }) => mid.fmeasure);
}

/**
 * The scores of every pair, for {@link bootstrapAggregate} and {@link rougeMeans}.
 * @throws {ArgumentError} as {@link rouge}
 */
export function rougeSamples<T extends RougeType = DefaultRougeType>(
  predictions: readonly string[],
  references: References,
  options: RougeScoresOptions<T> = {},
): Record<T, RougeScore[]> {
  checkPairs(predictions, references);
  const types = rougeTypesOf(options);
  const pairs = predictions.map((prediction, i) => {
    const texts = checkedReferences(prediction, references[i]!, ` at index ${i}`);
    return scorePair(prediction, texts, types, options.useStemmer ?? false);
  });
  const samples = types.map((type) => [type, pairs.map((scores) => scores[type])]);
  return Object.fromEntries(samples) as Record<T, RougeScore[]>;
}

/**
 * Bootstrap intervals of each rouge type, drawn from one stream in the order of the types.
 * @param samples scores [N] a type, N > 0
 * @throws {ArgumentError} for a seed out of range
 */
export function bootstrapAggregate<T extends string>(
  samples: Readonly<Record<T, readonly RougeScore[]>>,
  seed = 42,
): Record<T, RougeInterval> {
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw new ArgumentError(`rouge: seed must be an integer from 0 to 2^32 - 1, got ${seed}`);
  }
  const generator = new Mt19937(seed);
  return mapValues(samples, (scores) => {
    const { low, mid, high } = bootstrapMeans(toRows(scores), 3, generator);
    return { low: toScore(low), mid: toScore(mid), high: toScore(high) };
  });
}

/** Plain means of each rouge type: no random number in them, and not the figures evaluate reports. */
export function rougeMeans<T extends string>(
  samples: Readonly<Record<T, readonly RougeScore[]>>,
): Record<T, RougeScore> {
  return mapValues(samples, (scores) => toScore(columnMeans(toRows(scores), 3)));
}

function checkPairs(predictions: readonly string[], references: References): void {
  if (!Array.isArray(predictions) || !Array.isArray(references)) {
    throw new ArgumentError(
      `rouge: predictions and references must be arrays, got ${typeof predictions} and ${typeof references}. Use rougeScores for one pair.`,
    );
  }
  if (predictions.length !== references.length) {
    throw new ArgumentError(
      `rouge: there must be as many references as predictions, got ${references.length} and ${predictions.length}. Give several references of one prediction as a list.`,
    );
  }
  if (predictions.length === 0) {
    throw new ArgumentError("rouge: there must be at least one prediction, got none");
  }
}

function toRows(scores: readonly RougeScore[]): Float64Array {
  return Float64Array.from(
    scores.flatMap(({ precision, recall, fmeasure }) => [precision, recall, fmeasure]),
  );
}

function toScore([precision, recall, fmeasure]: Float64Array): RougeScore {
  return { precision: precision!, recall: recall!, fmeasure: fmeasure! };
}

function mapValues<T extends string, A, B>(
  record: Readonly<Record<T, A>>,
  change: (value: A) => B,
): Record<T, B> {
  const entries = Object.entries(record) as [T, A][];
  return Object.fromEntries(entries.map(([key, value]) => [key, change(value)])) as Record<T, B>;
}
