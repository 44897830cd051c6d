// The SIMD bodies of src/kernels/pointwise/roundTo.ts, and of the conversions from and to 16-bit floats in src/kernels/pointwise/cast.ts.
// Memory-bound: one vector a round is enough.

import {
  BF16,
  F16,
  loadElement,
  loadVector,
  nearestBf16,
  nearestF16,
  storeElement,
  storeVector,
} from "../elements";

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

// @ts-ignore: decorator
@inline
function widenAll(type: i32, x: usize, y: usize, begin: usize, end: usize): void {
  let i = begin;
  for (; i + 4 <= end; i += 4) v128.store(y + (i << 2), loadVector(type, x + (i << 1)));
  for (; i < end; i++) store<f32>(y + (i << 2), loadElement(type, x + (i << 1)));
}

// @ts-ignore: decorator
@inline
function narrowAll(type: i32, x: usize, y: usize, begin: usize, end: usize): void {
  let i = begin;
  for (; i + 4 <= end; i += 4) storeVector(type, y + (i << 1), v128.load(x + (i << 2)));
  for (; i < end; i++) storeElement(type, y + (i << 1), load<f32>(x + (i << 2)));
}

/** @param type BF16 or F16 of elements.ts, here and below */
export function roundTo(
  type: i32,
  x: usize,
  y: usize,
  size: usize,
  begin: usize,
  end: usize,
): void {
  if (type == BF16) roundAll(BF16, x, y, begin, end);
  else roundAll(F16, x, y, begin, end);
}

/** 16-bit floats to f32. */
export function widen(type: i32, x: usize, y: usize, size: usize, begin: usize, end: usize): void {
  if (type == BF16) widenAll(BF16, x, y, begin, end);
  else widenAll(F16, x, y, begin, end);
}

/** f32 to 16-bit floats. */
export function narrow(
  type: i32,
  x: usize,
  y: usize,
  size: usize,
  begin: usize,
  end: usize,
): void {
  if (type == BF16) narrowAll(BF16, x, y, begin, end);
  else narrowAll(F16, x, y, begin, end);
}
