// The innermost product of q8: a tile of DOT_ROWS columns of W by DOT_LANES rows of x, which lie in the lanes of vectors. Block sums
// are whole numbers in registers; sums of blocks are f32 in memory. In `wide` V8 joins neighbouring vectors to vectors of 256 bits
// (wasm/vectorPairs.ts); without, eight columns would not fit the registers.
// As in gemmTile.ts, the first step stands before the loop, and one step a round is what V8 makes the most of: G multiply-adds a
// second of one thread, Node 20 34 (f32 27), Node 24 in `wide` 65; with the 16 steps unrolled 26 and 25.

import { madd } from "../simd";
import { panelBlock, PAIRS } from "./packDots";

/** Columns of W. */
// @ts-ignore: decorator
@inline
export const DOT_ROWS: usize = WIDE ? 8 : 4;
/** Rows of x. */
// @ts-ignore: decorator
@inline
export const DOT_LANES: usize = 8;
// @ts-ignore: decorator
@inline
const ROW: usize = DOT_LANES << 2;

/** sum + the four sums of two products each */
// @ts-ignore: decorator
@inline
function dot(w: v128, x: v128, sum: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(w, x));
}

/** before + sum times both scales */
// @ts-ignore: decorator
@inline
function scaled(sum: v128, w: v128, x: v128, before: v128): v128 {
  return madd(f32x4.convert_i32x4_s(sum), f32x4.mul(w, x), before);
}

/**
 * c += w x.
 * @param w panel of DOT_ROWS columns (packDots.ts)
 * @param x panel of DOT_LANES rows
 * @param blocks of 32 steps, at least 1
 * @param c DOT_ROWS times DOT_LANES f32
 */
