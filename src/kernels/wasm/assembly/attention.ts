// The SIMD bodies of src/kernels/attention.ts and attentionBackward.ts; formulas are there.
//
// Heads are matrices with a stride of H*D, so their products are calls of `gemm`. A block of queries has
// its scores against all keys in scratch, in rows padded to whole vectors.

import { F32 } from "./elements";
import { gemm, GEMM_SCRATCH } from "./gemm";
import { exp } from "./math";
import { GROUP, keepFactors } from "./philox";
import { log, rowMax, rowSumExp } from "./rows";
import { madd, sumLanes } from "./simd";

// @ts-ignore: decorator
@inline
const DROPPED: f32 = -3.4028234663852886e38;
/** Queries of a block. Also in src/kernels/attentionShapes.ts. */
// @ts-ignore: decorator
@inline
const BLOCK: usize = 128;

// The call in progress. Each thread has an instance of this module, hence variables of its own.
let heads: usize = 0;
let queries: usize = 0;
let keys: usize = 0;
let width: usize = 0;
let scale: f32 = 1;
let threshold: u32 = 0;
let keepScale: f32 = 1;
let seedLow: u32 = 0;
let seedHigh: u32 = 0;
let offset: u32 = 0;
let causal: bool = false;
let dropout: bool = false;
// Bytes from one row of scores, and from one position of q, k, v, y to the next.
let scoreStride: usize = 0;
let stride: usize = 0;
// Parts of the scratch; its start is gemm's.
let scratch: usize = 0;
let rowFactors: usize = 0;
let factors: usize = 0;
let scores: usize = 0;
let products: usize = 0;

// @ts-ignore: decorator
@inline
function divideScratch(address: usize): void {
  stride = (heads * width) << 2;
  scoreStride = (keys << 2) + 15 & ~15;
  scratch = address;
  rowFactors = address + GEMM_SCRATCH;
  factors = rowFactors + (BLOCK << 2);
  scores = factors + scoreStride + 2 * (GROUP << 2);
  products = scores + (queries < BLOCK ? queries : BLOCK) * scoreStride;
}

/** Offset of head h of position t in a tensor of `length` positions per batch element. */
// @ts-ignore: decorator
@inline
function headOffset(b: usize, length: usize, t: usize, h: usize): usize {
  return (b * length + t) * stride + h * (width << 2);
}

/** c [rows, keys] = x y^T, x [rows, D] and y [keys, D] being heads. */
// @ts-ignore: decorator
@inline
function againstKeys(rows: usize, x: usize, y: usize, c: usize): void {
  gemm(rows, keys, width, x, stride, 4, y, 4, stride, F32, c, scoreStride, false, scratch);
}

/** c [rows, D] = weights [rows, keys] x, x [keys, D] and c being heads. */
// @ts-ignore: decorator
@inline
function weightedKeys(rows: usize, weights: usize, x: usize, c: usize): void {
  gemm(rows, width, keys, weights, scoreStride, 4, x, stride, 4, F32, c, stride, false, scratch);
}

/** c [keys, D] = weights^T x, or c += that; x [rows, D] and c being heads. */
// @ts-ignore: decorator
@inline
function weightedQueries(rows: usize, weights: usize, x: usize, c: usize, accumulate: bool): void {
  gemm(keys, width, rows, weights, 4, scoreStride, x, stride, 4, F32, c, stride, accumulate, scratch);
}

/**
 * Turns products q . k of query t into scores, in place; the padding becomes -Infinity.
 * @param bias of this query [S], or 0
 * @param mask words [S] that are 0 (also 0.0) for dropped keys, or 0
 */
function finishScores(row: usize, t: usize, bias: usize, mask: usize): void {
  const bytes = keys << 2;
  const vectors = bytes & ~15;
  const scales = f32x4.splat(scale);
  const dropped = f32x4.splat(DROPPED);
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
      v128.store(row + at, v128.bitselect(v128.load(row + at), dropped, keep));
    }
    for (; at < bytes; at += 4) {
      if (load<i32>(mask + at) == 0) store<f32>(row + at, DROPPED);
    }
  }
  if (causal) {
    // Keys up to position S - T + t are visible: keys + t + 1 - queries of them, at least 0.
    const visible = keys + t + 1 > queries ? keys + t + 1 - queries : 0;
    for (at = visible << 2; at < bytes; at += 4) store<f32>(row + at, DROPPED);
  }
  for (at = bytes; at < scoreStride; at += 4) store<f32>(row + at, -Infinity);
}

