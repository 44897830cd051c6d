// Dot products of one or two rows, as they lie, with six columns of B; functions of their own as in dotTile.ts.

import { BF16, F16, F32, loadVector, shiftOf } from "../elements";
import { madd } from "../simd";
import { LANES, loadNext, SUM, SUMS } from "./dotLayout";
import { least } from "./least";

/** Columns of a tile of one or two rows. */
// @ts-ignore: decorator
@inline
export const COLS: usize = 6;

/** Sums of m rows, 1 or 2, with up to COLS columns. */
// @ts-ignore: decorator
@inline
export function sumColumns(
  type: i32,
  m: usize,
  cols: usize,
  k: usize,
  a: usize,
  rowA: usize,
  b: usize,
  colB: usize,
  scratch: usize,
): void {
  const last = b + (cols - 1) * colB;
  if (type == F32) {
    if (m == 1) oneF32(k, a, b, colB, last, scratch);
    else twoF32(k, a, a + rowA, b, colB, last, scratch);
  } else if (type == BF16) {
    if (m == 1) oneBf16(k, a, b, colB, last, scratch);
    else twoBf16(k, a, a + rowA, b, colB, last, scratch);
  } else if (m == 1) oneF16(k, a, b, colB, last, scratch);
  else twoF16(k, a, a + rowA, b, colB, last, scratch);
}

