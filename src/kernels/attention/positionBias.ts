// T5's relative position bias: a learned number per head for each bucket of distances.
//
//   bias[h, i, j] = table[ bucket(j - (queryOffset + i)), h ]
//
// Raffel et al. 2020, arXiv 1910.10683, sec. 2.1; buckets as transformers' _relative_position_bucket.
// A bucket depends only on j - i, so T + S - 1 buckets are computed on the host and travel as a tensor.

import { ArgumentError, ShapeError } from "../../tensor/errors.ts";
import { formatShape } from "../../tensor/shape.ts";
import { empty, tensor, type Tensor } from "../../tensor/tensor.ts";
import type { WgslShader } from "../../tensor/wgsl.ts";
import { defineKernel, launch } from "../kernel.ts";
import { workgroupSum } from "../wgsl/reduce.ts";

export interface BucketOptions {
  /** Encoder: half of the buckets for keys to the right. Decoder: keys to the right share bucket 0. */
  readonly bidirectional: boolean;
  /** At least 2, at least 4 when bidirectional. */
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
  // In f32 as transformers: a few distances, as 8 of 9 buckets to 128, begin a bucket only by its rounding.
  const { fround, log } = Math;
  const share = fround(fround(log(fround(distance / exact))) / fround(log(maxDistance / exact)));
  const step = Math.trunc(fround(share * (buckets - exact)));
  return base + Math.min(buckets - 1, exact + step);
}

/** Lengths of queries and keys, and how distances fall into buckets. */
export interface RelativePositionBiasOptions {
  readonly queryLength: number;
  readonly keyLength: number;
  /** Absolute position of the first query; keys begin at 0. Default 0. */
  readonly queryOffset?: number;
  readonly bidirectional: boolean;
  readonly maxDistance: number;
}

const params = { numBuckets: "u32", heads: "u32", queries: "u32", keys: "u32" } as const;

