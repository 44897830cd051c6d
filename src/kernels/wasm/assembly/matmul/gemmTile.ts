// The innermost product: a tile of TILE_ROWS x 8 kept in vector registers.
//
// The loop is what V8 makes the most of (measured on Node 20 and 24, Zen 4):
// - The first step stands before the loop. The addresses `base + 4 i` of the loads that splat are then known
//   outside, and V8 keeps them in registers instead of computing them in every step.
// - One step a round. Of several, V8 takes all multiplications of one element together, and the processor's two
//   floating-point schedulers are no longer filled evenly: half the speed.
// - Fused multiply-adds need no register for products: 6 rows fit in sixteen registers, otherwise 5.

import { madd } from "../simd";

// @ts-ignore: decorator
@inline
export const TILE_ROWS: usize = ASC_FEATURE_RELAXED_SIMD ? 6 : 5;
// @ts-ignore: decorator
@inline
const TILE_COLS: usize = 8;

/**
 * c = a b, or c += a b, for packed panels: `a` holds TILE_ROWS values a step, `b` 8.
 * @param depth steps, at least 1
 * @param c where the tile starts; rows of 32 bytes, `rowC` bytes apart
 */
export function tile(a: usize, b: usize, depth: usize, c: usize, rowC: usize, accumulate: bool): void {
  const c1 = c + rowC;
  const c2 = c1 + rowC;
  const c3 = c2 + rowC;
  const c4 = c3 + rowC;
  const c5 = TILE_ROWS > 5 ? c4 + rowC : 0;
  let s00 = f32x4.splat(0);
  let s01 = s00;
  let s10 = s00;
  let s11 = s00;
  let s20 = s00;
  let s21 = s00;
  let s30 = s00;
  let s31 = s00;
  let s40 = s00;
  let s41 = s00;
  let s50 = s00;
  let s51 = s00;
  if (accumulate) {
    s00 = v128.load(c);
    s01 = v128.load(c, 16);
    s10 = v128.load(c1);
    s11 = v128.load(c1, 16);
    s20 = v128.load(c2);
    s21 = v128.load(c2, 16);
    s30 = v128.load(c3);
    s31 = v128.load(c3, 16);
    s40 = v128.load(c4);
    s41 = v128.load(c4, 16);
    if (TILE_ROWS > 5) {
      s50 = v128.load(c5);
      s51 = v128.load(c5, 16);
    }
  }
  const stop = a + ((depth * TILE_ROWS) << 2);
  let b0 = v128.load(b);
  let b1 = v128.load(b, 16);
  let v = v128.load_splat<f32>(a);
  s00 = madd(v, b0, s00);
  s01 = madd(v, b1, s01);
  v = v128.load_splat<f32>(a, 4);
  s10 = madd(v, b0, s10);
  s11 = madd(v, b1, s11);
  v = v128.load_splat<f32>(a, 8);
  s20 = madd(v, b0, s20);
  s21 = madd(v, b1, s21);
  v = v128.load_splat<f32>(a, 12);
  s30 = madd(v, b0, s30);
  s31 = madd(v, b1, s31);
  v = v128.load_splat<f32>(a, 16);
  s40 = madd(v, b0, s40);
  s41 = madd(v, b1, s41);
  if (TILE_ROWS > 5) {
    v = v128.load_splat<f32>(a, 20);
    s50 = madd(v, b0, s50);
    s51 = madd(v, b1, s51);
  }
  a += TILE_ROWS << 2;
  b += TILE_COLS << 2;
  while (a < stop) {
    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    v = v128.load_splat<f32>(a);
    s00 = madd(v, b0, s00);
    s01 = madd(v, b1, s01);
    v = v128.load_splat<f32>(a, 4);
    s10 = madd(v, b0, s10);
    s11 = madd(v, b1, s11);
    v = v128.load_splat<f32>(a, 8);
    s20 = madd(v, b0, s20);
    s21 = madd(v, b1, s21);
    v = v128.load_splat<f32>(a, 12);
    s30 = madd(v, b0, s30);
    s31 = madd(v, b1, s31);
    v = v128.load_splat<f32>(a, 16);
    s40 = madd(v, b0, s40);
    s41 = madd(v, b1, s41);
    if (TILE_ROWS > 5) {
      v = v128.load_splat<f32>(a, 20);
      s50 = madd(v, b0, s50);
      s51 = madd(v, b1, s51);
    }
    a += TILE_ROWS << 2;
    b += TILE_COLS << 2;
  }
  v128.store(c, s00);
  v128.store(c, s01, 16);
  v128.store(c1, s10);
  v128.store(c1, s11, 16);
  v128.store(c2, s20);
  v128.store(c2, s21, 16);
  v128.store(c3, s30);
  v128.store(c3, s31, 16);
  v128.store(c4, s40);
  v128.store(c4, s41, 16);
  if (TILE_ROWS > 5) {
    v128.store(c5, s50);
    v128.store(c5, s51, 16);
  }
}