/** Sums of one or two rows with six columns of B, of row i and column j at SUMS + (2 j + i) SUM; columns past `last` are that one. */
// @ts-ignore: decorator
@inline
function sumSix(
  type: i32,
  isPair: bool,
  k: usize,
  a0: usize,
  a1: usize,
  b0: usize,
  colB: usize,
  last: usize,
  scratch: usize,
): void {
  let b1 = least(b0 + colB, last);
  let b2 = least(b0 + 2 * colB, last);
  let b3 = least(b0 + 3 * colB, last);
  let b4 = least(b0 + 4 * colB, last);
  let b5 = least(b0 + 5 * colB, last);
  const stop = a0 + ((k & ~(LANES - 1)) << 2);
  const step = LANES << shiftOf(type);
  let s00 = v128.load(scratch);
  let s01 = v128.load(scratch);
  let t00 = v128.load(scratch, 16);
  let t01 = v128.load(scratch, 16);
  let s10 = v128.load(scratch);
  let s11 = v128.load(scratch);
  let t10 = v128.load(scratch, 16);
  let t11 = v128.load(scratch, 16);
  let s20 = v128.load(scratch);
  let s21 = v128.load(scratch);
  let t20 = v128.load(scratch, 16);
  let t21 = v128.load(scratch, 16);
  let s30 = v128.load(scratch);
  let s31 = v128.load(scratch);
  let t30 = v128.load(scratch, 16);
  let t31 = v128.load(scratch, 16);
  let s40 = v128.load(scratch);
  let s41 = v128.load(scratch);
  let t40 = v128.load(scratch, 16);
  let t41 = v128.load(scratch, 16);
  let s50 = v128.load(scratch);
  let s51 = v128.load(scratch);
  let t50 = v128.load(scratch, 16);
  let t51 = v128.load(scratch, 16);
  while (a0 < stop) {
    const v = v128.load(a0);
    const w = WIDE ? v128.load(a0, 16) : v;
    const x = isPair ? v128.load(a1) : v;
    const y = isPair && WIDE ? v128.load(a1, 16) : v;
    let l = loadVector(type, b0);
    let r = WIDE ? loadNext(type, b0) : l;
    s00 = madd(v, l, s00);
    if (WIDE) t00 = madd(w, r, t00);
    if (isPair) s01 = madd(x, l, s01);
    if (isPair && WIDE) t01 = madd(y, r, t01);
    b0 += step;
    l = loadVector(type, b1);
    r = WIDE ? loadNext(type, b1) : l;
    s10 = madd(v, l, s10);
    if (WIDE) t10 = madd(w, r, t10);
    if (isPair) s11 = madd(x, l, s11);
    if (isPair && WIDE) t11 = madd(y, r, t11);
    b1 += step;
    l = loadVector(type, b2);
    r = WIDE ? loadNext(type, b2) : l;
    s20 = madd(v, l, s20);
    if (WIDE) t20 = madd(w, r, t20);
    if (isPair) s21 = madd(x, l, s21);
    if (isPair && WIDE) t21 = madd(y, r, t21);
    b2 += step;
    l = loadVector(type, b3);
    r = WIDE ? loadNext(type, b3) : l;
    s30 = madd(v, l, s30);
    if (WIDE) t30 = madd(w, r, t30);
    if (isPair) s31 = madd(x, l, s31);
    if (isPair && WIDE) t31 = madd(y, r, t31);
    b3 += step;
    l = loadVector(type, b4);
    r = WIDE ? loadNext(type, b4) : l;
    s40 = madd(v, l, s40);
    if (WIDE) t40 = madd(w, r, t40);
    if (isPair) s41 = madd(x, l, s41);
    if (isPair && WIDE) t41 = madd(y, r, t41);
    b4 += step;
    l = loadVector(type, b5);
    r = WIDE ? loadNext(type, b5) : l;
    s50 = madd(v, l, s50);
    if (WIDE) t50 = madd(w, r, t50);
    if (isPair) s51 = madd(x, l, s51);
    if (isPair && WIDE) t51 = madd(y, r, t51);
    b5 += step;
    a0 += SUM;
    if (isPair) a1 += SUM;
  }
  v128.store(scratch, s00, SUMS);
  if (WIDE) v128.store(scratch, t00, SUMS + 16);
  if (isPair) v128.store(scratch, s01, SUMS + 1 * SUM);
  if (isPair && WIDE) v128.store(scratch, t01, SUMS + 1 * SUM + 16);
  v128.store(scratch, s10, SUMS + 2 * SUM);
  if (WIDE) v128.store(scratch, t10, SUMS + 2 * SUM + 16);
  if (isPair) v128.store(scratch, s11, SUMS + 3 * SUM);
  if (isPair && WIDE) v128.store(scratch, t11, SUMS + 3 * SUM + 16);
  v128.store(scratch, s20, SUMS + 4 * SUM);
  if (WIDE) v128.store(scratch, t20, SUMS + 4 * SUM + 16);
  if (isPair) v128.store(scratch, s21, SUMS + 5 * SUM);
  if (isPair && WIDE) v128.store(scratch, t21, SUMS + 5 * SUM + 16);
  v128.store(scratch, s30, SUMS + 6 * SUM);
  if (WIDE) v128.store(scratch, t30, SUMS + 6 * SUM + 16);
  if (isPair) v128.store(scratch, s31, SUMS + 7 * SUM);
  if (isPair && WIDE) v128.store(scratch, t31, SUMS + 7 * SUM + 16);
  v128.store(scratch, s40, SUMS + 8 * SUM);
  if (WIDE) v128.store(scratch, t40, SUMS + 8 * SUM + 16);
  if (isPair) v128.store(scratch, s41, SUMS + 9 * SUM);
  if (isPair && WIDE) v128.store(scratch, t41, SUMS + 9 * SUM + 16);
  v128.store(scratch, s50, SUMS + 10 * SUM);
  if (WIDE) v128.store(scratch, t50, SUMS + 10 * SUM + 16);
  if (isPair) v128.store(scratch, s51, SUMS + 11 * SUM);
  if (isPair && WIDE) v128.store(scratch, t51, SUMS + 11 * SUM + 16);
}

function oneF32(k: usize, a: usize, b: usize, colB: usize, last: usize, scratch: usize): void {
  sumSix(F32, false, k, a, a, b, colB, last, scratch);
}

function twoF32(k: usize, a: usize, a1: usize, b: usize, colB: usize, last: usize, scratch: usize): void {
  sumSix(F32, true, k, a, a1, b, colB, last, scratch);
}

function oneBf16(k: usize, a: usize, b: usize, colB: usize, last: usize, scratch: usize): void {
  sumSix(BF16, false, k, a, a, b, colB, last, scratch);
}

function twoBf16(k: usize, a: usize, a1: usize, b: usize, colB: usize, last: usize, scratch: usize): void {
  sumSix(BF16, true, k, a, a1, b, colB, last, scratch);
}

function oneF16(k: usize, a: usize, b: usize, colB: usize, last: usize, scratch: usize): void {
  sumSix(F16, false, k, a, a, b, colB, last, scratch);
}

function twoF16(k: usize, a: usize, a1: usize, b: usize, colB: usize, last: usize, scratch: usize): void {
  sumSix(F16, true, k, a, a1, b, colB, last, scratch);
}
