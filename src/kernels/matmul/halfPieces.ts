// Operands for matrix units that take f16: rows of op(a), and columns of op(b), times the power of two that brings their largest
// magnitude to 2^14..2^15, in one piece of f16 or in two. They are made on the way to workgroup memory, of operands as stored.
//
//   x 2^s = high + low + rest       high ~ x 2^s to 11 bits, low = f16(x 2^s - high), |rest| <= 2^-22 |x 2^s| + 2^-25
//
// f16 has 11 significant bits down to 2^-14 and a smallest number of 2^-24. So one piece holds bf16 (8 bits) and f16 numbers
// exactly down to 2^-28 of the largest, and two hold f32's to 22 bits. The product is multiplied by 2^-(sa + sb).
// docs/internals/webgpu.md has the error bounds. Scaling: Ootomo & Yokota 2022, arXiv 2203.03341, section 3.

import type { SubgroupMatrixShape } from "../../tensor/wgsl.ts";
import type { WgslSnippet } from "../../tensor/wgsl.ts";
import { powersOfTwo } from "../wgsl/math.ts";
import type { Operands } from "./operands.ts";

/**
 * Whose largest magnitude gives the power of two. `tile`: that of what a workgroup has read of an operand so far; when it grows,
 * the sums are divided, which is exact. `rows`: of each row of op(a) and column of op(b), found before the product begins.
 * `none`: units take f32 as it is.
 */
export type Scaling = "tile" | "rows" | "none";

/** In how many pieces operands go, and how they are scaled. */
export interface Pieces {
  readonly a: 1 | 2;
  readonly b: 1 | 2;
  readonly scaling: Scaling;
}

/**
 * The pieces of a product. What may round its operands to 11 bits goes in one, of a power of two for the whole tile. What may not
 * goes in two unless it is stored in 16 bits, and each row has a power of two of its own, so that small rows are as exact as large.
 */
export function piecesOfOperands(
  { b }: Pick<Operands, "b">,
  rounds: boolean,
  { componentType }: SubgroupMatrixShape,
): Pieces {
  if (componentType === "f32") return { a: 1, b: 1, scaling: "none" };
  if (rounds) return { a: 1, b: 1, scaling: "tile" };
  // A q8 number is 8 bits times a scale of 24.
  return { a: 2, b: b === "f32" || b === "q8" ? 2 : 1, scaling: "rows" };
}

/** Products of pieces that are summed: low times low is below what f32 keeps. */
export function termsOf({ a, b }: Pieces): 1 | 2 | 3 {
  return a === 2 && b === 2 ? 3 : a === 2 ? 2 : 1;
}

/** Magnitudes of vectors, and their powers of two. */
export const scaling: WgslSnippet = {
  uses: [powersOfTwo],
  source: /* wgsl */ `
/** Bits of the finite numbers' magnitudes, which are in the order of the numbers. */
fn magnitudes(x: vec4<f32>) -> vec4<u32> {
  let bits = bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu);
  return select(vec4<u32>(), bits, bits < vec4<u32>(0x7f800000u));
}
fn largest(x: vec4<u32>) -> u32 { return max(max(x.x, x.y), max(x.z, x.w)); }
/** s of a largest magnitude with these bits; of none it is the most there is. */
fn exponentOf(most: u32) -> i32 { return min(141 - i32(most >> 23u), 126); }`,
};

/** From eight numbers to two pieces of f16. */
export const halves: WgslSnippet = {
  source: /* wgsl */ `
fn halves(x: array<vec4<f32>, 2>) -> vec4<u32> {
  return vec4<u32>(
    bitcast<u32>(vec2<f16>(x[0].xy)), bitcast<u32>(vec2<f16>(x[0].zw)),
    bitcast<u32>(vec2<f16>(x[1].xy)), bitcast<u32>(vec2<f16>(x[1].zw)));
}
/**
 * x rounded to f16's 11 bits; 0 below f16's normal numbers, and for infinities and NaN, which are in the low piece alone: in both,
 * signs would meet that turn an infinity into NaN. By its bits: compilers take a conversion there and back for the number itself.
 */
fn near(x: vec4<f32>) -> vec4<f32> {
  let bits = bitcast<vec4<u32>>(x);
  let magnitude = bits & vec4<u32>(0x7fffffffu);
  let isNormal = (magnitude >= vec4<u32>(0x38800000u)) & (magnitude < vec4<u32>(0x7f800000u));
  let rounded = (bits + vec4<u32>(0x1000u)) & vec4<u32>(0xffffe000u);
  return select(vec4<f32>(), bitcast<vec4<f32>>(rounded), isNormal);
}
fn highHalves(x: array<vec4<f32>, 2>) -> vec4<u32> {
  return halves(array<vec4<f32>, 2>(near(x[0]), near(x[1])));
}
fn lowHalves(x: array<vec4<f32>, 2>) -> vec4<u32> {
  return halves(array<vec4<f32>, 2>(x[0] - near(x[0]), x[1] - near(x[1])));
}`,
};
