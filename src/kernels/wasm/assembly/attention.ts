// The SIMD bodies of src/kernels/attention.ts and attentionBackward.ts; formulas are there. One head of one
// batch element at a time: its scores [T, S] stand in scratch memory and everything else is matrix products.

import { F32 } from "./elements";
import { gemm } from "./gemm";
import { exp, expOne } from "./math";
import { GROUP, keepFactors } from "./philox";
import { log, rowMax, rowSumExp } from "./rows";

// @ts-ignore: decorator
@inline
const DROPPED: f32 = -3.4028234663852886e38;

// @ts-ignore: decorator
@inline
function align(bytes: usize): usize {
  return (bytes + 15) & ~15;
}

/** s = scale q k^T + bias for one head, with DROPPED where the mask or causality hides a key. */
function scoreHead(
  q: usize,
  k: usize,
  bias: usize,
  mask: usize,
  queries: usize,
  keys: usize,
  width: usize,
  stride: usize,
  scale: f32,
  causal: u32,
  s: usize,
  scratch: usize,
): void {
  const bytes = keys << 2;
  gemm(queries, keys, width, q, stride, 4, k, 4, stride, F32, s, bytes, false, scratch);
  const scales = f32x4.splat(scale);
  const dropped = f32x4.splat(DROPPED);
  for (let t: usize = 0; t < queries; t++) {
    const row = s + t * bytes;
    const biasRow = bias + t * bytes;
    // Keys behind this one are hidden: query t sits at position S - T + t.
    let visible = causal ? (<i32>keys - <i32>queries + <i32>t + 1) << 2 : <i32>bytes;
    if (visible < 0) visible = 0;
    let at: usize = 0;
    for (; at + 16 <= bytes; at += 16) {
      let value = f32x4.mul(v128.load(row + at), scales);
      if (bias) value = f32x4.add(value, v128.load(biasRow + at));
      if (mask) {
        value = v128.bitselect(value, dropped, i32x4.ne(v128.load(mask + at), i32x4.splat(0)));
      }
      v128.store(row + at, value);
    }
    for (; at < bytes; at += 4) {
      let value = load<f32>(row + at) * scale;
      if (bias) value += load<f32>(biasRow + at);
      if (mask && load<i32>(mask + at) == 0) value = DROPPED;
      store<f32>(row + at, value);
    }
    for (at = <usize>visible; at < bytes; at += 4) store<f32>(row + at, DROPPED);
  }
}

/** Dropout factors of elements first .. first + count - 1 of a stream. @returns where the first one is */
// @ts-ignore: decorator
@inline
function rowFactors(
  target: usize,
  first: usize,
  count: usize,
  threshold: u32,
  keepScale: f32,
  seedLow: u32,
  seedHigh: u32,
  offset: u32,
): usize {
  const begin = first / GROUP;
  const end = (first + count - 1) / GROUP;
  for (let group = begin; group <= end; group++) {
    const to = target + ((group - begin) * GROUP << 2);
    keepFactors(to, <u32>group, threshold, keepScale, seedLow, seedHigh, offset);
  }
  return target + ((first % GROUP) << 2);
}

/** row *= factor, and *= factors element by element unless that is 0. */
// @ts-ignore: decorator
@inline
function scaleRow(row: usize, bytes: usize, factor: f32, factors: usize): void {
  const lanes = f32x4.splat(factor);
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) {
    let value = f32x4.mul(v128.load(row + at), lanes);
    if (factors) value = f32x4.mul(value, v128.load(factors + at));
    v128.store(row + at, value);
  }
  for (; at < bytes; at += 4) {
    let value = load<f32>(row + at) * factor;
    if (factors) value *= load<f32>(factors + at);
    store<f32>(row + at, value);
  }
}

