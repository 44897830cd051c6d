// The SIMD body of src/kernels/attention/decode.ts; the formula is there. Units are (row, head) pairs.

import { MASKED } from "./attentionBlock";
import { rowMax, rowSumExp } from "../rows/rows";
import { madd, sumLanes } from "../simd";

/** Dot product of two runs of `bytes`. */
// @ts-ignore: decorator
@inline
function dot(a: usize, b: usize, bytes: usize): f32 {
  let lanes = f32x4.splat(0);
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) lanes = madd(v128.load(a + at), v128.load(b + at), lanes);
  let sum = sumLanes(lanes);
  for (; at < bytes; at += 4) sum += load<f32>(a + at) * load<f32>(b + at);
  return sum;
}

/** y += weight * v over `bytes`. */
// @ts-ignore: decorator
@inline
function addScaled(y: usize, weight: f32, v: usize, bytes: usize): void {
  const weights = f32x4.splat(weight);
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) {
    v128.store(y + at, madd(v128.load(v + at), weights, v128.load(y + at)));
  }
  for (; at < bytes; at += 4) store<f32>(y + at, load<f32>(y + at) + weight * load<f32>(v + at));
}

export function decodeAttention(
  q: usize,
  k: usize,
  v: usize,
  bias: usize,
  mask: usize,
  y: usize,
  rows: usize,
  rowsPerKey: usize,
  heads: usize,
  headDim: usize,
  length: usize,
  capacity: usize,
  begin: usize,
  end: usize,
  scores: usize,
): void {
  const width = headDim << 2;
  const stride = heads * width;
  for (let unit = begin; unit < end; unit++) {
    const row = unit / heads;
    const head = unit % heads;
    const item = row / rowsPerKey;
    const from = item * capacity * stride + head * width;
    const query = q + row * stride + head * width;
    for (let j: usize = 0; j < length; j++) {
      let score = dot(query, k + from + j * stride, width);
      if (bias) score += load<f32>(bias + ((head * length + j) << 2));
      if (mask && load<i32>(mask + ((item * length + j) << 2)) == 0) score = MASKED;
      store<f32>(scores + (j << 2), score);
    }
    const total = rowSumExp(scores, scores, length << 2, rowMax(scores, length << 2));
    const out = y + row * stride + head * width;
    memory.fill(out, 0, width);
    for (let j: usize = 0; j < length; j++) {
      addScaled(out, load<f32>(scores + (j << 2)) / total, v + from + j * stride, width);
    }
  }
}
