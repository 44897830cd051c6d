// GELU by the error function: the standard normal distribution function and the slope of x normal(x).

import { exp, ONE } from "../math";
import { constant, madd } from "../simd";

// erfc(z) = t e^(-z^2 + P(t)), t = 1 / (1 + z / 2): the fit of Press et al., Numerical Recipes, 2nd edition, section 6.2,
// with a relative error below 1.2e-7 for every z >= 0. Here z = |x| / sqrt 2.
const FIT_9 = memory.data<f32>([0.17087277]);
const FIT_8 = memory.data<f32>([-0.82215223]);
const FIT_7 = memory.data<f32>([1.48851587]);
const FIT_6 = memory.data<f32>([-1.13520398]);
const FIT_5 = memory.data<f32>([0.27886807]);
const FIT_4 = memory.data<f32>([-0.18628806]);
const FIT_3 = memory.data<f32>([0.09678418]);
const FIT_2 = memory.data<f32>([0.37409196]);
const FIT_1 = memory.data<f32>([1.00002368]);
const FIT_0 = memory.data<f32>([-1.26551223]);
const HALF = memory.data<f32>([0.5]);
const HALF_ROOT_HALF = memory.data<f32>([0.3535533905932738]); // 1 / (2 sqrt 2)
const MINUS_HALF = memory.data<f32>([-0.5]);
const DENSITY_AT_0 = memory.data<f32>([0.3989422804014327]); // 1 / sqrt(2 pi)

/** e^(-x^2 / 2), for a bounded x. */
// @ts-ignore: decorator
@inline
function bell(x: v128): v128 {
  return exp(f32x4.mul(constant(MINUS_HALF), f32x4.mul(x, x)));
}

/** P(Z <= x) of the standard normal distribution, for a bounded x whose bell is known. */
// @ts-ignore: decorator
@inline
function distribution(x: v128, bell: v128): v128 {
  const one = constant(ONE);
  const t = f32x4.div(one, madd(f32x4.abs(x), constant(HALF_ROOT_HALF), one));
  let p = madd(constant(FIT_9), t, constant(FIT_8));
  p = madd(p, t, constant(FIT_7));
  p = madd(p, t, constant(FIT_6));
  p = madd(p, t, constant(FIT_5));
  p = madd(p, t, constant(FIT_4));
  p = madd(p, t, constant(FIT_3));
  p = madd(p, t, constant(FIT_2));
  p = madd(p, t, constant(FIT_1));
  p = madd(p, t, constant(FIT_0));
  const tail = f32x4.mul(f32x4.mul(f32x4.mul(constant(HALF), t), exp(p)), bell);
  return v128.bitselect(tail, f32x4.sub(one, tail), f32x4.lt(x, f32x4.splat(0)));
}

/** P(Z <= x), for a bounded x. */
// @ts-ignore: decorator
@inline
export function normal(x: v128): v128 {
  return distribution(x, bell(x));
}

/** normal(x) + x e^(-x^2 / 2) / sqrt(2 pi), for a bounded x. */
// @ts-ignore: decorator
@inline
export function erfSlope(x: v128): v128 {
  const b = bell(x);
  return madd(f32x4.mul(constant(DENSITY_AT_0), x), b, distribution(x, b));
}