export function attentionForward(
  q: usize,
  k: usize,
  v: usize,
  bias: usize,
  mask: usize,
  y: usize,
  lse: usize,
  batch: usize,
  heads: usize,
  queries: usize,
  keys: usize,
  width: usize,
  scale: f32,
  threshold: u32,
  keepScale: f32,
  seedLow: u32,
  seedHigh: u32,
  offset: u32,
  BIAS: u32,
  MASK: u32,
  CAUSAL: u32,
  DROPOUT: u32,
  begin: usize,
  end: usize,
  scratch: usize,
): void {
  const stride = (heads * width) << 2;
  const bytes = keys << 2;
  const buffer = scratch + align(queries * bytes);
  const forGemm = buffer + align((keys + 2 * GROUP) << 2);
  for (let piece = begin; piece < end; piece++) {
    const b = piece / heads;
    const h = piece % heads;
    const column = (h * width) << 2;
    const query = b * queries * stride + column;
    const key = b * keys * stride + column;
    const headBias = bias ? bias + h * queries * bytes : 0;
    const itemMask = mask ? mask + b * bytes : 0;
    scoreHead(q + query, k + key, headBias, itemMask, queries, keys, width, stride, scale, CAUSAL, scratch, forGemm);
    for (let t: usize = 0; t < queries; t++) {
      const row = scratch + t * bytes;
      const at = piece * queries + t;
      const most = rowMax(row, bytes);
      const total = rowSumExp(row, row, bytes, most);
      store<f32>(lse + (at << 2), most + log(total));
      const factors = DROPOUT
        ? rowFactors(buffer, at * keys, keys, threshold, keepScale, seedLow, seedHigh, offset)
        : 0;
      scaleRow(row, bytes, 1 / total, factors);
    }
    gemm(queries, width, keys, scratch, bytes, 4, v + key, stride, 4, F32, y + query, stride, false, forGemm);
  }
}

/** M P into s and dS into d, for one head: s holds its scores and d its dy v^T. */
// @ts-ignore: decorator
@inline
function gradientsOfScores(
  s: usize,
  d: usize,
  stats: usize,
  deltas: usize,
  firstRow: usize,
  queries: usize,
  keys: usize,
  threshold: u32,
  keepScale: f32,
  seedLow: u32,
  seedHigh: u32,
  offset: u32,
  DROPOUT: u32,
  buffer: usize,
): void {
  const bytes = keys << 2;
  for (let t: usize = 0; t < queries; t++) {
    const row = s + t * bytes;
    const dRow = d + t * bytes;
    const at = firstRow + t;
    const lse = load<f32>(stats + (at << 2));
    const delta = load<f32>(deltas + (at << 2));
    const factors = DROPOUT
      ? rowFactors(buffer, at * keys, keys, threshold, keepScale, seedLow, seedHigh, offset)
      : 0;
    // A row whose keys are all dropped is uniform, and its scores have no gradient.
    const uniform = lse == DROPPED;
    const uniforms = f32x4.splat(1 / <f32>keys);
    let i: usize = 0;
    for (; i + 16 <= bytes; i += 16) {
      const p = uniform ? uniforms : exp(f32x4.sub(v128.load(row + i), f32x4.splat(lse)));
      const m = factors ? v128.load(factors + i) : f32x4.splat(1);
      const dp = f32x4.mul(m, v128.load(dRow + i));
      v128.store(row + i, f32x4.mul(m, p));
      v128.store(dRow + i, uniform ? f32x4.splat(0) : f32x4.mul(p, f32x4.sub(dp, f32x4.splat(delta))));
    }
    for (; i < bytes; i += 4) {
      const p: f32 = uniform ? 1 / <f32>keys : expOne(load<f32>(row + i) - lse);
      const m: f32 = factors ? load<f32>(factors + i) : 1;
      const ds: f32 = uniform ? 0 : p * (m * load<f32>(dRow + i) - delta);
      store<f32>(row + i, m * p);
      store<f32>(dRow + i, ds);
    }
  }
}

/** y += x, or y = x for the first. */
// @ts-ignore: decorator
@inline
function addInto(y: usize, x: usize, bytes: usize, first: bool): void {
  if (first) {
    memory.copy(y, x, bytes);
    return;
  }
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) {
    v128.store(y + at, f32x4.add(v128.load(y + at), v128.load(x + at)));
  }
  for (; at < bytes; at += 4) store<f32>(y + at, load<f32>(y + at) + load<f32>(x + at));
}

