// The order in which training sees its rows, equal to PyTorch's for the same seed.

import { ArgumentError } from "../tensor/errors.ts";
import { Mt19937 } from "../tensor/mt19937.ts";

/** From here on torch.randperm draws 64 bits a row, in another order. */
const MAX_ROWS = Math.floor((2 ** 32 - 1) / 20);

/**
 * A random permutation, equal to `torch.randperm(n, generator=torch.Generator().manual_seed(seed))` on
 * the CPU (randperm_cpu of PyTorch's TensorFactories.cpp).
 * @param n number of rows, 0 to 214,748,363
 * @param seed any integer
 * @returns [n], each of 0 to n - 1 once
 * @throws {ArgumentError} when n or seed is not such an integer
 */
export function randperm(n: number, seed: number): Uint32Array {
  checkDraw(n, seed);
  return drawPermutation(n, new Mt19937(seed));
}

function checkDraw(n: number, seed: number): void {
  if (!Number.isInteger(n) || n < 0 || n >= MAX_ROWS) {
    throw new ArgumentError(`randperm: n must be an integer from 0 to ${MAX_ROWS - 1}, got ${n}`);
  }
  if (!Number.isSafeInteger(seed)) {
    throw new ArgumentError(`randperm: seed must be an integer of at most 53 bits, got ${seed}`);
  }
}

function drawPermutation(n: number, generator: Mt19937): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = 0; i < n - 1; i++) {
    const j = i + (generator.nextUint32() % (n - i));
    const drawn = order[j]!;
    order[j] = order[i]!;
    order[i] = drawn;
  }
  return order;
}

/**
 * The rows of an epoch in order, as accelerate's SeedableRandomSampler gives them to the Trainer: batches
 * are consecutive slices.
 * @param n number of rows
 * @param seed `dataSeed`, 42 unless the caller chose one
 * @param epoch counted from 0
 * @throws {ArgumentError} as {@link randperm}
 */
export function epochOrder(n: number, seed: number, epoch: number): Uint32Array {
  return randperm(n, seed + epoch);
}

/**
 * The rows of an epoch in an order in which rows of similar length lie side by side (transformers' LengthGroupedSampler):
 * a random permutation, cut into megabatches of up to 50 batches, each of them sorted from the longest row to the shortest,
 * with the longest row of all in front, so that memory runs out at once or not at all.
 *
 * The draws are those of a Trainer whose model draws nothing itself: in torch, dropout draws from the same generator, and from
 * the second epoch on disturbs the order.
 * @param lengths of the rows
 * @param batchSize rows of an update
 * @param seed `seed`; transformers does not read dataSeed here
 * @param epoch counted from 0
 * @throws {ArgumentError} as {@link randperm}
 */
export function lengthGroupedOrder(
  lengths: readonly number[],
  batchSize: number,
  seed: number,
  epoch: number,
): Uint32Array {
  checkDraw(lengths.length, seed);
  const generator = new Mt19937(seed);
  const draw = (): Uint32Array => {
    // Each pass of a DataLoader begins with 64 bits for the seeds of its workers.
    generator.nextUint32();
    generator.nextUint32();
    return drawPermutation(lengths.length, generator);
  };
  for (let e = 0; e < epoch; e++) draw();
  return groupByLength(draw(), lengths, batchSize);
}

/**
 * The rows of an evaluation in the order of {@link lengthGroupedOrder}, the same each time.
 * @param batchSize rows of a batch
 * @param seed `dataSeed`, or `seed`
 * @throws {ArgumentError} as {@link randperm}
 */
export function lengthGroupedEvaluation(
  lengths: readonly number[],
  batchSize: number,
  seed: number,
): Uint32Array {
  return groupByLength(randperm(lengths.length, seed), lengths, batchSize);
}

/** Batches that are sorted by length together, at most. */
const MOST_IN_MEGABATCH = 50;

function groupByLength(
  order: Uint32Array,
  lengths: readonly number[],
  batchSize: number,
): Uint32Array {
  const fourth = Math.floor(order.length / (batchSize * 4));
  const size = batchSize * Math.max(1, Math.min(fourth, MOST_IN_MEGABATCH));
  const grouped = new Uint32Array(order.length);
  let longestAt = 0;
  for (let begin = 0; begin < order.length; begin += size) {
    const sorted = [...order.subarray(begin, begin + size)];
    sorted.sort((a, b) => lengths[b]! - lengths[a]!);
    grouped.set(sorted, begin);
    if (lengths[sorted[0]!]! > lengths[grouped[longestAt]!]!) longestAt = begin;
  }
  const first = grouped[0]!;
  grouped[0] = grouped[longestAt]!;
  grouped[longestAt] = first;
  return grouped;
}
