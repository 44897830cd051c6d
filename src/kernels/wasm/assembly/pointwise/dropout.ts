// The SIMD bodies of src/kernels/pointwise/dropout.ts. Units [begin, end) are groups of 16 elements.

import { GROUP, keepFactors } from "../philox";

/** residual may be 0: then y is x times the mask. */
// @ts-ignore: decorator
@inline
function apply(
  residual: usize,
  x: usize,
  y: usize,
  size: usize,
  threshold: u32,
  keepScale: f32,
  seedLow: u32,
  seedHigh: u32,
  offset: u32,
  begin: usize,
  end: usize,
  factors: usize,
): void {
  for (let group = begin; group < end; group++) {
    keepFactors(factors, <u32>group, threshold, keepScale, seedLow, seedHigh, offset);
    const first = group * GROUP;
    const at = first << 2;
    if (first + GROUP <= size) {
      for (let i: usize = 0; i < GROUP << 2; i += 16) {
        let value = f32x4.mul(v128.load(x + at + i), v128.load(factors + i));
        if (residual) value = f32x4.add(v128.load(residual + at + i), value);
        v128.store(y + at + i, value);
      }
    } else {
      for (let i: usize = 0; i < (size - first) << 2; i += 4) {
        let value = load<f32>(x + at + i) * load<f32>(factors + i);
        if (residual) value += load<f32>(residual + at + i);
        store<f32>(y + at + i, value);
      }
    }
  }
}

export function dropout(
  x: usize,
  y: usize,
  size: usize,
  threshold: u32,
  keepScale: f32,
  seedLow: u32,
  seedHigh: u32,
  offset: u32,
  begin: usize,
  end: usize,
  scratch: usize,
): void {
  apply(0, x, y, size, threshold, keepScale, seedLow, seedHigh, offset, begin, end, scratch);
}

export function dropoutAdd(
  residual: usize,
  x: usize,
  y: usize,
  size: usize,
  threshold: u32,
  keepScale: f32,
  seedLow: u32,
  seedHigh: u32,
  offset: u32,
  begin: usize,
  end: usize,
  scratch: usize,
): void {
  apply(residual, x, y, size, threshold, keepScale, seedLow, seedHigh, offset, begin, end, scratch);
}