export const relativePositionBiasKernel = defineKernel({
  name: "relativePositionBias",
  inputs: { table: "float", buckets: "i32" },
  outputs: { bias: "float" },
  params,
  wgsl: {
    invocations: ({ heads, queries, keys }) => heads * queries * keys,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let at = globalIndex(group, local);
  let j = at % params.keys;
  let i = (at / params.keys) % params.queries;
  let h = at / params.keys / params.queries;
  if (h >= params.heads) { return; }
  // buckets[d] belongs to j - i = d - (queries - 1)
  bias[at] = table[u32(buckets[j + params.queries - 1u - i]) * params.heads + h];
}`,
  },
  plain({ table, buckets, bias }, { heads, queries, keys }) {
    // What belongs to each j - i, from 1 - queries up: the row of query i is the part of it that begins at j = 0.
    const count = queries + keys - 1;
    const diagonals =
      bias instanceof Float64Array ? new Float64Array(count) : new Float32Array(count);
    for (let h = 0, at = 0; h < heads; h++) {
      for (let d = 0; d < count; d++) diagonals[d] = table[buckets[d]! * heads + h]!;
      for (let i = queries - 1; i >= 0; i--, at += keys) {
        bias.set(diagonals.subarray(i, i + keys), at);
      }
    }
  },
});

// On the GPU a bucket's number is a sum over diagonals: j - i is the same along one. First each diagonal is added up, in
// chunks of queries side by side, by invocations whose neighbours read neighbouring elements; then those of each
// bucket. Nothing is added by two invocations, so the sum is the same in every run.

/** Queries whose part of a diagonal one invocation adds up. */
const DIAGONAL_CHUNK = 64;

const diagonalSums: WgslShader = {
  name: "diagonals",
  workgroupSize: 64,
  reads: ["dbias"],
  writes: ["diagonals"],
  params: { chunks: "u32" },
  source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let at = globalIndex(group, local);
  let count = params.queries + params.keys - 1u;
  let d = at % count;
  let h = (at / count) % params.heads;
  let chunk = at / count / params.heads;
  if (chunk >= params.chunks) { return; }
  // Where 0 <= i < queries and 0 <= j = i + d - (queries - 1) < keys.
  let shift = params.queries - 1u;
  let begin = max(chunk * ${DIAGONAL_CHUNK}u, shift - min(d, shift));
  let end = min(min((chunk + 1u) * ${DIAGONAL_CHUNK}u, params.queries), params.keys + shift - d);
  var total = 0.0;
  for (var i = begin; i < end; i++) {
    total += dbias[(h * params.queries + i) * params.keys + i + d - shift];
  }
  diagonals[at] = total;
}`,
};

const bucketSums: WgslShader = {
  name: "buckets",
  uses: [workgroupSum],
  workgroupSize: 64,
  reads: ["buckets", "diagonals"],
  writes: ["dtable"],
  params: { chunks: "u32" },
  source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let bucket = groupIndex(group) / params.heads;
  let h = groupIndex(group) % params.heads;
  if (bucket >= params.numBuckets) { return; }
  let count = params.queries + params.keys - 1u;
  var part = 0.0;
  for (var d = local; d < count; d += WG) {
    if (u32(buckets[d]) != bucket) { continue; }
    for (var chunk = 0u; chunk < params.chunks; chunk++) {
      part += diagonals[(chunk * params.heads + h) * count + d];
    }
  }
  let total = workgroupSum(local, part);
  if (local == 0u) { dtable[bucket * params.heads + h] = total; }
}`,
};

export const relativePositionBiasBackwardKernel = defineKernel({
  name: "relativePositionBiasBackward",
  inputs: { dbias: "float", buckets: "i32" },
  outputs: { dtable: "float" },
  params,
  wgsl: {
    plan({ params: { numBuckets, heads, queries, keys } }) {
      const chunks = Math.ceil(queries / DIAGONAL_CHUNK);
      const size = chunks * heads * (queries + keys - 1);
      return {
        temporaries: { diagonals: { type: "f32", size } },
        passes: [
          { shader: diagonalSums, invocations: size, params: { chunks } },
          { shader: bucketSums, workgroups: numBuckets * heads, params: { chunks } },
        ],
      };
    },
  },
  plain({ dbias, buckets, dtable }, { numBuckets, heads, queries, keys }) {
    const sums = new Float64Array(numBuckets);
    for (let h = 0, at = 0; h < heads; h++) {
      sums.fill(0);
      for (let i = 0; i < queries; i++) {
        for (let j = 0; j < keys; j++) {
          const bucket = buckets[j - i + queries - 1]!;
          sums[bucket] = sums[bucket]! + dbias[at++]!;
        }
      }
      sums.forEach((sum, bucket) => (dtable[bucket * heads + h] = sum));
    }
  },
});

/**
 * Bucket of every j - i as i32 [queryLength + keyLength - 1], from the smallest difference up.
 * @param table [buckets, H]
 * @throws {ShapeError} unless table has two axes
 * @throws {ArgumentError} for lengths below 1, a negative offset, or buckets that maxDistance does not fit
 */
export function bucketTensor(table: Tensor, options: RelativePositionBiasOptions): Tensor {
  const { queryLength, keyLength, queryOffset = 0, bidirectional, maxDistance } = options;
  if (table.rank !== 2) {
    throw new ShapeError(
      `relativePositionBias: table must be [buckets, heads], got ${formatShape(table.shape)}`,
    );
  }
  checkCount("queryLength", queryLength, 1);
  checkCount("keyLength", keyLength, 1);
  checkCount("queryOffset", queryOffset, 0);
  const numBuckets = table.shape[0]!;
  checkBuckets({ bidirectional, numBuckets, maxDistance });
  const first = -(queryOffset + queryLength - 1);
  const buckets = Int32Array.from({ length: queryLength + keyLength - 1 }, (_, d) =>
    relativePositionBucket(first + d, { bidirectional, numBuckets, maxDistance }),
  );
  return tensor(buckets, [buckets.length], { device: table.device });
}

function checkCount(name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new ArgumentError(
    `relativePositionBias: ${name} must be a whole number of at least ${least}, got ${value}`,
  );
}

function checkBuckets({ bidirectional, numBuckets, maxDistance }: BucketOptions): void {
  const least = bidirectional ? 4 : 2;
  if (numBuckets < least) {
    throw new ArgumentError(
      `relativePositionBias: table must have at least ${least} buckets, got ${numBuckets}`,
    );
  }
  const exact = (bidirectional ? numBuckets >> 1 : numBuckets) >> 1;
  if (!(maxDistance > exact)) {
    throw new ArgumentError(
      `relativePositionBias: maxDistance must be above ${exact}, the distances that have a bucket each, got ${maxDistance}`,
    );
  }
}

/** @param table [buckets, H] @returns [H, T, S] */
export function relativePositionBiasForward(
  table: Tensor,
  buckets: Tensor,
  { queryLength, keyLength }: RelativePositionBiasOptions,
): Tensor {
  const [numBuckets, heads] = table.shape as [number, number];
  const bias = empty(table.device, [heads, queryLength, keyLength], table.dtype);
  launch(
    relativePositionBiasKernel,
    { table, buckets, bias },
    { numBuckets, heads, queries: queryLength, keys: keyLength },
  );
  return bias;
}

/** @param dbias [H, T, S] @returns gradient of the table, [numBuckets, H] */
export function relativePositionBiasBackward(
  dbias: Tensor,
  buckets: Tensor,
  numBuckets: number,
): Tensor {
  const [heads, queries, keys] = dbias.shape as [number, number, number];
  const dtable = empty(dbias.device, [numBuckets, heads], dbias.dtype);
  launch(
    relativePositionBiasBackwardKernel,
    { dbias, buckets, dtable },
    { numBuckets, heads, queries, keys },
  );
  return dtable;
}
