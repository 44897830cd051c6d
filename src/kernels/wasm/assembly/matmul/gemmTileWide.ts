// The innermost product of the variant `wide`: a tile of 6 x 16, two columns of vectors side by side at a time, which V8 joins to
// vectors of 256 bits (vectorPairs.ts). 12 sums, two vectors of b and one of a then fill the 15 registers that V8 has.

import { madd } from "../simd";

const ROWS: usize = 6;
const COLS: usize = 16;
/** A tile of zeros. */
const ZEROS: usize = memory.data(384, 16);

/**
 * As `tile` of gemmTile.ts, in the order of whose additions it adds too.
 * @param a panel of 6 values a step
 * @param b panel of 16 values a step
 * @param c where the tile starts; rows of 64 bytes, `rowC` bytes apart
 */
export function wideTile(a: usize, b: usize, depth: usize, c: usize, rowC: usize, accumulate: bool): void {
  // No branch: V8 joins only what stands in one block with everything that it is made of.
  const from = accumulate ? c : ZEROS;
  const row = accumulate ? rowC : COLS << 2;
  let s00 = v128.load(from);
  let s01 = v128.load(from, 16);
  let s02 = v128.load(from, 32);
  let s03 = v128.load(from, 48);
  let s10 = v128.load(from + row);
  let s11 = v128.load(from + row, 16);
  let s12 = v128.load(from + row, 32);
  let s13 = v128.load(from + row, 48);
  let s20 = v128.load(from + 2 * row);
  let s21 = v128.load(from + 2 * row, 16);
  let s22 = v128.load(from + 2 * row, 32);
  let s23 = v128.load(from + 2 * row, 48);
  let s30 = v128.load(from + 3 * row);
  let s31 = v128.load(from + 3 * row, 16);
  let s32 = v128.load(from + 3 * row, 32);
  let s33 = v128.load(from + 3 * row, 48);
  let s40 = v128.load(from + 4 * row);
  let s41 = v128.load(from + 4 * row, 16);
  let s42 = v128.load(from + 4 * row, 32);
  let s43 = v128.load(from + 4 * row, 48);
  let s50 = v128.load(from + 5 * row);
  let s51 = v128.load(from + 5 * row, 16);
  let s52 = v128.load(from + 5 * row, 32);
  let s53 = v128.load(from + 5 * row, 48);
  const stop = a + ((depth * ROWS) << 2);
  let b0 = v128.load(b);
  let b1 = v128.load(b, 16);
  let b2 = v128.load(b, 32);
  let b3 = v128.load(b, 48);
  let v = v128.load_splat<f32>(a);
  s00 = madd(v, b0, s00);
  s01 = madd(v, b1, s01);
  s02 = madd(v, b2, s02);
  s03 = madd(v, b3, s03);
  v = v128.load_splat<f32>(a, 4);
  s10 = madd(v, b0, s10);
  s11 = madd(v, b1, s11);
  s12 = madd(v, b2, s12);
  s13 = madd(v, b3, s13);
  v = v128.load_splat<f32>(a, 8);
  s20 = madd(v, b0, s20);
  s21 = madd(v, b1, s21);
  s22 = madd(v, b2, s22);
  s23 = madd(v, b3, s23);
  v = v128.load_splat<f32>(a, 12);
  s30 = madd(v, b0, s30);
  s31 = madd(v, b1, s31);
  s32 = madd(v, b2, s32);
  s33 = madd(v, b3, s33);
  v = v128.load_splat<f32>(a, 16);
  s40 = madd(v, b0, s40);
  s41 = madd(v, b1, s41);
  s42 = madd(v, b2, s42);
  s43 = madd(v, b3, s43);
  v = v128.load_splat<f32>(a, 20);
  s50 = madd(v, b0, s50);
  s51 = madd(v, b1, s51);
  s52 = madd(v, b2, s52);
  s53 = madd(v, b3, s53);
  a += ROWS << 2;
  b += COLS << 2;
  while (a < stop) {
    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    b2 = v128.load(b, 32);
    b3 = v128.load(b, 48);
    v = v128.load_splat<f32>(a);
    s00 = madd(v, b0, s00);
    s01 = madd(v, b1, s01);
    s02 = madd(v, b2, s02);
    s03 = madd(v, b3, s03);
    v = v128.load_splat<f32>(a, 4);
    s10 = madd(v, b0, s10);
    s11 = madd(v, b1, s11);
    s12 = madd(v, b2, s12);
    s13 = madd(v, b3, s13);
    v = v128.load_splat<f32>(a, 8);
    s20 = madd(v, b0, s20);
    s21 = madd(v, b1, s21);
    s22 = madd(v, b2, s22);
    s23 = madd(v, b3, s23);
    v = v128.load_splat<f32>(a, 12);
    s30 = madd(v, b0, s30);
    s31 = madd(v, b1, s31);
    s32 = madd(v, b2, s32);
    s33 = madd(v, b3, s33);
    v = v128.load_splat<f32>(a, 16);
    s40 = madd(v, b0, s40);
    s41 = madd(v, b1, s41);
    s42 = madd(v, b2, s42);
    s43 = madd(v, b3, s43);
    v = v128.load_splat<f32>(a, 20);
    s50 = madd(v, b0, s50);
    s51 = madd(v, b1, s51);
    s52 = madd(v, b2, s52);
    s53 = madd(v, b3, s53);
    a += ROWS << 2;
    b += COLS << 2;
  }
  v128.store(c, s00);
  v128.store(c, s01, 16);
  v128.store(c, s02, 32);
  v128.store(c, s03, 48);
  v128.store(c + rowC, s10);
  v128.store(c + rowC, s11, 16);
  v128.store(c + rowC, s12, 32);
  v128.store(c + rowC, s13, 48);
  v128.store(c + 2 * rowC, s20);
  v128.store(c + 2 * rowC, s21, 16);
  v128.store(c + 2 * rowC, s22, 32);
  v128.store(c + 2 * rowC, s23, 48);
  v128.store(c + 3 * rowC, s30);
  v128.store(c + 3 * rowC, s31, 16);
  v128.store(c + 3 * rowC, s32, 32);
  v128.store(c + 3 * rowC, s33, 48);
  v128.store(c + 4 * rowC, s40);
  v128.store(c + 4 * rowC, s41, 16);
  v128.store(c + 4 * rowC, s42, 32);
  v128.store(c + 4 * rowC, s43, 48);
  v128.store(c + 5 * rowC, s50);
  v128.store(c + 5 * rowC, s51, 16);
  v128.store(c + 5 * rowC, s52, 32);
  v128.store(c + 5 * rowC, s53, 48);
}
