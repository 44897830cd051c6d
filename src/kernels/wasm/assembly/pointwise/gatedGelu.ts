// The SIMD bodies of src/kernels/pointwise/gatedGelu.ts; formulas are there. Without dropout units [begin, end) are
// elements, with it groups of 16 whose factors are drawn together. They are two functions each, because in one for both the
// loop without dropout was slower by a tenth (simd, Node 20).

import { GROUP, keepFactors } from "../philox";
import { bounded, gate, slope } from "./gelu";

/** Four elements, or one in every lane. */
// @ts-ignore: decorator
@inline
function read(at: usize, single: bool): v128 {
  return single ? v128.load_splat<f32>(at) : v128.load(at);
}

// @ts-ignore: decorator
@inline
function write(at: usize, value: v128, single: bool): void {
  if (single) store<f32>(at, f32x4.extract_lane(value, 0));
  else v128.store(at, value);
}

/** y, `at` bytes on. @param factors where the elements' dropout factors lie, read if `dropped` */
// @ts-ignore: decorator
@inline
function forward(
  a: usize,
  b: usize,
  y: usize,
  at: usize,
  factors: usize,
  dropped: bool,
  single: bool,
): void {
  const x = read(a + at, single);
  let value = f32x4.mul(f32x4.mul(x, gate(bounded(x))), read(b + at, single));
  if (dropped) value = f32x4.mul(value, read(factors, single));
  write(y + at, value, single);
}

export function gatedGeluForward(
  a: usize,
  b: usize,
  y: usize,
  size: usize,
  threshold: u32,
  keepScale: f32,
  seedLow: u32,
  seedHigh: u32,
  offset: u32,
  DROPOUT: u32,
  begin: usize,
  end: usize,
): void {
  let at = begin << 2;
  const stop = end << 2;
  for (; at + 16 <= stop; at += 16) forward(a, b, y, at, 0, false, false);
  for (; at < stop; at += 4) forward(a, b, y, at, 0, false, true);
}

export function gatedGeluForwardDropout(
  a: usize,
  b: usize,
  y: usize,
  size: usize,
  threshold: u32,
  keepScale: f32,
  seedLow: u32,
  seedHigh: u32,
  offset: u32,
  DROPOUT: u32,
  begin: usize,
  end: usize,
  scratch: usize,
): void {
  for (let group = begin; group < end; group++) {
    keepFactors(scratch, <u32>group, threshold, keepScale, seedLow, seedHigh, offset);
    const first = group * GROUP;
    const at = first << 2;
    if (first + GROUP <= size) {
      for (let i: usize = 0; i < GROUP << 2; i += 16) {
        forward(a, b, y, at + i, scratch + i, true, false);
      }
    } else {
      for (let i: usize = 0; i < (size - first) << 2; i += 4) {
        forward(a, b, y, at + i, scratch + i, true, true);
      }
    }
  }
}

/** da and db, `at` bytes on. @param factors as in forward */
// @ts-ignore: decorator
@inline
function backward(
  a: usize,
  b: usize,
  dy: usize,
  da: usize,
  db: usize,
  at: usize,
  factors: usize,
  dropped: bool,
  single: bool,
): void {
  const x = read(a + at, single);
  let upstream = read(dy + at, single);
  if (dropped) upstream = f32x4.mul(upstream, read(factors, single));
  const inner = bounded(x);
  const s = gate(inner);
  const gated = f32x4.mul(upstream, read(b + at, single));
  write(da + at, f32x4.mul(gated, slope(inner, s)), single);
  write(db + at, f32x4.mul(upstream, f32x4.mul(x, s)), single);
}

export function gatedGeluBackward(
  a: usize,
  b: usize,
  dy: usize,
  da: usize,
  db: usize,
  size: usize,
  threshold: u32,
  keepScale: f32,
  seedLow: u32,
  seedHigh: u32,
  offset: u32,
  DROPOUT: u32,
  begin: usize,
  end: usize,
): void {
  let at = begin << 2;
  const stop = end << 2;
  for (; at + 16 <= stop; at += 16) backward(a, b, dy, da, db, at, 0, false, false);
  for (; at < stop; at += 4) backward(a, b, dy, da, db, at, 0, false, true);
}

export function gatedGeluBackwardDropout(
  a: usize,
  b: usize,
  dy: usize,
  da: usize,
  db: usize,
  size: usize,
  threshold: u32,
  keepScale: f32,
  seedLow: u32,
  seedHigh: u32,
  offset: u32,
  DROPOUT: u32,
  begin: usize,
  end: usize,
  scratch: usize,
): void {
  for (let group = begin; group < end; group++) {
    keepFactors(scratch, <u32>group, threshold, keepScale, seedLow, seedHigh, offset);
    const first = group * GROUP;
    const at = first << 2;
    if (first + GROUP <= size) {
      for (let i: usize = 0; i < GROUP << 2; i += 16) {
        backward(a, b, dy, da, db, at + i, scratch + i, true, false);
      }
    } else {
      for (let i: usize = 0; i < (size - first) << 2; i += 4) {
        backward(a, b, dy, da, db, at + i, scratch + i, true, true);
      }
    }
  }
}
