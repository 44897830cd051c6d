// 16-bit floats in WGSL. A word holds two elements, the one of even index in its lower half. An invocation that writes
// writes whole words: two invocations that wrote halves of one word would undo each other.

import type { WgslSnippet } from "../../tensor/wgsl.ts";

/** Pairs of bfloat16, the upper halves of f32; rounded to nearest, ties to even, NaN kept quiet. */
export const bf16: WgslSnippet = {
  source: /* wgsl */ `
fn unpackBf16(word: u32) -> vec2<f32> {
  return vec2<f32>(bitcast<f32>(word << 16u), bitcast<f32>(word & 0xffff0000u));
}
fn bf16Bits(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return (bits >> 16u) | 0x40u; }
  return (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
}
fn packBf16(pair: vec2<f32>) -> u32 { return bf16Bits(pair.x) | (bf16Bits(pair.y) << 16u); }
fn roundBf16(x: f32) -> f32 { return bitcast<f32>(bf16Bits(x) << 16u); }`,
};

/**
 * Pairs of binary16. Packing is done by hand: pack2x16float may round either way (WGSL section 15.7.6.1) and leaves
 * numbers beyond 65504 to the driver.
 */
export const f16: WgslSnippet = {
  source: /* wgsl */ `
fn unpackF16(word: u32) -> vec2<f32> { return vec2<f32>(f16Value(word & 0xffffu), f16Value(word >> 16u)); }
fn f16Value(bits: u32) -> f32 {
  let sign = (bits & 0x8000u) << 16u;
  let magnitude = bits & 0x7fffu;
  // Subnormals are counts of 2^-24; they may not be flushed, so they go by way of an integer.
  if (magnitude < 0x400u) { return select(1.0, -1.0, sign != 0u) * f32(magnitude) * 0x1p-24f; }
  if (magnitude >= 0x7c00u) { return bitcast<f32>(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13u)); }
  return bitcast<f32>(sign | ((magnitude << 13u) + 0x38000000u));
}
fn f16Bits(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  let sign = (bits >> 16u) & 0x8000u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) { return sign | 0x7e00u; }
  if (magnitude >= 0x477ff000u) { return sign | 0x7c00u; }
  if (magnitude < 0x38800000u) {
    // Adding 2^23 units of 2^-24 lets the addition round to nearest even.
    return sign | (bitcast<u32>(bitcast<f32>(magnitude) + 0.5) - 0x3f000000u);
  }
  return sign | ((magnitude + 0xfffu + ((magnitude >> 13u) & 1u) - 0x38000000u) >> 13u);
}
fn packF16(pair: vec2<f32>) -> u32 { return f16Bits(pair.x) | (f16Bits(pair.y) << 16u); }
fn roundF16(x: f32) -> f32 { return f16Value(f16Bits(x)); }`,
};
