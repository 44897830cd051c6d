// exp and tanh of four f32 at once, within 2 units in the last place (1.3e-7 relative); measured over
// the range in test/kernels/math.test.ts.

import { madd } from "./simd";

// 1.5 * 2^23: a float of this size has a spacing of 1, so adding it rounds to a whole number, which
// then stands in the low bits.
// @ts-ignore: decorator
@inline
const ROUNDER: f32 = 12582912;
// @ts-ignore: decorator
@inline
const LOG2_E: f32 = 1.4426950408889634;
// ln 2 in two parts: the first has nine bits of zeros at its end, so that n times it is exact.
// @ts-ignore: decorator
@inline
const LN2_HIGH: f32 = 0.693145751953125;
// @ts-ignore: decorator
@inline
const LN2_LOW: f32 = 1.428606765330187e-6;
/** The first f32 above ln 2^-126: below, the result is subnormal and becomes 0. */
// @ts-ignore: decorator
@inline
const LOWEST: f32 = -87.33654022216797;
/**
 * The last f32 below ln of the largest f32, 88.722839052. The next one, 88.72283935, is above 128 ln 2: there the
 * exponent's bits would overflow into those of a NaN.
 */
// @ts-ignore: decorator
@inline
const HIGHEST: f32 = 88.72283172607422;

/**
 * e^x. Infinity above 88.72, 0 below -87.33, NaN for NaN.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2; e^r by a polynomial of degree 6 (Remez, relative error 3.1e-9);
 * n is added to the exponent's bits.
 */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  const rounded = madd(x, f32x4.splat(LOG2_E), f32x4.splat(ROUNDER));
  const n = f32x4.sub(rounded, f32x4.splat(ROUNDER));
  let r = madd(n, f32x4.splat(-LN2_HIGH), x);
  r = madd(n, f32x4.splat(-LN2_LOW), r);
  let p = madd(r, f32x4.splat(0.00138145986467), f32x4.splat(0.00836871687973));
  p = madd(p, r, f32x4.splat(0.0416683880453));
  p = madd(p, r, f32x4.splat(0.166665206317));
  p = madd(p, r, f32x4.splat(0.499999934478));
  p = madd(p, f32x4.mul(r, r), r);
  p = f32x4.add(p, f32x4.splat(1));
  const scaled = i32x4.add(p, i32x4.shl(rounded, 23));
  const positive = v128.andnot(scaled, f32x4.lt(x, f32x4.splat(LOWEST)));
  return v128.bitselect(f32x4.splat(Infinity), positive, f32x4.gt(x, f32x4.splat(HIGHEST)));
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
  let q = madd(square, f32x4.splat(-0.00570498699346), f32x4.splat(0.0206390872447));
  q = madd(q, square, f32x4.splat(-0.0537397150858));
  q = madd(q, square, f32x4.splat(0.133314421982));
  q = madd(q, square, f32x4.splat(-0.33333281942));
  const near = madd(f32x4.mul(q, square), size, size);
  const power = exp(f32x4.add(size, size));
  const one = f32x4.splat(1);
  const far = f32x4.sub(one, f32x4.div(f32x4.splat(2), f32x4.add(power, one)));
  const result = v128.bitselect(near, far, f32x4.lt(size, f32x4.splat(0.625)));
  return v128.or(result, v128.and(x, f32x4.splat(-0.0)));
}

/** 1 / (1 + e^-x). */
// @ts-ignore: decorator
@inline
export function sigmoid(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, exp(f32x4.neg(x))));
}
