// The SIMD bodies of src/kernels/pointwise/pointwise.ts for one operand. Elements [begin, end). `op`
// is one of the ids below, exported by constants.ts; any other ends in a trap.

import { bounded, gate, slope } from "./gelu";
import { erfSlope, normal } from "./geluErf";
import { exp, sigmoid, tanh } from "../math";
import { log } from "../rows/rows";
import { madd } from "../simd";

// @ts-ignore: decorator
@inline
export const EXP: i32 = 0;
// @ts-ignore: decorator
@inline
export const LOG: i32 = 1;
// @ts-ignore: decorator
@inline
export const SQRT: i32 = 2;
// @ts-ignore: decorator
@inline
export const TANH: i32 = 3;
// @ts-ignore: decorator
@inline
export const RELU: i32 = 4;
// @ts-ignore: decorator
@inline
export const GELU: i32 = 5;
// @ts-ignore: decorator
@inline
export const SILU: i32 = 6;
// @ts-ignore: decorator
@inline
export const GELUERF: i32 = 7;
// @ts-ignore: decorator
@inline
export const SIGMOID: i32 = 8;

/** Four logarithms, one at a time: none is taken where speed counts. */
// @ts-ignore: decorator
@inline
function logs(x: v128): v128 {
  return f32x4(
    log(f32x4.extract_lane(x, 0)),
    log(f32x4.extract_lane(x, 1)),
    log(f32x4.extract_lane(x, 2)),
    log(f32x4.extract_lane(x, 3)),
  );
}

/** 1 - tanh^2 x = 4 p / (1 + p)^2, p = e^-2|x|: the difference itself would cancel. */
// @ts-ignore: decorator
@inline
function tanhSlope(x: v128): v128 {
  const p = exp(f32x4.mul(f32x4.abs(x), f32x4.splat(-2)));
  const sum = f32x4.add(f32x4.splat(1), p);
  return f32x4.div(f32x4.mul(f32x4.splat(4), p), f32x4.mul(sum, sum));
}

/** s (1 + x (1 - s)), s = sigmoid x. */
// @ts-ignore: decorator
@inline
function siluSlope(x: v128): v128 {
  const s = sigmoid(x);
  const one = f32x4.splat(1);
  return f32x4.mul(s, madd(x, f32x4.sub(one, s), one));
}

// Here `op` is a constant at every call, so that one branch is left after inlining.
// @ts-ignore: decorator
@inline
function valueOf(op: i32, x: v128): v128 {
  if (op == EXP) return exp(x);
  if (op == LOG) return logs(x);
  if (op == SQRT) return f32x4.sqrt(x);
  if (op == TANH) return tanh(x);
  if (op == RELU) return f32x4.max(x, f32x4.splat(0));
  if (op == GELU) return f32x4.mul(x, gate(bounded(x)));
  if (op == SILU) return f32x4.mul(x, sigmoid(x));
  if (op == SIGMOID) return sigmoid(x);
  if (op == GELUERF) return f32x4.mul(x, normal(bounded(x)));
  return unreachable();
}

// @ts-ignore: decorator
@inline
function gradientOf(op: i32, x: v128, dy: v128): v128 {
  if (op == EXP) return f32x4.mul(exp(x), dy);
  if (op == LOG) return f32x4.div(dy, x);
  if (op == SQRT) return f32x4.div(f32x4.mul(f32x4.splat(0.5), dy), f32x4.sqrt(x));
  if (op == TANH) return f32x4.mul(tanhSlope(x), dy);
  if (op == RELU) return v128.and(dy, f32x4.gt(x, f32x4.splat(0)));
  if (op == SILU) return f32x4.mul(siluSlope(x), dy);
  if (op == SIGMOID) {
    const slope = tanhSlope(f32x4.mul(f32x4.splat(0.5), x));
    return f32x4.mul(f32x4.mul(f32x4.splat(0.25), slope), dy);
  }
  if (op == GELUERF) return f32x4.mul(erfSlope(bounded(x)), dy);
  if (op == GELU) {
    const a = bounded(x);
    return f32x4.mul(slope(a, gate(a)), dy);
  }
  return unreachable();
}

// @ts-ignore: decorator
@inline
function forward(op: i32, x: usize, y: usize, at: usize, stop: usize): void {
  for (; at + 16 <= stop; at += 16) v128.store(y + at, valueOf(op, v128.load(x + at)));
  for (; at < stop; at += 4) {
    store<f32>(y + at, f32x4.extract_lane(valueOf(op, v128.load_splat<f32>(x + at)), 0));
  }
}

// @ts-ignore: decorator
@inline
function backward(op: i32, x: usize, dy: usize, dx: usize, at: usize, stop: usize): void {
  for (; at + 16 <= stop; at += 16) {
    v128.store(dx + at, gradientOf(op, v128.load(x + at), v128.load(dy + at)));
  }
  for (; at < stop; at += 4) {
    const value = gradientOf(op, v128.load_splat<f32>(x + at), v128.load_splat<f32>(dy + at));
    store<f32>(dx + at, f32x4.extract_lane(value, 0));
  }
}

/** y = f(x). */
export function unaryForward(
  op: i32,
  x: usize,
  y: usize,
  size: usize,
  begin: usize,
  end: usize,
): void {
  const at = begin << 2;
  const stop = end << 2;
  if (op == EXP) forward(EXP, x, y, at, stop);
  else if (op == LOG) forward(LOG, x, y, at, stop);
  else if (op == SQRT) forward(SQRT, x, y, at, stop);
  else if (op == TANH) forward(TANH, x, y, at, stop);
  else if (op == RELU) forward(RELU, x, y, at, stop);
  else if (op == GELU) forward(GELU, x, y, at, stop);
  else if (op == SILU) forward(SILU, x, y, at, stop);
  else if (op == SIGMOID) forward(SIGMOID, x, y, at, stop);
  else if (op == GELUERF) forward(GELUERF, x, y, at, stop);
  else unreachable();
}

/** dx = f'(x) dy. */
export function unaryBackward(
  op: i32,
  x: usize,
  dy: usize,
  dx: usize,
  size: usize,
  begin: usize,
  end: usize,
): void {
  const at = begin << 2;
  const stop = end << 2;
  if (op == EXP) backward(EXP, x, dy, dx, at, stop);
  else if (op == LOG) backward(LOG, x, dy, dx, at, stop);
  else if (op == SQRT) backward(SQRT, x, dy, dx, at, stop);
  else if (op == TANH) backward(TANH, x, dy, dx, at, stop);
  else if (op == RELU) backward(RELU, x, dy, dx, at, stop);
  else if (op == GELU) backward(GELU, x, dy, dx, at, stop);
  else if (op == SILU) backward(SILU, x, dy, dx, at, stop);
  else if (op == SIGMOID) backward(SIGMOID, x, dy, dx, at, stop);
  else if (op == GELUERF) backward(GELUERF, x, dy, dx, at, stop);
  else unreachable();
}
