// GELU by its gate, gelu(a) = a sigmoid(2 u): what gatedGelu.ts and unary.ts share.

import { ONE, sigmoid } from "../math";
import { constant, madd } from "../simd";

// 2 u = a (LINEAR + CUBIC a^2)
const LINEAR = memory.data<f32>([1.5957691216057308]);
const CUBIC = memory.data<f32>([0.07135481282052663]);
const CUBIC_3 = memory.data<f32>([0.21406444907188416]); // 3 CUBIC, rounded to f32
/** Beyond, the sigmoid is 0 or 1 in f32, and a bounded argument keeps a^2 from overflowing. */
const BOUND = memory.data<f32>([16]);
const MINUS_BOUND = memory.data<f32>([-16]);

// @ts-ignore: decorator
@inline
export function bounded(a: v128): v128 {
  return f32x4.pmax(f32x4.pmin(a, constant(BOUND)), constant(MINUS_BOUND));
}

/** gelu(a) / a = sigmoid(2 u), for a bounded a. */
// @ts-ignore: decorator
@inline
export function gate(a: v128): v128 {
  const square = f32x4.mul(a, a);
  return sigmoid(f32x4.mul(a, madd(square, constant(CUBIC), constant(LINEAR))));
}

/** gelu'(a) = s + a s (1 - s) 2 u', s = sigmoid(2 u), for a bounded a. */
// @ts-ignore: decorator
@inline
export function slope(a: v128, s: v128): v128 {
  const square = f32x4.mul(a, a);
  const inner = madd(square, constant(CUBIC_3), constant(LINEAR));
  const bend = f32x4.mul(s, f32x4.sub(constant(ONE), s));
  return madd(f32x4.mul(a, bend), inner, s);
}