/** Address of the dropout factors of row 0..B*H*T - 1 of the probabilities. */
function factorsOfRow(row: usize): usize {
  const first = <u64>row * <u64>keys;
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
function scaleRun(x: usize, factor: f32, bytes: usize): void {
  const factors = f32x4.splat(factor);
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) v128.store(x + at, f32x4.mul(v128.load(x + at), factors));
  for (; at < bytes; at += 4) store<f32>(x + at, load<f32>(x + at) * factor);
}

// Forward. Pieces are (batch element, head) pairs.

export function attentionForward(
  q: usize,
  k: usize,
  v: usize,
  bias: usize,
  mask: usize,
  y: usize,
  lse: usize,
  batch: usize,
  headCount: usize,
  queryCount: usize,
  keyCount: usize,
  headWidth: usize,
  scaleValue: f32,
  thresholdValue: u32,
  keepScaleValue: f32,
  seedLowValue: u32,
  seedHighValue: u32,
  offsetValue: u32,
  BIAS: u32,
  MASK: u32,
  CAUSAL: u32,
  DROPOUT: u32,
  begin: usize,
  end: usize,
  scratchAddress: usize,
): void {
  heads = headCount;
  queries = queryCount;
  keys = keyCount;
  width = headWidth;
  scale = scaleValue;
  threshold = thresholdValue;
  keepScale = keepScaleValue;
  seedLow = seedLowValue;
  seedHigh = seedHighValue;
  offset = offsetValue;
  causal = CAUSAL == 1;
  dropout = DROPOUT == 1;
  divideScratch(scratchAddress);
  for (let piece = begin; piece < end; piece++) {
    const b = piece / heads;
    const h = piece % heads;
    const at = headOffset(b, keys, 0, h);
    const maskRow = mask ? mask + ((b * keys) << 2) : 0;
    for (let t: usize = 0; t < queries; t += BLOCK) {
      const rows = min<usize>(BLOCK, queries - t);
      const block = headOffset(b, queries, t, h);
      againstKeys(rows, q + block, k + at, scores);
      for (let i: usize = 0; i < rows; i++) {
        const biasRow = bias ? bias + (((h * queries + t + i) * keys) << 2) : 0;
        softmaxRow(piece * queries + t + i, i, t + i, biasRow, maskRow, lse);
      }
      weightedKeys(rows, scores, v + at, y + block);
      // Normalising here, after the product, takes D multiplications a row where S are usual.
      for (let i: usize = 0; i < rows; i++) {
        scaleRun(y + block + i * stride, load<f32>(rowFactors + (i << 2)), width << 2);
      }
    }
  }
}

/** Row i of the block, row `row` of all: scores to weights without their common factor, which is kept. */
function softmaxRow(row: usize, i: usize, t: usize, bias: usize, mask: usize, lse: usize): void {
  const x = scores + i * scoreStride;
  finishScores(x, t, bias, mask);
  const most = rowMax(x, scoreStride);
  const total = rowSumExp(x, x, scoreStride, most);
  store<f32>(lse + (row << 2), most + log(total));
  store<f32>(rowFactors + (i << 2), 1 / total);
  if (!dropout) return;
  const keep = factorsOfRow(row);
  for (let at: usize = 0; at < scoreStride; at += 16) {
    v128.store(x + at, f32x4.mul(v128.load(x + at), v128.load(keep + at)));
  }
}

// Backward.

