// Dot products of four to six packed rows with two columns of B.
//
// V8 keeps the loops in registers where they stand in functions of their own (half the speed otherwise). Binaryen inlines what
// is called in one place alone, so each is called in two.

import { BF16, F16, F32, loadVector, shiftOf } from "../elements";
import { madd } from "../simd";
import { LANES, loadNext, SUM, SUMS } from "./dotLayout";

/** Sums of `rows` packed rows, 4 to 6, with the columns b0 and b1. */
// @ts-ignore: decorator
@inline
export function sumRows(
  type: i32,
  rows: usize,
  a: usize,
  k: usize,
  b0: usize,
  b1: usize,
  scratch: usize,
): void {
  if (type == F32) {
    if (rows > 5) sixF32(a, k, b0, b1, scratch);
    else if (rows > 4) fiveF32(a, k, b0, b1, scratch);
    else fourF32(a, k, b0, b1, scratch);
  } else if (type == BF16) {
    if (rows > 5) sixBf16(a, k, b0, b1, scratch);
    else if (rows > 4) fiveBf16(a, k, b0, b1, scratch);
    else fourBf16(a, k, b0, b1, scratch);
  } else if (rows > 5) sixF16(a, k, b0, b1, scratch);
  else if (rows > 4) fiveF16(a, k, b0, b1, scratch);
  else fourF16(a, k, b0, b1, scratch);
}

/**
 * Sums of packed rows with two columns of B, of row i and column j at SUMS + (2 i + j) SUM. No branch stands between loads and
 * stores: V8 joins only what stands in one block with everything that it is made of.
 * @param rows 4 to 6, a constant
 */
