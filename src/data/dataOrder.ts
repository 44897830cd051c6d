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
  if (!Number.isInteger(n) || n < 0 || n >= MAX_ROWS) {
    throw new ArgumentError(`randperm: n must be an integer from 0 to ${MAX_ROWS - 1}, got ${n}`);
  }
  if (!Number.isSafeInteger(seed)) {
    throw new ArgumentError(`randperm: seed must be an integer of at most 53 bits, got ${seed}`);
  }
  const generator = new Mt19937(seed);
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