/** Pieces are batch elements. */
export function attentionStats(
  y: usize,
  dy: usize,
  lse: usize,
  mask: usize,
  stats: usize,
  batch: usize,
  headCount: usize,
  queryCount: usize,
  keyCount: usize,
  headWidth: usize,
  begin: usize,
  end: usize,
): void {
  const bytes = headWidth << 2;
  const rowBytes = headCount * bytes;
  const all = (batch * headCount * queryCount) << 2;
  for (let b = begin; b < end; b++) {
    let row = (b * headCount * queryCount) << 2;
    for (let h: usize = 0; h < headCount; h++) {
      for (let t: usize = 0; t < queryCount; t++, row += 4) {
        const from = (b * queryCount + t) * rowBytes + h * bytes;
        let lanes = f32x4.splat(0);
        let at: usize = 0;
        for (; at + 16 <= bytes; at += 16) {
          lanes = madd(v128.load(y + from + at), v128.load(dy + from + at), lanes);
        }
        let delta = sumLanes(lanes);
        for (; at < bytes; at += 4) {
          delta += load<f32>(y + from + at) * load<f32>(dy + from + at);
        }
        store<f32>(stats + row, load<f32>(lse + row));
        store<f32>(stats + all + row, delta);
      }
    }
    if (!mask) continue;
    for (let s = (b * keyCount) << 2; s < ((b + 1) * keyCount) << 2; s += 4) {
      store<f32>(stats + 2 * all + s, load<i32>(mask + s) == 0 ? 0 : 1);
    }
  }
}

/** Weights M P (into `scores`) and dS (into `products`) of a block of queries. */
function blockGradients(
  q: usize,
  k: usize,
  v: usize,
  bias: usize,
  dy: usize,
  stats: usize,
  mask: usize,
  batch: usize,
  b: usize,
  h: usize,
  t: usize,
  rows: usize,
): void {
  const block = headOffset(b, queries, t, h);
  const at = headOffset(b, keys, 0, h);
  const all = (batch * heads * queries) << 2;
  againstKeys(rows, q + block, k + at, scores);
  againstKeys(rows, dy + block, v + at, products);
  const maskRow = mask ? mask + ((b * keys) << 2) : 0;
  for (let i: usize = 0; i < rows; i++) {
    const x = scores + i * scoreStride;
    const biasRow = bias ? bias + (((h * queries + t + i) * keys) << 2) : 0;
    finishScores(x, t + i, biasRow, maskRow);
    const row = (b * heads + h) * queries + t + i;
    const lse = load<f32>(stats + (row << 2));
    const delta = load<f32>(stats + all + (row << 2));
    const keep = dropout ? factorsOfRow(row) : 0;
    if (lse == DROPPED) uniformRow(x, products + i * scoreStride, keep);
    else gradientRow(x, products + i * scoreStride, keep, lse, delta);
  }
}

/** Every key is dropped: weights of 1 / S, and no gradient to the scores. */
function uniformRow(weights: usize, ds: usize, keep: usize): void {
  const share: f32 = 1 / <f32>keys;
  const shares = f32x4.splat(share);
  for (let at: usize = 0; at < scoreStride; at += 16) {
    v128.store(weights + at, keep ? f32x4.mul(shares, v128.load(keep + at)) : shares);
  }
  memory.fill(ds, 0, scoreStride);
}

/** Scores to weights M P, and dP before dropout to dS = P (M dP - delta); dropped keys have P = 0. */
// @ts-ignore: decorator
@inline
function gradientRow(x: usize, ds: usize, keep: usize, lse: f32, delta: f32): void {
  const lses = f32x4.splat(lse);
  const deltas = f32x4.splat(delta);
  if (keep) {
    for (let at: usize = 0; at < scoreStride; at += 16) {
      const p = exp(f32x4.sub(v128.load(x + at), lses));
      const m = v128.load(keep + at);
      const dp = f32x4.mul(v128.load(ds + at), m);
      v128.store(x + at, f32x4.mul(p, m));
      v128.store(ds + at, f32x4.mul(p, f32x4.sub(dp, deltas)));
    }
    return;
  }
  for (let at: usize = 0; at < scoreStride; at += 16) {
    const p = exp(f32x4.sub(v128.load(x + at), lses));
    v128.store(x + at, p);
    v128.store(ds + at, f32x4.mul(p, f32x4.sub(v128.load(ds + at), deltas)));
  }
}

/**
 * Pieces are (head, block of queries) pairs and go through the batch, so that no two threads add to one
 * element of dbias.
 */
