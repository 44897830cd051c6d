// GELU by its gate, gelu(a) = a sigmoid(2 u): what gatedGelu.ts and unary.ts share.

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
export function bounded(a: v128): v128 {
  return f32x4.pmax(f32x4.pmin(a, f32x4.splat(BOUND)), f32x4.splat(-BOUND));
}

/** gelu(a) / a = sigmoid(2 u), for a bounded a. */
// @ts-ignore: decorator
@inline
export function gate(a: v128): v128 {
  const square = f32x4.mul(a, a);
  return sigmoid(f32x4.mul(a, madd(square, f32x4.splat(CUBIC), f32x4.splat(LINEAR))));
}

/** gelu'(a) = s + a s (1 - s) 2 u', s = sigmoid(2 u), for a bounded a. */
// @ts-ignore: decorator
@inline
export function slope(a: v128, s: v128): v128 {
  const square = f32x4.mul(a, a);
  const inner = madd(square, f32x4.splat(3 * CUBIC), f32x4.splat(LINEAR));
  const bend = f32x4.mul(s, f32x4.sub(f32x4.splat(1), s));
  return madd(f32x4.mul(a, bend), inner, s);
}