// @ts-ignore: decorator
@inline
function sumTile(
  type: i32,
  rows: usize,
  a: usize,
  k: usize,
  b0: usize,
  b1: usize,
  scratch: usize,
): void {
  const stop = a + ((k * rows) << 2);
  const step = LANES << shiftOf(type);
  let s00 = v128.load(scratch);
  let s01 = v128.load(scratch);
  let s10 = v128.load(scratch);
  let s11 = v128.load(scratch);
  let s20 = v128.load(scratch);
  let s21 = v128.load(scratch);
  let s30 = v128.load(scratch);
  let s31 = v128.load(scratch);
  let s40 = v128.load(scratch);
  let s41 = v128.load(scratch);
  let s50 = v128.load(scratch);
  let s51 = v128.load(scratch);
  let t00 = WIDE ? v128.load(scratch, 16) : s00;
  let t01 = WIDE ? v128.load(scratch, 16) : s00;
  let t10 = WIDE ? v128.load(scratch, 16) : s00;
  let t11 = WIDE ? v128.load(scratch, 16) : s00;
  let t20 = WIDE ? v128.load(scratch, 16) : s00;
  let t21 = WIDE ? v128.load(scratch, 16) : s00;
  let t30 = WIDE ? v128.load(scratch, 16) : s00;
  let t31 = WIDE ? v128.load(scratch, 16) : s00;
  let t40 = WIDE ? v128.load(scratch, 16) : s00;
  let t41 = WIDE ? v128.load(scratch, 16) : s00;
  let t50 = WIDE ? v128.load(scratch, 16) : s00;
  let t51 = WIDE ? v128.load(scratch, 16) : s00;
  while (a < stop) {
    const x = loadVector(type, b0);
    const y = loadVector(type, b1);
    if (WIDE) {
      const x1 = loadNext(type, b0);
      const y1 = loadNext(type, b1);
      let v = v128.load(a);
      let w = v128.load(a, 16);
      s00 = madd(v, x, s00);
      t00 = madd(w, x1, t00);
      s01 = madd(v, y, s01);
      t01 = madd(w, y1, t01);
      v = v128.load(a, 32);
      w = v128.load(a, 48);
      s10 = madd(v, x, s10);
      t10 = madd(w, x1, t10);
      s11 = madd(v, y, s11);
      t11 = madd(w, y1, t11);
      v = v128.load(a, 64);
      w = v128.load(a, 80);
      s20 = madd(v, x, s20);
      t20 = madd(w, x1, t20);
      s21 = madd(v, y, s21);
      t21 = madd(w, y1, t21);
      v = v128.load(a, 96);
      w = v128.load(a, 112);
      s30 = madd(v, x, s30);
      t30 = madd(w, x1, t30);
      s31 = madd(v, y, s31);
      t31 = madd(w, y1, t31);
      if (rows > 4) {
        v = v128.load(a, 128);
        w = v128.load(a, 144);
        s40 = madd(v, x, s40);
        t40 = madd(w, x1, t40);
        s41 = madd(v, y, s41);
        t41 = madd(w, y1, t41);
      }
      if (rows > 5) {
        v = v128.load(a, 160);
        w = v128.load(a, 176);
        s50 = madd(v, x, s50);
        t50 = madd(w, x1, t50);
        s51 = madd(v, y, s51);
        t51 = madd(w, y1, t51);
      }
    } else {
      let v = v128.load(a);
      s00 = madd(v, x, s00);
      s01 = madd(v, y, s01);
      v = v128.load(a, 16);
      s10 = madd(v, x, s10);
      s11 = madd(v, y, s11);
      v = v128.load(a, 32);
      s20 = madd(v, x, s20);
      s21 = madd(v, y, s21);
      v = v128.load(a, 48);
      s30 = madd(v, x, s30);
      s31 = madd(v, y, s31);
      if (rows > 4) {
        v = v128.load(a, 64);
        s40 = madd(v, x, s40);
        s41 = madd(v, y, s41);
      }
      if (rows > 5) {
        v = v128.load(a, 80);
        s50 = madd(v, x, s50);
        s51 = madd(v, y, s51);
      }
    }
    a += rows * SUM;
    b0 += step;
    b1 += step;
  }
  v128.store(scratch, s00, SUMS);
  if (WIDE) v128.store(scratch, t00, SUMS + 16);
  v128.store(scratch, s01, SUMS + SUM);
  if (WIDE) v128.store(scratch, t01, SUMS + SUM + 16);
  v128.store(scratch, s10, SUMS + 2 * SUM);
  if (WIDE) v128.store(scratch, t10, SUMS + 2 * SUM + 16);
  v128.store(scratch, s11, SUMS + 3 * SUM);
  if (WIDE) v128.store(scratch, t11, SUMS + 3 * SUM + 16);
  v128.store(scratch, s20, SUMS + 4 * SUM);
  if (WIDE) v128.store(scratch, t20, SUMS + 4 * SUM + 16);
  v128.store(scratch, s21, SUMS + 5 * SUM);
  if (WIDE) v128.store(scratch, t21, SUMS + 5 * SUM + 16);
  v128.store(scratch, s30, SUMS + 6 * SUM);
  if (WIDE) v128.store(scratch, t30, SUMS + 6 * SUM + 16);
  v128.store(scratch, s31, SUMS + 7 * SUM);
  if (WIDE) v128.store(scratch, t31, SUMS + 7 * SUM + 16);
  if (rows > 4) {
    v128.store(scratch, s40, SUMS + 8 * SUM);
    if (WIDE) v128.store(scratch, t40, SUMS + 8 * SUM + 16);
    v128.store(scratch, s41, SUMS + 9 * SUM);
    if (WIDE) v128.store(scratch, t41, SUMS + 9 * SUM + 16);
  }
  if (rows > 5) {
    v128.store(scratch, s50, SUMS + 10 * SUM);
    if (WIDE) v128.store(scratch, t50, SUMS + 10 * SUM + 16);
    v128.store(scratch, s51, SUMS + 11 * SUM);
    if (WIDE) v128.store(scratch, t51, SUMS + 11 * SUM + 16);
  }
}

function fourF32(a: usize, k: usize, b0: usize, b1: usize, scratch: usize): void {
  sumTile(F32, 4, a, k, b0, b1, scratch);
}

function fiveF32(a: usize, k: usize, b0: usize, b1: usize, scratch: usize): void {
  sumTile(F32, 5, a, k, b0, b1, scratch);
}

function sixF32(a: usize, k: usize, b0: usize, b1: usize, scratch: usize): void {
  sumTile(F32, 6, a, k, b0, b1, scratch);
}

function fourBf16(a: usize, k: usize, b0: usize, b1: usize, scratch: usize): void {
  sumTile(BF16, 4, a, k, b0, b1, scratch);
}

function fiveBf16(a: usize, k: usize, b0: usize, b1: usize, scratch: usize): void {
  sumTile(BF16, 5, a, k, b0, b1, scratch);
}

function sixBf16(a: usize, k: usize, b0: usize, b1: usize, scratch: usize): void {
  sumTile(BF16, 6, a, k, b0, b1, scratch);
}

function fourF16(a: usize, k: usize, b0: usize, b1: usize, scratch: usize): void {
  sumTile(F16, 4, a, k, b0, b1, scratch);
}

function fiveF16(a: usize, k: usize, b0: usize, b1: usize, scratch: usize): void {
  sumTile(F16, 5, a, k, b0, b1, scratch);
}

function sixF16(a: usize, k: usize, b0: usize, b1: usize, scratch: usize): void {
  sumTile(F16, 6, a, k, b0, b1, scratch);
}
