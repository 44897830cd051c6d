// The SIMD bodies of src/kernels/pointwise/gatedGelu.ts; formulas are there. Elements [begin, end).

import { bounded, gate, slope } from "./gelu";

// @ts-ignore: decorator
@inline
function forward(a: v128, b: v128): v128 {
  return f32x4.mul(f32x4.mul(a, gate(bounded(a))), b);
}

export function gatedGeluForward(
  a: usize,
  b: usize,
  y: usize,
  size: usize,
  begin: usize,
  end: usize,
): void {
  let at = begin << 2;
  const stop = end << 2;
  for (; at + 16 <= stop; at += 16) {
    v128.store(y + at, forward(v128.load(a + at), v128.load(b + at)));
  }
  for (; at < stop; at += 4) {
    const value = forward(v128.load_splat<f32>(a + at), v128.load_splat<f32>(b + at));
    store<f32>(y + at, f32x4.extract_lane(value, 0));
  }
}

export function gatedGeluBackward(
  a: usize,
  b: usize,
  dy: usize,
  da: usize,
  db: usize,
  size: usize,
  begin: usize,
  end: usize,
): void {
  let at = begin << 2;
  const stop = end << 2;
  for (; at + 16 <= stop; at += 16) {
    const x = v128.load(a + at);
    const upstream = v128.load(dy + at);
    const inner = bounded(x);
    const s = gate(inner);
    v128.store(da + at, f32x4.mul(f32x4.mul(upstream, v128.load(b + at)), slope(inner, s)));
    v128.store(db + at, f32x4.mul(upstream, f32x4.mul(x, s)));
  }
  for (; at < stop; at += 4) {
    const x = v128.load_splat<f32>(a + at);
    const upstream = v128.load_splat<f32>(dy + at);
    const inner = bounded(x);
    const s = gate(inner);
    const gated = f32x4.mul(upstream, v128.load_splat<f32>(b + at));
    store<f32>(da + at, f32x4.extract_lane(f32x4.mul(gated, slope(inner, s)), 0));
    store<f32>(db + at, f32x4.extract_lane(f32x4.mul(upstream, f32x4.mul(x, s)), 0));
  }
}
