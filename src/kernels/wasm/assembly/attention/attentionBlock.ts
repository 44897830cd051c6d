// What the SIMD bodies of attention's forward and backward pass share: the call in progress, the scores of a block of
// queries, and products of heads.
//
// Heads are matrices with a stride of H*D, so their products are calls of `gemm`. A block of queries has
// its scores against all keys in scratch, in rows padded to whole vectors.

import { F32 } from "../elements";
import { gemm, GEMM_SCRATCH } from "../matmul/gemm";
import { GROUP, keepFactors } from "../philox";
import { madd } from "../simd";

/** Score of a masked key: the lowest finite f32. Adding the logarithm of any row length leaves it as it is. */
// @ts-ignore: decorator
@inline
export const MASKED: f32 = -3.4028234663852886e38;
/** Queries whose scores are held at a time. */
// @ts-ignore: decorator
@inline
export const BLOCK: usize = 128;

// The call in progress. Each thread has an instance of this module, hence variables of its own.
export let heads: usize = 0;
let batch: usize = 0;
// Of the longest row.
export let mostQueries: usize = 0;
export let mostKeys: usize = 0;
/** Where packed rows begin (src/kernels/attention/packedRows.ts), floats; 0 for rows of one length. */
let offsets: usize = 0;
// The row at hand: how many queries and keys it has, and its first ones among those of all rows.
export let queries: usize = 0;
export let keys: usize = 0;
let firstQuery: usize = 0;
let firstKey: usize = 0;
export let width: usize = 0;
export let scale: f32 = 1;
export let threshold: u32 = 0;
export let keepScale: f32 = 1;
export let seedLow: u32 = 0;
export let seedHigh: u32 = 0;
export let offset: u32 = 0;
export let causal: bool = false;
export let dropout: bool = false;
// Bytes from one row of scores, and from one position of q, k, v, y to the next.
export let scoreStride: usize = 0;
export let stride: usize = 0;
// Parts of the scratch; its start is gemm's.
export let scratch: usize = 0;
export let rowFactors: usize = 0;
export let factors: usize = 0;
export let scores: usize = 0;
export let products: usize = 0;

/** Takes up the params of a kernel's call. @param offsetsAddress of packed rows, or 0 */
export function openCall(
  batchSize: usize,
  headCount: usize,
  queryCount: usize,
  keyCount: usize,
  headDim: usize,
  scaleValue: f32,
  thresholdValue: u32,
  keepScaleValue: f32,
  seedLowValue: u32,
  seedHighValue: u32,
  offsetValue: u32,
  CAUSAL: u32,
  DROPOUT: u32,
  offsetsAddress: usize,
  scratchAddress: usize,
): void {
  batch = batchSize;
  heads = headCount;
  mostQueries = queryCount;
  mostKeys = keyCount;
  offsets = offsetsAddress;
  width = headDim;
  scale = scaleValue;
  threshold = thresholdValue;
  keepScale = keepScaleValue;
  seedLow = seedLowValue;
  seedHigh = seedHighValue;
  offset = offsetValue;
  causal = CAUSAL == 1;
  dropout = DROPOUT == 1;
  stride = (heads * width) << 2;
  scratch = scratchAddress;
  rowFactors = scratch + GEMM_SCRATCH;
  factors = rowFactors + (BLOCK << 2);
}

/** Takes up row b of the batch, and divides the scratch for its scores. */
export function openRow(b: usize): void {
  if (offsets) {
    const keysAt = batch + 1 + b;
    firstQuery = offsetAt(b);
    queries = offsetAt(b + 1) - firstQuery;
    firstKey = offsetAt(keysAt);
    keys = offsetAt(keysAt + 1) - firstKey;
  } else {
    queries = mostQueries;
    keys = mostKeys;
    firstQuery = b * queries;
    firstKey = b * keys;
  }
  scoreStride = (keys << 2) + 15 & ~15;
  scores = factors + scoreStride + 2 * (GROUP << 2);
  products = scores + (queries < BLOCK ? queries : BLOCK) * scoreStride;
}

// @ts-ignore: decorator
@inline
function offsetAt(i: usize): usize {
  return <usize>(<u32>load<f32>(offsets + (i << 2)));
}

/** Offset of head h of the row's query t in a tensor of all queries. */
// @ts-ignore: decorator
@inline
export function queryOffset(t: usize, h: usize): usize {
  return (firstQuery + t) * stride + h * (width << 2);
}

