// The SIMD body of src/kernels/attention/decode.ts; the formula is there. Units are (row, head) pairs.
//
// A head's keys lie side by side. Four of them are scored at a time, so that a query is loaded once for four keys; eight
// vectors of the result stay in registers while all values pass.

import { rowMax, rowSumExp } from "../rows/rows";
import { madd } from "../simd";

/** Bytes of eight vectors. */
// @ts-ignore: decorator
@inline
const STRIP: usize = 128;

/** Where the keys of a head of one row are. */
// @ts-ignore: decorator
@inline
function keyAt(base: usize, origins: usize, slotBytes: usize, width: usize, j: usize): usize {
  const from = base + j * width;
  return origins ? from + <usize>load<i32>(origins + (j << 2)) * slotBytes : from;
}

/** Dot products of the query with four keys, in one vector. */
// @ts-ignore: decorator
@inline
function fourDots(q: usize, k0: usize, k1: usize, k2: usize, k3: usize, width: usize): v128 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  let t0 = s0;
  let t1 = s0;
  let t2 = s0;
  let t3 = s0;
  let at: usize = 0;
  for (; at + 32 <= width; at += 32) {
    let x = v128.load(q + at);
    s0 = madd(x, v128.load(k0 + at), s0);
    s1 = madd(x, v128.load(k1 + at), s1);
    s2 = madd(x, v128.load(k2 + at), s2);
    s3 = madd(x, v128.load(k3 + at), s3);
    x = v128.load(q + at, 16);
    t0 = madd(x, v128.load(k0 + at, 16), t0);
    t1 = madd(x, v128.load(k1 + at, 16), t1);
    t2 = madd(x, v128.load(k2 + at, 16), t2);
    t3 = madd(x, v128.load(k3 + at, 16), t3);
  }
  for (; at + 16 <= width; at += 16) {
    const x = v128.load(q + at);
    s0 = madd(x, v128.load(k0 + at), s0);
    s1 = madd(x, v128.load(k1 + at), s1);
    s2 = madd(x, v128.load(k2 + at), s2);
    s3 = madd(x, v128.load(k3 + at), s3);
  }
  s0 = f32x4.add(s0, t0);
  s1 = f32x4.add(s1, t1);
  s2 = f32x4.add(s2, t2);
  s3 = f32x4.add(s3, t3);
  const s01 = f32x4.add(v128.shuffle<f32>(s0, s1, 0, 4, 1, 5), v128.shuffle<f32>(s0, s1, 2, 6, 3, 7));
  const s23 = f32x4.add(v128.shuffle<f32>(s2, s3, 0, 4, 1, 5), v128.shuffle<f32>(s2, s3, 2, 6, 3, 7));
  let sums = f32x4.add(
    v128.shuffle<f64>(s01, s23, 0, 2),
    v128.shuffle<f64>(s01, s23, 1, 3),
  );
  for (; at < width; at += 4) {
    const keys = f32x4.replace_lane(
      f32x4.replace_lane(
        f32x4.replace_lane(f32x4.splat(load<f32>(k0 + at)), 1, load<f32>(k1 + at)),
        2,
        load<f32>(k2 + at),
      ),
      3,
      load<f32>(k3 + at),
    );
    sums = madd(v128.load_splat<f32>(q + at), keys, sums);
  }
  return sums;
}

