// Functions that WGSL lacks or that drivers get wrong at the extremes.

import type { WgslSnippet } from "../../tensor/wgsl.ts";

/** tanh from the exponential overflows on some drivers; beyond 9 it is 1 in f32 anyway. */
export const safeTanh: WgslSnippet = {
  source: /* wgsl */ `
fn safeTanh(x: f32) -> f32 { return tanh(clamp(x, -9.0, 9.0)); }`,
};

/** d tanh / dx = 4 p / (1 + p)^2 with p = e^-2|x|. */
export const tanhSlope: WgslSnippet = {
  source: /* wgsl */ `
fn tanhSlope(x: f32) -> f32 {
  let p = exp(-2.0 * abs(x));
  return 4.0 * p / ((1.0 + p) * (1.0 + p));
}`,
};

/** geluValue and geluSlope of src/kernels/pointwise/pointwise.ts: gelu_new and its derivative. */
export const tanhGelu: WgslSnippet = {
  uses: [safeTanh],
  source: /* wgsl */ `
const SQRT_2_OVER_PI = 0.7978845608028654f;
fn geluTanh(x: f32) -> f32 {
  return safeTanh(SQRT_2_OVER_PI * (x + 0.044715 * x * x * x));
}
fn geluValue(x: f32) -> f32 { return 0.5 * x * (1.0 + geluTanh(x)); }
fn geluSlope(x: f32) -> f32 {
  let t = geluTanh(x);
  return 0.5 * (1.0 + t) +
    0.5 * x * (1.0 - t * t) * SQRT_2_OVER_PI * (1.0 + 3.0 * 0.044715 * x * x);
}`,
};

/**
 * The standard normal distribution function, and the derivative of x normal(x). Its tail is erfc(|x| / sqrt 2) / 2 by the
 * fit of Press et al., Numerical Recipes, 2nd edition, section 6.2 (relative error below 1.2e-7 everywhere). Beyond 16 it
 * is 0 in f32.
 */
export const erfGelu: WgslSnippet = {
  source: /* wgsl */ `
fn normal(x: f32) -> f32 {
  let z = min(abs(x), 16.0);
  let t = 1.0 / (1.0 + 0.35355339 * z);
  var p = 0.17087277;
  p = p * t - 0.82215223;
  p = p * t + 1.48851587;
  p = p * t - 1.13520398;
  p = p * t + 0.27886807;
  p = p * t - 0.18628806;
  p = p * t + 0.09678418;
  p = p * t + 0.37409196;
  p = p * t + 1.00002368;
  p = p * t - 1.26551223;
  let tail = 0.5 * t * exp(-0.5 * z * z) * exp(p);
  return select(1.0 - tail, tail, x < 0.0);
}
fn geluErfSlope(x: f32) -> f32 {
  let z = clamp(x, -16.0, 16.0);
  return normal(x) + 0.3989422804 * z * exp(-0.5 * z * z);
}`,
};

/** 1 / (1 + exp(-x)) without an infinite exponential. */
export const sigmoid: WgslSnippet = {
  source: /* wgsl */ `
fn sigmoid(x: f32) -> f32 { return 1.0 / (1.0 + exp(-clamp(x, -87.0, 87.0))); }`,
};

/** exp for x <= 0, exactly 0 where it underflows, however far below. max would turn NaN into 0; so it stays NaN or infinite. */
export const safeExp: WgslSnippet = {
  source: /* wgsl */ `
const EXP_UNDERFLOW = -104.0;
fn safeExp(x: f32) -> f32 { return select(exp(x), 0.0, x < EXP_UNDERFLOW); }`,
};

/** NaN, which WGSL has no literal for; drivers keep its bits. Needs a param `rows`. */
export const notANumber: WgslSnippet = {
  source: /* wgsl */ `
fn notANumber() -> f32 { return bitcast<f32>(0x7fc00000u | params.rows); }`,
};

/** Exact powers of two, and x times one, which overflows only where the product does. */
export const powersOfTwo: WgslSnippet = {
  source: /* wgsl */ `
/** 2^s of -126..127. */
fn powerOfTwo(s: i32) -> f32 { return bitcast<f32>(u32(s + 127) << 23u); }
/** x 2^s of -252..252. */
fn timesPowerOfTwo(x: f32, s: i32) -> f32 { return x * powerOfTwo(s / 2) * powerOfTwo(s - s / 2); }`,
};