/** Pieces are heads: the bias gradient of a head is a sum over the batch, which one thread makes. */
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
  heads: usize,
  queries: usize,
  keys: usize,
  width: usize,
  scale: f32,
  threshold: u32,
  keepScale: f32,
  seedLow: u32,
  seedHigh: u32,
  offset: u32,
  BIAS: u32,
  MASK: u32,
  CAUSAL: u32,
  DROPOUT: u32,
  begin: usize,
  end: usize,
  scratch: usize,
): void {
  const stride = (heads * width) << 2;
  const bytes = keys << 2;
  const matrix = align(queries * bytes);
  const d = scratch + matrix;
  const buffer = d + matrix;
  const forGemm = buffer + align((keys + 2 * GROUP) << 2);
  const rows = batch * heads * queries;
  for (let h = begin; h < end; h++) {
    const headBias = bias ? bias + h * queries * bytes : 0;
    for (let b: usize = 0; b < batch; b++) {
      const query = b * queries * stride + ((h * width) << 2);
      const key = b * keys * stride + ((h * width) << 2);
      const itemMask = MASK ? stats + ((2 * rows + b * keys) << 2) : 0;
      scoreHead(q + query, k + key, headBias, itemMask, queries, keys, width, stride, scale, CAUSAL, scratch, forGemm);
      gemm(queries, keys, width, dy + query, stride, 4, v + key, 4, stride, F32, d, bytes, false, forGemm);
      const firstRow = (b * heads + h) * queries;
      gradientsOfScores(scratch, d, stats, stats + (rows << 2), firstRow, queries, keys, threshold, keepScale, seedLow, seedHigh, offset, DROPOUT, buffer);
      if (dbias) addInto(dbias + h * queries * bytes, d, queries * bytes, b == 0);
      if (scale != 1) scaleRow(d, queries * bytes, scale, 0);
      gemm(queries, width, keys, d, bytes, 4, k + key, stride, 4, F32, dq + query, stride, false, forGemm);
    }
  }
}

/** Pieces are heads of batch elements. */
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
  heads: usize,
  queries: usize,
  keys: usize,
  width: usize,
  scale: f32,
  threshold: u32,
  keepScale: f32,
  seedLow: u32,
  seedHigh: u32,
  offset: u32,
  BIAS: u32,
  MASK: u32,
  CAUSAL: u32,
  DROPOUT: u32,
  begin: usize,
  end: usize,
  scratch: usize,
): void {
  const stride = (heads * width) << 2;
  const bytes = keys << 2;
  const matrix = align(queries * bytes);
  const d = scratch + matrix;
  const buffer = d + matrix;
  const forGemm = buffer + align((keys + 2 * GROUP) << 2);
  const rows = batch * heads * queries;
  for (let piece = begin; piece < end; piece++) {
    const b = piece / heads;
    const h = piece % heads;
    const headBias = bias ? bias + h * queries * bytes : 0;
    const query = b * queries * stride + ((h * width) << 2);
    const key = b * keys * stride + ((h * width) << 2);
    const itemMask = MASK ? stats + ((2 * rows + b * keys) << 2) : 0;
    scoreHead(q + query, k + key, headBias, itemMask, queries, keys, width, stride, scale, CAUSAL, scratch, forGemm);
    gemm(queries, keys, width, dy + query, stride, 4, v + key, 4, stride, F32, d, bytes, false, forGemm);
    gradientsOfScores(scratch, d, stats, stats + (rows << 2), piece * queries, queries, keys, threshold, keepScale, seedLow, seedHigh, offset, DROPOUT, buffer);
    gemm(keys, width, queries, scratch, 4, bytes, dy + query, stride, 4, F32, dv + key, stride, false, forGemm);
    if (scale != 1) scaleRow(d, queries * bytes, scale, 0);
    gemm(keys, width, queries, d, 4, bytes, q + query, stride, 4, F32, dk + key, stride, false, forGemm);
  }
}