export function decodeAttention(
  q: usize,
  k: usize,
  v: usize,
  bias: usize,
  places: usize,
  origins: usize,
  y: usize,
  rows: usize,
  heads: usize,
  headDim: usize,
  capacity: usize,
  keys: usize,
  begin: usize,
  end: usize,
  scores: usize,
): void {
  const width = headDim << 2;
  const headBytes = capacity * width;
  const slotBytes = heads * headBytes;
  for (let unit = begin; unit < end; unit++) {
    const row = unit / heads;
    const head = unit % heads;
    const slot: usize = origins ? 0 : <usize>load<i32>(places + (row << 3));
    const last = <usize>load<i32>(places + (row << 3), 4);
    const from = slot * slotBytes + head * headBytes;
    const pasts = origins ? origins + (row * capacity << 2) : 0;
    const biases = bias ? bias + (((head + 1) * capacity - 1 - last) << 2) : 0;
    const query = q + unit * width;
    for (let j: usize = 0; j <= last; j += 4) {
      // Keys past the last one are the last one again; their scores are not looked at.
      const k0 = keyAt(k + from, pasts, slotBytes, width, j);
      const k1 = keyAt(k + from, pasts, slotBytes, width, min(j + 1, last));
      const k2 = keyAt(k + from, pasts, slotBytes, width, min(j + 2, last));
      const k3 = keyAt(k + from, pasts, slotBytes, width, min(j + 3, last));
      v128.store(scores + (j << 2), fourDots(query, k0, k1, k2, k3, width));
    }
    const bytes = (last + 1) << 2;
    if (biases) addTo(scores, biases, bytes);
    const share: f32 = 1 / rowSumExp(scores, scores, bytes, rowMax(scores, bytes));
    const out = y + unit * width;
    let at: usize = 0;
    for (; at + STRIP <= width; at += STRIP) {
      weighStrip(scores, v + from + at, pasts, slotBytes, width, last, share, out + at);
    }
    for (; at + 16 <= width; at += 16) {
      weighVector(scores, v + from + at, pasts, slotBytes, width, last, share, out + at);
    }
    for (; at < width; at += 4) {
      let sum: f32 = 0;
      for (let j: usize = 0; j <= last; j++) {
        sum += load<f32>(scores + (j << 2)) * load<f32>(keyAt(v + from + at, pasts, slotBytes, width, j));
      }
      store<f32>(out + at, sum * share);
    }
  }
}

// @ts-ignore: decorator
@inline
function addTo(y: usize, x: usize, bytes: usize): void {
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) {
    v128.store(y + at, f32x4.add(v128.load(y + at), v128.load(x + at)));
  }
  for (; at < bytes; at += 4) store<f32>(y + at, load<f32>(y + at) + load<f32>(x + at));
}

/** Eight vectors of the sum of all values by their weights, times `share`. */
// @ts-ignore: decorator
@inline
function weighStrip(
  weights: usize,
  v: usize,
  origins: usize,
  slotBytes: usize,
  width: usize,
  last: usize,
  share: f32,
  y: usize,
): void {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  let s4 = s0;
  let s5 = s0;
  let s6 = s0;
  let s7 = s0;
  for (let j: usize = 0; j <= last; j++) {
    const weight = v128.load_splat<f32>(weights + (j << 2));
    const x = keyAt(v, origins, slotBytes, width, j);
    s0 = madd(weight, v128.load(x), s0);
    s1 = madd(weight, v128.load(x, 16), s1);
    s2 = madd(weight, v128.load(x, 32), s2);
    s3 = madd(weight, v128.load(x, 48), s3);
    s4 = madd(weight, v128.load(x, 64), s4);
    s5 = madd(weight, v128.load(x, 80), s5);
    s6 = madd(weight, v128.load(x, 96), s6);
    s7 = madd(weight, v128.load(x, 112), s7);
  }
  const shares = f32x4.splat(share);
  v128.store(y, f32x4.mul(s0, shares));
  v128.store(y, f32x4.mul(s1, shares), 16);
  v128.store(y, f32x4.mul(s2, shares), 32);
  v128.store(y, f32x4.mul(s3, shares), 48);
  v128.store(y, f32x4.mul(s4, shares), 64);
  v128.store(y, f32x4.mul(s5, shares), 80);
  v128.store(y, f32x4.mul(s6, shares), 96);
  v128.store(y, f32x4.mul(s7, shares), 112);
}

/** One vector of it. */
// @ts-ignore: decorator
@inline
function weighVector(
  weights: usize,
  v: usize,
  origins: usize,
  slotBytes: usize,
  width: usize,
  last: usize,
  share: f32,
  y: usize,
): void {
  let sum = f32x4.splat(0);
  for (let j: usize = 0; j <= last; j++) {
    const x = keyAt(v, origins, slotBytes, width, j);
    sum = madd(v128.load_splat<f32>(weights + (j << 2)), v128.load(x), sum);
  }
  v128.store(y, f32x4.mul(sum, f32x4.splat(share)));
}
