// The SIMD bodies of src/kernels/attention/backward.ts; formulas are there.

import {
  againstKeys,
  biasOffset,
  BLOCK,
  dropout,
  MASKED,
  factorsOfRow,
  finishScores,
  heads,
  keyOffset,
  keys,
  maskOffset,
  mostKeys,
  mostQueries,
  openCall,
  openRow,
  probabilityRow,
  products,
  queries,
  queryOffset,
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
  offsets: usize,
  stats: usize,
  batch: usize,
  headCount: usize,
  queryCount: usize,
  keyCount: usize,
  allQueries: usize,
  headDim: usize,
  PACKED: u32,
  begin: usize,
  end: usize,
): void {
  const bytes = headDim << 2;
  const all = (headCount * allQueries) << 2;
  openCall(batch, headCount, queryCount, keyCount, headDim, 1, 0, 1, 0, 0, 0, 0, 0, offsets, 0);
  if (offsets && begin == 0) memory.copy(stats + 2 * all, offsets, (2 * (batch + 1)) << 2);
  for (let b = begin; b < end; b++) {
    openRow(b);
    let row = probabilityRow(0, 0) << 2;
    for (let h: usize = 0; h < heads; h++) {
      for (let t: usize = 0; t < queries; t++, row += 4) {
        const from = queryOffset(t, h);
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

/** Weights M P (into `scores`) and dS (into `products`) of a block of queries of the row. @param all bytes of L, of all rows */
function blockGradients(
  q: usize,
  k: usize,
  v: usize,
  bias: usize,
  dy: usize,
  stats: usize,
  mask: usize,
  all: usize,
  h: usize,
  t: usize,
  rows: usize,
): void {
  const block = queryOffset(t, h);
  const at = keyOffset(0, h);
  againstKeys(rows, q + block, k + at, scores);
  againstKeys(rows, dy + block, v + at, products);
  const maskRow = mask ? mask + maskOffset() : 0;
  for (let i: usize = 0; i < rows; i++) {
    const x = scores + i * scoreStride;
    const biasRow = bias ? bias + biasOffset(t + i, h) : 0;
    finishScores(x, t + i, biasRow, maskRow);
    const row = probabilityRow(t + i, h);
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
  allQueries: usize,
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
  PACKED: u32,
  begin: usize,
  end: usize,
  scratchAddress: usize,
): void {
  const all = (headCount * allQueries) << 2;
  openCall(
    batch,
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
    PACKED == 1 ? stats + 2 * all : 0,
    scratchAddress,
  );
  const mask = MASK == 1 ? stats + 2 * all : 0;
  const blocks = (mostQueries + BLOCK - 1) / BLOCK;
  for (let unit = begin; unit < end; unit++) {
    const h = unit / blocks;
    const t = (unit % blocks) * BLOCK;
    if (dbias && !accumulate) clearBias(dbias, h, t, min<usize>(BLOCK, mostQueries - t));
    for (let b: usize = 0; b < batch; b++) {
      openRow(b);
      if (t >= queries) continue;
      const rows = min<usize>(BLOCK, queries - t);
      const block = queryOffset(t, h);
      blockGradients(q, k, v, bias, dy, stats, mask, all, h, t, rows);
      weightedKeys(rows, products, k + keyOffset(0, h), dq + block);
      for (let i: usize = 0; i < rows; i++) {
        if (scale != 1) scaleRun(dq + block + i * stride, scale, width << 2);
        if (!dbias) continue;
        addRun(dbias + biasOffset(t + i, h), products + i * scoreStride);
      }
    }
  }
}

/** Sets `rows` of dbias from query t on to 0: rows of the batch, which may be shorter, add to them. */
function clearBias(dbias: usize, h: usize, t: usize, rows: usize): void {
  memory.fill(dbias + biasOffset(t, h), 0, (rows * mostKeys) << 2);
}

/** dk and dv of head h of a row without queries. */
function clearKeys(dk: usize, dv: usize, h: usize): void {
  for (let s: usize = 0; s < keys; s++) {
    memory.fill(dk + keyOffset(s, h), 0, width << 2);
    memory.fill(dv + keyOffset(s, h), 0, width << 2);
  }
}

/** y [S] += x. */
// @ts-ignore: decorator
@inline
function addRun(y: usize, x: usize): void {
  const bytes = keys << 2;
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) {
    v128.store(y + at, f32x4.add(v128.load(y + at), v128.load(x + at)));
  }
  for (; at < bytes; at += 4) store<f32>(y + at, load<f32>(y + at) + load<f32>(x + at));
}

/** Units are (head, batch element) pairs, as in attentionForward. */
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
  allQueries: usize,
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
  PACKED: u32,
  begin: usize,
  end: usize,
  scratchAddress: usize,
): void {
  const all = (headCount * allQueries) << 2;
  openCall(
    batch,
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
    PACKED == 1 ? stats + 2 * all : 0,
    scratchAddress,
  );
  const mask = MASK == 1 ? stats + 2 * all : 0;
  for (let unit = begin; unit < end; unit++) {
    const h = unit / batch;
    openRow(unit % batch);
    if (queries == 0) clearKeys(dk, dv, h);
    const at = keyOffset(0, h);
    for (let t: usize = 0; t < queries; t += BLOCK) {
      const rows = min<usize>(BLOCK, queries - t);
      const block = queryOffset(t, h);
      blockGradients(q, k, v, bias, dy, stats, mask, all, h, t, rows);
      weightedQueries(rows, scores, dy + block, dv + at, t > 0);
      weightedQueries(rows, products, q + block, dk + at, t > 0);
    }
    if (scale == 1) continue;
    for (let s: usize = 0; s < keys; s++) scaleRun(dk + at + s * stride, scale, width << 2);
  }
}

/**
 * Both of the above at once: a block's weights and dS are computed once for all four sums. Units are heads that go through
 * the batch (byHead, which dbias needs), or (head, batch element) pairs. Every sum is in the order of the functions above.
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
  allQueries: usize,
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
  PACKED: u32,
  begin: usize,
  end: usize,
  scratchAddress: usize,
): void {
  const all = (headCount * allQueries) << 2;
  openCall(
    batch,
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
    PACKED == 1 ? stats + 2 * all : 0,
    scratchAddress,
  );
  const mask = MASK == 1 ? stats + 2 * all : 0;
  for (let unit = begin; unit < end; unit++) {
    const h: usize = byHead ? unit : unit / batch;
    const firstBatch: usize = byHead ? 0 : unit % batch;
    const endBatch: usize = byHead ? batch : firstBatch + 1;
    if (dbias && !accumulate) clearBias(dbias, h, 0, mostQueries);
    for (let b = firstBatch; b < endBatch; b++) {
      openRow(b);
      if (queries == 0) clearKeys(dk, dv, h);
      const at = keyOffset(0, h);
      for (let t: usize = 0; t < queries; t += BLOCK) {
        const rows = min<usize>(BLOCK, queries - t);
        const block = queryOffset(t, h);
        blockGradients(q, k, v, bias, dy, stats, mask, all, h, t, rows);
        weightedKeys(rows, products, k + at, dq + block);
        for (let i: usize = 0; i < rows; i++) {
          if (scale != 1) scaleRun(dq + block + i * stride, scale, width << 2);
          if (!dbias) continue;
          addRun(dbias + biasOffset(t + i, h), products + i * scoreStride);
        }
        weightedQueries(rows, scores, dy + block, dv + at, t > 0);
        weightedQueries(rows, products, q + block, dk + at, t > 0);
      }
      if (scale == 1) continue;
      for (let s: usize = 0; s < keys; s++) scaleRun(dk + at + s * stride, scale, width << 2);
    }
  }
}
