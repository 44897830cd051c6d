// T5's relative position bias: a learned number per head for each bucket of distances.
//
//   bias[h, i, j] = table[ bucket(j - (queryOffset + i)), h ]
//
// Raffel et al. 2020, arXiv 1910.10683, sec. 2.1; buckets as transformers' _relative_position_bucket.
// A bucket depends only on j - i, so T + S - 1 buckets are computed on the host and travel as a tensor.

import { empty, tensor, zeros, type Tensor } from "../tensor/tensor.ts";
import { defineKernel, launch } from "./kernel.ts";

export interface BucketOptions {
  /** Encoder: half of the buckets for keys to the right. Decoder: keys to the right share bucket 0. */
  readonly bidirectional: boolean;
  /** Even, at least 2 (4 when bidirectional). */
  readonly numBuckets: number;
  /** Distances from here on share the last bucket; more than half of the (one-sided) buckets. */
  readonly maxDistance: number;
}

/**
 * Bucket of a relative position: exact for small distances, logarithmic up to maxDistance.
 * @param relativePosition key position minus query position
 * @returns 0..numBuckets-1
 */
export function relativePositionBucket(relativePosition: number, options: BucketOptions): number {
  const { bidirectional, numBuckets, maxDistance } = options;
  const buckets = bidirectional ? numBuckets >> 1 : numBuckets;
  const base = bidirectional && relativePosition > 0 ? buckets : 0;
  const distance = bidirectional ? Math.abs(relativePosition) : Math.max(-relativePosition, 0);
  const exact = buckets >> 1;
  if (distance < exact) return base + distance;
  // Doubles give the same buckets as transformers' f32 for every distance (hf-semantics 1.6).
  const share = Math.log(distance / exact) / Math.log(maxDistance / exact);
  return base + Math.min(buckets - 1, exact + Math.trunc(share * (buckets - exact)));
}

export interface RelativePositionBiasOptions {
  readonly queryLength: number;
  readonly keyLength: number;
  /** Absolute position of the first query; keys begin at 0. Default 0. */
  readonly queryOffset?: number;
  readonly bidirectional: boolean;
  readonly maxDistance: number;
}

export const relativePositionBiasKernel = defineKernel({
  name: "relativePositionBias",
  inputs: { table: "float", buckets: "i32" },
  outputs: { bias: "float" },
  params: { heads: "u32", queries: "u32", keys: "u32" },
  cpu({ table, buckets, bias }, { heads, queries, keys }) {
    for (let h = 0, at = 0; h < heads; h++) {
      for (let i = 0; i < queries; i++) {
        // buckets[d] belongs to j - i = d - (queries - 1)
        for (let j = 0; j < keys; j++) {
          bias[at++] = table[buckets[j - i + queries - 1]! * heads + h]!;
        }
      }
    }
  },
});

export const relativePositionBiasBackwardKernel = defineKernel({
  name: "relativePositionBiasBackward",
  inputs: { dbias: "float", buckets: "i32" },
  outputs: { dtable: "float" }, // zeroed before
  params: { heads: "u32", queries: "u32", keys: "u32" },
  cpu({ dbias, buckets, dtable }, { heads, queries, keys }) {
    // Sum each diagonal first: its distance has one bucket. Sums in double precision.
    const diagonals = new Float64Array(queries + keys - 1);
    for (let h = 0, at = 0; h < heads; h++) {
      diagonals.fill(0);
      for (let i = 0; i < queries; i++) {
        for (let j = 0; j < keys; j++) {
          const d = j - i + queries - 1;
          diagonals[d] = diagonals[d]! + dbias[at++]!;
        }
      }
      diagonals.forEach((sum, d) => {
        const to = buckets[d]! * heads + h;
        dtable[to] = dtable[to]! + sum;
      });
    }
  },
});

/** Bucket of every j - i as i32 [queryLength + keyLength - 1], from the smallest difference up. */
export function bucketTensor(table: Tensor, options: RelativePositionBiasOptions): Tensor {
  const { queryLength, keyLength, queryOffset = 0, bidirectional, maxDistance } = options;
  const numBuckets = table.shape[0]!;
  const first = -(queryOffset + queryLength - 1);
  const buckets = Int32Array.from({ length: queryLength + keyLength - 1 }, (_, d) =>
    relativePositionBucket(first + d, { bidirectional, numBuckets, maxDistance }),
  );
  return tensor(buckets, [buckets.length], { device: table.device });
}

/** @param table [buckets, H] @returns [H, T, S] */
export function relativePositionBiasForward(
  table: Tensor,
  buckets: Tensor,
  { queryLength, keyLength }: RelativePositionBiasOptions,
): Tensor {
  const heads = table.shape[1]!;
  const bias = empty(table.device, [heads, queryLength, keyLength], table.dtype);
  const params = { heads, queries: queryLength, keys: keyLength };
  launch(relativePositionBiasKernel, { table, buckets, bias }, params);
  return bias;
}

/** @param dbias [H, T, S] @returns gradient of the table, [numBuckets, H] */
export function relativePositionBiasBackward(
  dbias: Tensor,
  buckets: Tensor,
  numBuckets: number,
): Tensor {
  const [heads, queries, keys] = dbias.shape as [number, number, number];
  const dtable = zeros([numBuckets, heads], { device: dbias.device, dtype: dbias.dtype });
  const params = { heads, queries, keys };
  launch(relativePositionBiasBackwardKernel, { dbias, buckets, dtable }, params);
  return dtable;
}
