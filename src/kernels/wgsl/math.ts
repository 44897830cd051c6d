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
