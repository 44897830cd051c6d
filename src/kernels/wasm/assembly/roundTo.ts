// The SIMD bodies of src/kernels/roundTo.ts. Memory-bound: one vector a round is enough.

import { BF16, F16 } from "./elements";

/** f32 lanes to the nearest bf16, ties to even, as f32. */
// @ts-ignore: decorator
@inline
function nearestBf16(x: v128): v128 {
  const lsb = v128.and(i32x4.shr_u(x, 16), i32x4.splat(1));
  const up = i32x4.add(i32x4.add(x, i32x4.splat(0x7fff)), lsb);
  const rounded = v128.and(up, i32x4.splat(0xffff0000));
  return v128.bitselect(x, rounded, f32x4.ne(x, x));
}

/**
 * f32 lanes to the nearest f16, ties to even, as f32. Below 2^-14 f16 counts in units of 2^-24, the unit of f32 numbers
 * from 0.5 to 1: adding 0.5 rounds to them. From 65520 on it is infinity.
 */
// @ts-ignore: decorator
@inline
function nearestF16(x: v128): v128 {
  const magnitude = f32x4.abs(x);
  const sign = v128.xor(x, magnitude);
  const lsb = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1));
  const up = i32x4.add(i32x4.add(magnitude, i32x4.splat(0xfff)), lsb);
  let rounded = v128.and(up, i32x4.splat(0xffffe000));
  const half = f32x4.splat(0.5);
  const tiny = f32x4.sub(f32x4.add(magnitude, half), half);
  rounded = v128.bitselect(tiny, rounded, f32x4.lt(magnitude, f32x4.splat(6.103515625e-5)));
  const infinity = f32x4.splat(Infinity);
  rounded = v128.bitselect(infinity, rounded, f32x4.ge(magnitude, f32x4.splat(65520)));
  return v128.bitselect(x, v128.or(rounded, sign), f32x4.ne(x, x));
}

// @ts-ignore: decorator
@inline
function nearest(type: i32, x: v128): v128 {
  return type == BF16 ? nearestBf16(x) : nearestF16(x);
}

// @ts-ignore: decorator
@inline
function roundAll(type: i32, x: usize, y: usize, begin: usize, end: usize): void {
  let at = begin << 2;
  const stop = end << 2;
  for (; at + 16 <= stop; at += 16) v128.store(y + at, nearest(type, v128.load(x + at)));
  for (; at < stop; at += 4) {
    const value = nearest(type, f32x4.splat(load<f32>(x + at)));
    store<f32>(y + at, f32x4.extract_lane(value, 0));
  }
}

export function roundToBf16(x: usize, y: usize, size: usize, begin: usize, end: usize): void {
  roundAll(BF16, x, y, begin, end);
}

export function roundToF16(x: usize, y: usize, size: usize, begin: usize, end: usize): void {
  roundAll(F16, x, y, begin, end);
}