export function dotTile(w: usize, x: usize, blocks: usize, c: usize): void {
  const end = x + blocks * panelBlock(DOT_LANES);
  while (x < end) {
    const scalesW = w;
    const scalesX = x;
    w += DOT_ROWS << 2;
    x += ROW;
    const stop = w + ((PAIRS * DOT_ROWS) << 2);
    let b0 = v128.load(x);
    let b1 = v128.load(x, 16);
    let a = v128.load_splat<u32>(w);
    let s00 = i32x4.dot_i16x8_s(a, b0);
    let s01 = i32x4.dot_i16x8_s(a, b1);
    a = v128.load_splat<u32>(w, 4);
    let s10 = i32x4.dot_i16x8_s(a, b0);
    let s11 = i32x4.dot_i16x8_s(a, b1);
    a = v128.load_splat<u32>(w, 8);
    let s20 = i32x4.dot_i16x8_s(a, b0);
    let s21 = i32x4.dot_i16x8_s(a, b1);
    a = v128.load_splat<u32>(w, 12);
    let s30 = i32x4.dot_i16x8_s(a, b0);
    let s31 = i32x4.dot_i16x8_s(a, b1);
    if (WIDE) a = v128.load_splat<u32>(w, 16);
    let s40 = i32x4.dot_i16x8_s(a, b0);
    let s41 = i32x4.dot_i16x8_s(a, b1);
    if (WIDE) a = v128.load_splat<u32>(w, 20);
    let s50 = i32x4.dot_i16x8_s(a, b0);
    let s51 = i32x4.dot_i16x8_s(a, b1);
    if (WIDE) a = v128.load_splat<u32>(w, 24);
    let s60 = i32x4.dot_i16x8_s(a, b0);
    let s61 = i32x4.dot_i16x8_s(a, b1);
    if (WIDE) a = v128.load_splat<u32>(w, 28);
    let s70 = i32x4.dot_i16x8_s(a, b0);
    let s71 = i32x4.dot_i16x8_s(a, b1);
    w += DOT_ROWS << 2;
    x += ROW;
    while (w < stop) {
      b0 = v128.load(x);
      b1 = v128.load(x, 16);
      a = v128.load_splat<u32>(w);
      s00 = dot(a, b0, s00);
      s01 = dot(a, b1, s01);
      a = v128.load_splat<u32>(w, 4);
      s10 = dot(a, b0, s10);
      s11 = dot(a, b1, s11);
      a = v128.load_splat<u32>(w, 8);
      s20 = dot(a, b0, s20);
      s21 = dot(a, b1, s21);
      a = v128.load_splat<u32>(w, 12);
      s30 = dot(a, b0, s30);
      s31 = dot(a, b1, s31);
      if (WIDE) {
        a = v128.load_splat<u32>(w, 16);
        s40 = dot(a, b0, s40);
        s41 = dot(a, b1, s41);
        a = v128.load_splat<u32>(w, 20);
        s50 = dot(a, b0, s50);
        s51 = dot(a, b1, s51);
        a = v128.load_splat<u32>(w, 24);
        s60 = dot(a, b0, s60);
        s61 = dot(a, b1, s61);
        a = v128.load_splat<u32>(w, 28);
        s70 = dot(a, b0, s70);
        s71 = dot(a, b1, s71);
      }
      w += DOT_ROWS << 2;
      x += ROW;
    }
    b0 = v128.load(scalesX);
    b1 = v128.load(scalesX, 16);
    a = v128.load_splat<u32>(scalesW);
    s00 = scaled(s00, a, b0, v128.load(c));
    s01 = scaled(s01, a, b1, v128.load(c, 16));
    a = v128.load_splat<u32>(scalesW, 4);
    s10 = scaled(s10, a, b0, v128.load(c + 1 * ROW));
    s11 = scaled(s11, a, b1, v128.load(c + 1 * ROW, 16));
    a = v128.load_splat<u32>(scalesW, 8);
    s20 = scaled(s20, a, b0, v128.load(c + 2 * ROW));
    s21 = scaled(s21, a, b1, v128.load(c + 2 * ROW, 16));
    a = v128.load_splat<u32>(scalesW, 12);
    s30 = scaled(s30, a, b0, v128.load(c + 3 * ROW));
    s31 = scaled(s31, a, b1, v128.load(c + 3 * ROW, 16));
    if (WIDE) {
      a = v128.load_splat<u32>(scalesW, 16);
      s40 = scaled(s40, a, b0, v128.load(c + 4 * ROW));
      s41 = scaled(s41, a, b1, v128.load(c + 4 * ROW, 16));
      a = v128.load_splat<u32>(scalesW, 20);
      s50 = scaled(s50, a, b0, v128.load(c + 5 * ROW));
      s51 = scaled(s51, a, b1, v128.load(c + 5 * ROW, 16));
      a = v128.load_splat<u32>(scalesW, 24);
      s60 = scaled(s60, a, b0, v128.load(c + 6 * ROW));
      s61 = scaled(s61, a, b1, v128.load(c + 6 * ROW, 16));
      a = v128.load_splat<u32>(scalesW, 28);
      s70 = scaled(s70, a, b0, v128.load(c + 7 * ROW));
      s71 = scaled(s71, a, b1, v128.load(c + 7 * ROW, 16));
    }
    // Stores last: between loads they would keep V8 from joining vectors.
    v128.store(c, s00);
    v128.store(c, s01, 16);
    v128.store(c + 1 * ROW, s10);
    v128.store(c + 1 * ROW, s11, 16);
    v128.store(c + 2 * ROW, s20);
    v128.store(c + 2 * ROW, s21, 16);
    v128.store(c + 3 * ROW, s30);
    v128.store(c + 3 * ROW, s31, 16);
    if (WIDE) {
      v128.store(c + 4 * ROW, s40);
      v128.store(c + 4 * ROW, s41, 16);
      v128.store(c + 5 * ROW, s50);
      v128.store(c + 5 * ROW, s51, 16);
      v128.store(c + 6 * ROW, s60);
      v128.store(c + 6 * ROW, s61, 16);
      v128.store(c + 7 * ROW, s70);
      v128.store(c + 7 * ROW, s71, 16);
    }
  }
}
