// The SIMD bodies of src/kernels/attention/backward.ts; formulas are there.

import {
  againstKeys,
  BLOCK,
  dropout,
  MASKED,
  factorsOfRow,
  finishScores,
  headOffset,
  heads,
  keys,
  openCall,
  products,
  queries,
  scale,
  scaleRun,
  scores,
  scoreStride,
  stride,
  weightedKeys,
  weightedQueries,
  width,
} from "./attentionBlock";
import { exp } from "../math";
import { madd, sumLanes } from "../simd";

/** Units are batch elements. */
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
  headDim: usize,
  begin: usize,
  end: usize,
): void {
  const bytes = headDim << 2;
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
    if (lse == MASKED) uniformRow(x, products + i * scoreStride, keep);
    else gradientRow(x, products + i * scoreStride, keep, lse, delta);
  }
}

/** Every key is masked: weights of 1 / S, and no gradient to the scores. */
function uniformRow(weights: usize, ds: usize, keep: usize): void {
  const share: f32 = 1 / <f32>keys;
  const shares = f32x4.splat(share);
  for (let at: usize = 0; at < scoreStride; at += 16) {
    v128.store(weights + at, keep ? f32x4.mul(shares, v128.load(keep + at)) : shares);
  }
  memory.fill(ds, 0, scoreStride);
}

/** Scores to weights M P, and dP before dropout to dS = P (M dP - delta); masked keys have P = 0. */
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
 * Units are (head, block of queries) pairs and go through the batch, so that no two threads add to one
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
  headDim: usize,
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
  openCall(
    headCount,
    queryCount,
    keyCount,
    headDim,
    scaleValue,
    thresholdValue,
    keepScaleValue,
    seedLowValue,
    seedHighValue,
    offsetValue,
    CAUSAL,
    DROPOUT,
    scratchAddress,
  );
  const mask = MASK == 1 ? stats + ((2 * batch * heads * queries) << 2) : 0;
  const blocks = (queries + BLOCK - 1) / BLOCK;
  for (let unit = begin; unit < end; unit++) {
    const h = unit / blocks;
    const t = (unit % blocks) * BLOCK;
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

/** Units are (batch element, head) pairs. */
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
  headDim: usize,
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
  openCall(
    headCount,
    queryCount,
    keyCount,
    headDim,
    scaleValue,
    thresholdValue,
    keepScaleValue,
    seedLowValue,
    seedHighValue,
    offsetValue,
    CAUSAL,
    DROPOUT,
    scratchAddress,
  );
  const mask = MASK == 1 ? stats + ((2 * batch * heads * queries) << 2) : 0;
  for (let unit = begin; unit < end; unit++) {
    const b = unit / heads;
    const h = unit % heads;
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

/**
 * Both of the above at once: a block's weights and dS are computed once for all four sums. Units are heads that go through
 * the batch (byHead, which dbias needs), or (batch element, head) pairs. Every sum is in the order of the functions above.
 */
export function attentionBackwardAll(
  q: usize,
  k: usize,
  v: usize,
  bias: usize,
  dy: usize,
  stats: usize,
  dq: usize,
  dbias: usize,
  dk: usize,
  dv: usize,
  batch: usize,
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
  accumulate: u32,
  byHead: u32,
  BIAS: u32,
  MASK: u32,
  CAUSAL: u32,
  DROPOUT: u32,
  begin: usize,
  end: usize,
  scratchAddress: usize,
): void {
  openCall(
    headCount,
    queryCount,
    keyCount,
    headDim,
    scaleValue,
    thresholdValue,
    keepScaleValue,
    seedLowValue,
    seedHighValue,
    offsetValue,
    CAUSAL,
    DROPOUT,
    scratchAddress,
  );
  const mask = MASK == 1 ? stats + ((2 * batch * heads * queries) << 2) : 0;
  for (let unit = begin; unit < end; unit++) {
    const h: usize = byHead ? unit : unit % heads;
    const firstBatch: usize = byHead ? 0 : unit / heads;
    const endBatch: usize = byHead ? batch : firstBatch + 1;
    for (let b = firstBatch; b < endBatch; b++) {
      const at = headOffset(b, keys, 0, h);
      for (let t: usize = 0; t < queries; t += BLOCK) {
        const rows = min<usize>(BLOCK, queries - t);
        const block = headOffset(b, queries, t, h);
        blockGradients(q, k, v, bias, dy, stats, mask, batch, b, h, t, rows);
        weightedKeys(rows, products, k + at, dq + block);
        for (let i: usize = 0; i < rows; i++) {
          if (scale != 1) scaleRun(dq + block + i * stride, scale, width << 2);
          if (!dbias) continue;
          const row = dbias + (((h * queries + t + i) * keys) << 2);
          addRun(row, products + i * scoreStride, b > 0 || accumulate == 1);
        }
        weightedQueries(rows, scores, dy + block, dv + at, t > 0);
        weightedQueries(rows, products, q + block, dk + at, t > 0);
      }
      if (scale == 1) continue;
      for (let s: usize = 0; s < keys; s++) scaleRun(dk + at + s * stride, scale, width << 2);
    }
  }
}
