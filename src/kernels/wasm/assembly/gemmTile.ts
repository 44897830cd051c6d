// The innermost product: a tile of 4 rows and 8 columns kept in eight vector registers.

import { madd } from "./simd";

// @ts-ignore: decorator
@inline
export const TILE_ROWS: usize = 4;
// @ts-ignore: decorator
@inline
export const TILE_COLS: usize = 8;

/**
 * c = a b, or c += a b, for packed panels: `a` holds 4 values a step, `b` 8.
 * @param c where the tile starts; four rows of 32 bytes, `rowC` bytes apart
 */
export function tile(a: usize, b: usize, depth: usize, c: usize, rowC: usize, accumulate: bool): void {
  const c1 = c + rowC;
  const c2 = c1 + rowC;
  const c3 = c2 + rowC;
  let s00 = f32x4.splat(0);
  let s01 = s00;
  let s10 = s00;
  let s11 = s00;
  let s20 = s00;
  let s21 = s00;
  let s30 = s00;
  let s31 = s00;
  if (accumulate) {
    s00 = v128.load(c);
    s01 = v128.load(c, 16);
    s10 = v128.load(c1);
    s11 = v128.load(c1, 16);
    s20 = v128.load(c2);
    s21 = v128.load(c2, 16);
    s30 = v128.load(c3);
    s31 = v128.load(c3, 16);
  }
  const stop = a + (depth << 4);
  while (a < stop) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
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
    a += 16;
    b += 32;
  }
  v128.store(c, s00);
  v128.store(c, s01, 16);
  v128.store(c1, s10);
  v128.store(c1, s11, 16);
  v128.store(c2, s20);
  v128.store(c2, s21, 16);
  v128.store(c3, s30);
  v128.store(c3, s31, 16);
}
