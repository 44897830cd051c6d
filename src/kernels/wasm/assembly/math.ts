// exp and tanh of four f32 at once, within 2 units in the last place (1.3e-7 relative); measured over
// the range in test/kernels/math.test.ts.

import { constant, madd } from "./simd";

// 1.5 * 2^23: a float of this size has a spacing of 1, so adding it rounds to a whole number, which
// then stands in the low bits.
const ROUNDER = memory.data<f32>([12582912]);
const LOG2_E = memory.data<f32>([1.4426950408889634]);
// ln 2 in two parts: the first has nine bits of zeros at its end, so that n times it is exact.
const MINUS_LN2_HIGH = memory.data<f32>([-0.693145751953125]);
const MINUS_LN2_LOW = memory.data<f32>([-1.428606765330187e-6]);
/** The first f32 above ln 2^-126: below, the result is subnormal and becomes 0. */
const LOWEST = memory.data<f32>([-87.33654022216797]);
/**
 * The last f32 below ln of the largest f32, 88.722839052. The next one, 88.72283935, is above 128 ln 2: there the
 * exponent's bits would overflow into those of a NaN.
 */
const HIGHEST = memory.data<f32>([88.72283172607422]);

// e^r for |r| <= ln 2 / 2 (Remez, relative error 3.1e-9).
const EXP_6 = memory.data<f32>([0.00138145986467]);
const EXP_5 = memory.data<f32>([0.00836871687973]);
const EXP_4 = memory.data<f32>([0.0416683880453]);
const EXP_3 = memory.data<f32>([0.166665206317]);
const EXP_2 = memory.data<f32>([0.499999934478]);
export const ONE = memory.data<f32>([1]);
const TWO = memory.data<f32>([2]);
export const INFINITY = memory.data<f32>([Infinity]);
const SIGN = memory.data<f32>([-0.0]);

// tanh x / x - 1 in x^2, below NEAR (Remez, relative error 4.4e-9).
const TANH_11 = memory.data<f32>([-0.00570498699346]);
const TANH_9 = memory.data<f32>([0.0206390872447]);
const TANH_7 = memory.data<f32>([-0.0537397150858]);
const TANH_5 = memory.data<f32>([0.133314421982]);
const TANH_3 = memory.data<f32>([-0.33333281942]);
const NEAR = memory.data<f32>([0.625]);

/**
 * e^x. Infinity above 88.72, 0 below -87.33, NaN for NaN.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2; e^r by a polynomial of degree 6 (Remez, relative error 3.1e-9);
 * n is added to the exponent's bits.
 */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  const rounded = madd(x, constant(LOG2_E), constant(ROUNDER));
  const n = f32x4.sub(rounded, constant(ROUNDER));
  let r = madd(n, constant(MINUS_LN2_HIGH), x);
  r = madd(n, constant(MINUS_LN2_LOW), r);
  let p = madd(r, constant(EXP_6), constant(EXP_5));
  p = madd(p, r, constant(EXP_4));
  p = madd(p, r, constant(EXP_3));
  p = madd(p, r, constant(EXP_2));
  p = madd(p, f32x4.mul(r, r), r);
  p = f32x4.add(p, constant(ONE));
  const scaled = i32x4.add(p, i32x4.shl(rounded, 23));
  const positive = v128.andnot(scaled, f32x4.lt(x, constant(LOWEST)));
  return v128.bitselect(constant(INFINITY), positive, f32x4.gt(x, constant(HIGHEST)));
}

/** e^x of one number. */
// @ts-ignore: decorator
@inline
export function expOne(x: f32): f32 {
  return f32x4.extract_lane(exp(f32x4.splat(x)), 0);
}

/**
 * tanh x: below 0.625 an odd polynomial of degree 11 (Remez, relative error 4.4e-9), where
 * 1 - 2 / (e^2|x| + 1) would cancel; that above.
 */
// @ts-ignore: decorator
@inline
export function tanh(x: v128): v128 {
  const size = f32x4.abs(x);
  const square = f32x4.mul(x, x);
  let q = madd(square, constant(TANH_11), constant(TANH_9));
  q = madd(q, square, constant(TANH_7));
  q = madd(q, square, constant(TANH_5));
  q = madd(q, square, constant(TANH_3));
  const near = madd(f32x4.mul(q, square), size, size);
  const power = exp(f32x4.add(size, size));
  const one = constant(ONE);
  const far = f32x4.sub(one, f32x4.div(constant(TWO), f32x4.add(power, one)));
  const result = v128.bitselect(near, far, f32x4.lt(size, constant(NEAR)));
  return v128.or(result, v128.and(x, constant(SIGN)));
}

/** 1 / (1 + e^-x). */
// @ts-ignore: decorator
@inline
export function sigmoid(x: v128): v128 {
  const one = constant(ONE);
  return f32x4.div(one, f32x4.add(one, exp(f32x4.neg(x))));
}