export function attentionBackwardQuery(
  q: usize,
  k: usize,
  v: usize,
  bias: usize,
  dy: usize,
  stats: usize,
  dq: usize,
  dbias: usize,
  batch: usize,
  headCount: usize,
  queryCount: usize,
  keyCount: usize,
  headWidth: usize,
  scaleValue: f32,
  thresholdValue: u32,
  keepScaleValue: f32,
  seedLowValue: u32,
  seedHighValue: u32,
  offsetValue: u32,
  accumulate: u32,
  BIAS: u32,
  MASK: u32,
  CAUSAL: u32,
  DROPOUT: u32,
  begin: usize,
  end: usize,
  scratchAddress: usize,
): void {
  heads = headCount;
  queries = queryCount;
  keys = keyCount;
  width = headWidth;
  scale = scaleValue;
  threshold = thresholdValue;
  keepScale = keepScaleValue;
  seedLow = seedLowValue;
  seedHigh = seedHighValue;
  offset = offsetValue;
  causal = CAUSAL == 1;
  dropout = DROPOUT == 1;
  divideScratch(scratchAddress);
  const mask = MASK == 1 ? stats + ((2 * batch * heads * queries) << 2) : 0;
  const blocks = (queries + BLOCK - 1) / BLOCK;
  for (let piece = begin; piece < end; piece++) {
    const h = piece / blocks;
    const t = (piece % blocks) * BLOCK;
    const rows = min<usize>(BLOCK, queries - t);
    for (let b: usize = 0; b < batch; b++) {
      const block = headOffset(b, queries, t, h);
      blockGradients(q, k, v, bias, dy, stats, mask, batch, b, h, t, rows);
      weightedKeys(rows, products, k + headOffset(b, keys, 0, h), dq + block);
      for (let i: usize = 0; i < rows; i++) {
        if (scale != 1) scaleRun(dq + block + i * stride, scale, width << 2);
        if (!dbias) continue;
        addRun(dbias + (((h * queries + t + i) * keys) << 2), products + i * scoreStride, b > 0 || accumulate == 1);
      }
    }
  }
}

/** y [S] = x, or y += x. */
// @ts-ignore: decorator
@inline
function addRun(y: usize, x: usize, accumulate: bool): void {
  const bytes = keys << 2;
  if (!accumulate) {
    memory.copy(y, x, bytes);
    return;
  }
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) {
    v128.store(y + at, f32x4.add(v128.load(y + at), v128.load(x + at)));
  }
  for (; at < bytes; at += 4) store<f32>(y + at, load<f32>(y + at) + load<f32>(x + at));
}

/** Pieces are (batch element, head) pairs. */
export function attentionBackwardKeyValue(
  q: usize,
  k: usize,
  v: usize,
  bias: usize,
  dy: usize,
  stats: usize,
  dk: usize,
  dv: usize,
  batch: usize,
  headCount: usize,
  queryCount: usize,
  keyCount: usize,
  headWidth: usize,
  scaleValue: f32,
  thresholdValue: u32,
  keepScaleValue: f32,
  seedLowValue: u32,
  seedHighValue: u32,
  offsetValue: u32,
  BIAS: u32,
  MASK: u32,
  CAUSAL: u32,
  DROPOUT: u32,
  begin: usize,
  end: usize,
  scratchAddress: usize,
): void {
  heads = headCount;
  queries = queryCount;
  keys = keyCount;
  width = headWidth;
  scale = scaleValue;
  threshold = thresholdValue;
  keepScale = keepScaleValue;
  seedLow = seedLowValue;
  seedHigh = seedHighValue;
  offset = offsetValue;
  causal = CAUSAL == 1;
  dropout = DROPOUT == 1;
  divideScratch(scratchAddress);
  const mask = MASK == 1 ? stats + ((2 * batch * heads * queries) << 2) : 0;
  for (let piece = begin; piece < end; piece++) {
    const b = piece / heads;
    const h = piece % heads;
    const at = headOffset(b, keys, 0, h);
    for (let t: usize = 0; t < queries; t += BLOCK) {
      const rows = min<usize>(BLOCK, queries - t);
      const block = headOffset(b, queries, t, h);
      blockGradients(q, k, v, bias, dy, stats, mask, batch, b, h, t, rows);
      weightedQueries(rows, scores, dy + block, dv + at, t > 0);
      weightedQueries(rows, products, q + block, dk + at, t > 0);
    }
    if (scale == 1) continue;
    for (let s: usize = 0; s < keys; s++) scaleRun(dk + at + s * stride, scale, width << 2);
  }
}
