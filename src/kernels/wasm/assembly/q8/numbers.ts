// Blocks of 32 numbers of x as 16-bit numbers with a scale of their own, x_i ~ s p_i with s = max |x_i| / 32767, so that a
// block's sum of p_i q_i is whole: 32 x 32767 x 127 is below 2^31. i32x4.dot_i16x8_s takes eight products an instruction, twice
// as many as f32. Rounding x to 16 bits moves a result by at most
//
//   sum over blocks of s / 2 (1 + 2^-20) sum |w_i|
//
// (test/kernels/matmulQ8.test.ts), a hundredth of what rounding W to 8 bits did.
//
// Every body turns a block's sum into f32, multiplies it by s_w s_x, and adds it to those of the blocks before, so that a row of x
// has the same bits whatever it is multiplied with.

import { BLOCK } from "./blocks";

// @ts-ignore: decorator
@inline
export const MOST: f32 = 32767;

/** The largest magnitude of a block of x. A NaN or an infinity among them gives NaN where the block is multiplied. */
// @ts-ignore: decorator
@inline
export function largestOf(x: usize): f32 {
  const magnitude = i32x4.splat(0x7fffffff);
  // Bits of magnitudes are in the order of the numbers, and NaN's are the largest.
  let most = v128.and(v128.load(x), magnitude);
  for (let i: usize = 16; i < BLOCK << 2; i += 16) {
    most = i32x4.max_s(most, v128.and(v128.load(x + i), magnitude));
  }
  most = i32x4.max_s(most, v128.shuffle<i32>(most, most, 2, 3, 0, 1));
  most = i32x4.max_s(most, v128.shuffle<i32>(most, most, 1, 0, 3, 2));
  return f32x4.extract_lane(most, 0);
}

/** Eight numbers of x. @param factor 32767 / the block's largest magnitude; that of a block of zeros gives zeros */
// @ts-ignore: decorator
@inline
export function numbersOf(x: usize, factor: v128): v128 {
  const low = f32x4.nearest(f32x4.mul(v128.load(x), factor));
  const high = f32x4.nearest(f32x4.mul(v128.load(x, 16), factor));
  return i16x8.narrow_i32x4_s(i32x4.trunc_sat_f32x4_s(low), i32x4.trunc_sat_f32x4_s(high));
}