/** The same of its key s. */
// @ts-ignore: decorator
@inline
export function keyOffset(s: usize, h: usize): usize {
  return (firstKey + s) * stride + h * (width << 2);
}

/** Row of the probabilities of the row's query t, among those of all rows. */
// @ts-ignore: decorator
@inline
export function probabilityRow(t: usize, h: usize): usize {
  return firstQuery * heads + h * queries + t;
}

/** Of the bias [H, T, S] of the longest row, or its gradient, at query t. */
// @ts-ignore: decorator
@inline
export function biasOffset(t: usize, h: usize): usize {
  return ((h * mostQueries + t) * mostKeys) << 2;
}

/** Of the mask [B, S]: the row's keys, one word each. */
// @ts-ignore: decorator
@inline
export function maskOffset(): usize {
  return firstKey << 2;
}

/** c [rows, keys] = x y^T, x [rows, D] and y [keys, D] being heads. */
// @ts-ignore: decorator
@inline
export function againstKeys(rows: usize, x: usize, y: usize, c: usize): void {
  gemm(rows, keys, width, x, stride, 4, y, 4, stride, F32, c, scoreStride, false, scratch);
}

/** c [rows, D] = weights [rows, keys] x, x [keys, D] and c being heads. */
// @ts-ignore: decorator
@inline
export function weightedKeys(rows: usize, weights: usize, x: usize, c: usize): void {
  gemm(rows, width, keys, weights, scoreStride, 4, x, stride, 4, F32, c, stride, false, scratch);
}

/** c [keys, D] = weights^T x, or c += that; x [rows, D] and c being heads. */
// @ts-ignore: decorator
@inline
export function weightedQueries(rows: usize, weights: usize, x: usize, c: usize, accumulate: bool): void {
  gemm(keys, width, rows, weights, 4, scoreStride, x, stride, 4, F32, c, stride, accumulate, scratch);
}

/**
 * Turns products q . k of query t into scores, in place; the padding becomes -Infinity.
 * @param bias of this query [S], or 0
 * @param mask words [S] that are 0 (also 0.0) for masked keys, or 0
 */
export function finishScores(row: usize, t: usize, bias: usize, mask: usize): void {
  const bytes = keys << 2;
  const vectors = bytes & ~15;
  const scales = f32x4.splat(scale);
  const masked = f32x4.splat(MASKED);
  let at: usize = 0;
  if (bias) {
    for (; at < vectors; at += 16) {
      v128.store(row + at, madd(v128.load(row + at), scales, v128.load(bias + at)));
    }
    for (; at < bytes; at += 4) {
      store<f32>(row + at, load<f32>(row + at) * scale + load<f32>(bias + at));
    }
  } else if (scale != 1) {
    for (; at < scoreStride; at += 16) {
      v128.store(row + at, f32x4.mul(v128.load(row + at), scales));
    }
  }
  if (mask) {
    for (at = 0; at < vectors; at += 16) {
      const keep = i32x4.ne(v128.load(mask + at), i32x4.splat(0));
      v128.store(row + at, v128.bitselect(v128.load(row + at), masked, keep));
    }
    for (; at < bytes; at += 4) {
      if (load<i32>(mask + at) == 0) store<f32>(row + at, MASKED);
    }
  }
  if (causal) {
    // Keys up to position S - T + t are visible: keys + t + 1 - queries of them, at least 0.
    const visible = keys + t + 1 > queries ? keys + t + 1 - queries : 0;
    for (at = visible << 2; at < bytes; at += 4) store<f32>(row + at, MASKED);
  }
  for (at = bytes; at < scoreStride; at += 4) store<f32>(row + at, -Infinity);
}

/** Address of the dropout factors of a row of the probabilities: each has as many as the longest row has keys. */
export function factorsOfRow(row: usize): usize {
  const first = <u64>row * <u64>mostKeys;
  const last = (first + <u64>keys - 1) >> 4;
  let target = factors;
  for (let group = first >> 4; group <= last; group++) {
    keepFactors(target, <u32>group, threshold, keepScale, seedLow, seedHigh, offset);
    target += GROUP << 2;
  }
  return factors + ((<usize>first & (GROUP - 1)) << 2);
}

// @ts-ignore: decorator
@inline
export function scaleRun(x: usize, factor: f32, bytes: usize): void {
  const factors = f32x4.splat(factor);
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) v128.store(x + at, f32x4.mul(v128.load(x + at), factors));
  for (; at < bytes; at += 4) store<f32>(x + at, load<f32>(x + at) * factor);
}
