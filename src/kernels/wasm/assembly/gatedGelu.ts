// The SIMD bodies of src/kernels/gatedGelu.ts; formulas are there. Elements [begin, end).

import { sigmoid } from "./math";
import { madd } from "./simd";

// 2 u = a (LINEAR + CUBIC a^2)
// @ts-ignore: decorator
@inline
const LINEAR: f32 = 1.5957691216057308;
// @ts-ignore: decorator
@inline
const CUBIC: f32 = 0.07135481282052663;
/** Beyond, the sigmoid is 0 or 1 in f32, and a bounded argument keeps a^2 from overflowing. */
// @ts-ignore: decorator
@inline
const BOUND: f32 = 16;

// @ts-ignore: decorator
@inline
function bounded(a: v128): v128 {
  return f32x4.pmax(f32x4.pmin(a, f32x4.splat(BOUND)), f32x4.splat(-BOUND));
}

/** gelu(a) / a = sigmoid(2 u), for a bounded a. */
// @ts-ignore: decorator
@inline
function gate(a: v128): v128 {
  const square = f32x4.mul(a, a);
  return sigmoid(f32x4.mul(a, madd(square, f32x4.splat(CUBIC), f32x4.splat(LINEAR))));
}

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

/** gelu'(a) = s + a s (1 - s) 2 u', s = sigmoid(2 u), for a bounded a. */
// @ts-ignore: decorator
@inline
function slope(a: v128, s: v128): v128 {
  const square = f32x4.mul(a, a);
  const inner = madd(square, f32x4.splat(3 * CUBIC), f32x4.splat(LINEAR));
  const bend = f32x4.mul(s, f32x4.sub(f32x4.splat(1), s));
  return madd(f32x4.mul(a, bend), inner, s);
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
