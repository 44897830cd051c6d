// Products of few rows with B's depth side by side (y = x W^T), as decoding has them: dot products along the depth. B is not
// packed: it passes once, from memory. A is, by LANES of the depth of a few rows at a time, so that a tile reads it in order.
//
// V8 keeps the loops in registers where they stand in functions of their own (half the speed otherwise). Binaryen inlines what
// is called in one place alone, so each is called in two.
//
// Each product is summed in LANES lanes along the depth, and the lanes at the end, in the same way in every tile: a row comes
// out the same however many rows stand beside it.

import { BF16, F16, F32, loadElement, loadVector, shiftOf } from "../elements";
import { madd } from "../simd";

/** In `wide` two vectors side by side, which V8 joins to one of 256 bits (gemmTileWide.ts). */
// @ts-ignore: decorator
@inline
const LANES: usize = WIDE ? 8 : 4;
/** Rows of a tile: their sums with two columns, and what these are made of, fill the registers. */
// @ts-ignore: decorator
@inline
const ROWS: usize = ASC_FEATURE_RELAXED_SIMD ? 6 : 5;
/** Columns of a tile of one or two rows. */
// @ts-ignore: decorator
@inline
const COLS: usize = 6;
/** Bytes of a sum. */
// @ts-ignore: decorator
@inline
const SUM: usize = LANES << 2;
/** Most rows, and the depth that is packed at a time. */
// @ts-ignore: decorator
@inline
export const MOST_DOT_ROWS: usize = 64;
// @ts-ignore: decorator
@inline
const DEPTH: usize = 2048;
/** Bytes of packed rows that stay in the first-level cache, and of B in the second while other rows pass. */
const NEAR_BYTES: usize = 24576;
const FAR_BYTES: usize = 131072;
// Zeros, the sums of a tile, and the packed rows.
const SUMS: usize = SUM;
const PACKED: usize = SUMS + 12 * SUM;
/** Bytes of scratch, at an address that is a multiple of 16. */
export const DOT_SCRATCH: usize = PACKED + ((MOST_DOT_ROWS + ROWS) * DEPTH << 2);

// @ts-ignore: decorator
@inline
function least(a: usize, b: usize): usize {
  return a < b ? a : b;
}

/** C = A B or C += A B; B's columns are `colB` bytes apart. @param m up to MOST_DOT_ROWS */
// @ts-ignore: decorator
@inline
export function dotProducts(
  type: i32,
  m: usize,
  n: usize,
  k: usize,
  a: usize,
  rowA: usize,
  b: usize,
  colB: usize,
  c: usize,
  rowC: usize,
  accumulate: bool,
  scratch: usize,
): void {
  memory.fill(scratch, 0, SUM);
  for (let depth: usize = 0; depth < k; depth += DEPTH) {
    const steps = least(DEPTH, k - depth);
    const from = b + (depth << shiftOf(type));
    const adds = accumulate || depth > 0;
    const row = a + (depth << 2);
    if (m > 2) manyRows(type, m, n, steps, row, rowA, from, colB, c, rowC, adds, scratch);
    else if (depth == 0) fewRows(type, m, n, steps, row, rowA, from, colB, c, rowC, adds, scratch);
    else fewRows(type, m, n, steps, row, rowA, from, colB, c, rowC, true, scratch);
  }
}

// @ts-ignore: decorator
@inline
function fewRows(
  type: i32,
  m: usize,
  n: usize,
  k: usize,
  a: usize,
  rowA: usize,
  b: usize,
  colB: usize,
  c: usize,
  rowC: usize,
  accumulate: bool,
  scratch: usize,
): void {
  for (let j: usize = 0; j < n; j += COLS) {
    const cols = least(COLS, n - j);
    const from = b + j * colB;
    if (cols < COLS) sumColumns(type, m, cols, k, a, rowA, from, colB, scratch);
    else sumColumns(type, m, COLS, k, a, rowA, from, colB, scratch);
    for (let i: usize = 0; i < m; i++) {
      const to = c + i * rowC + (j << 2);
      finish(type, cols, k, a + i * rowA, from, colB, to, accumulate, scratch + SUMS + i * SUM, 2 * SUM);
    }
  }
}

// @ts-ignore: decorator
@inline
function sumColumns(
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

// @ts-ignore: decorator
@inline
function manyRows(
  type: i32,
  m: usize,
  n: usize,
  k: usize,
  a: usize,
  rowA: usize,
  b: usize,
  colB: usize,
  c: usize,
  rowC: usize,
  accumulate: bool,
  scratch: usize,
): void {
  // Rows of a tile differ by one at most.
  const tiles = (m + ROWS - 1) / ROWS;
  const rows = max((m + tiles - 1) / tiles, 4);
  const whole = k & ~(LANES - 1);
  const panel = rows * (whole << 2);
  for (let i: usize = 0; i < m; i += rows) {
    packRows(rows, least(rows, m - i), whole, a + i * rowA, rowA, scratch + PACKED + i * (whole << 2));
  }
  const blockRows = rows * max(NEAR_BYTES / (panel + 1), 1);
  const blockCols = blockRows >= m ? n : max(FAR_BYTES / ((k << shiftOf(type)) + 1), 2) & ~1;
  for (let col: usize = 0; col < n; col += blockCols) {
    const endCol = least(n, col + blockCols);
    for (let row: usize = 0; row < m; row += blockRows) {
      const endRow = least(m, row + blockRows);
      for (let j = col; j < endCol; j += 2) {
        const cols = least(2, endCol - j);
        const from = b + j * colB;
        for (let i = row; i < endRow; i += rows) {
          const packed = scratch + PACKED + i * (whole << 2);
          if (cols > 1) sumRows(type, rows, packed, whole, from, from + colB, scratch);
          else sumRows(type, rows, packed, whole, from, from, scratch);
          for (let r: usize = 0; r < least(rows, endRow - i); r++) {
            const to = c + (i + r) * rowC + (j << 2);
            const sums = scratch + SUMS + 2 * r * SUM;
            finish(type, cols, k, a + (i + r) * rowA, from, colB, to, accumulate, sums, SUM);
          }
        }
      }
    }
  }
}

/** LANES of the depth of each row, one row behind another. Missing rows read the last one again. */
// @ts-ignore: decorator
@inline
function packRows(rows: usize, count: usize, k: usize, a: usize, rowA: usize, target: usize): void {
  for (let r: usize = 0; r < rows; r++) {
    const source = a + least(r, count - 1) * rowA;
    let to = target + r * SUM;
    for (let at: usize = 0; at < k << 2; at += SUM) {
      v128.store(to, v128.load(source + at));
      if (WIDE) v128.store(to, v128.load(source + at, 16), 16);
      to += rows * SUM;
    }
  }
}

/** The four elements behind those of `loadVector`: V8 joins loads whose addresses differ by a constant in the instruction. */
// @ts-ignore: decorator
@inline
function loadNext(type: i32, at: usize): v128 {
  if (type == F32) return v128.load(at, 16);
  if (type == BF16) return i32x4.shl(v128.load_ext<u16>(at, 8), 16);
  return loadVector(type, at + 8);
}

// @ts-ignore: decorator
@inline
function sumRows(
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

/** Adds the lanes of the sums of a row with columns side by side, and the last products of the depth, and stores them. */
function finish(
  type: i32,
  cols: usize,
  k: usize,
  a: usize,
  b: usize,
  colB: usize,
  c: usize,
  accumulate: bool,
  sums: usize,
  stride: usize,
): void {
  for (let j: usize = 0; j < cols; j++) {
    let v = v128.load(sums + j * stride);
    if (WIDE) v = f32x4.add(v, v128.load(sums + j * stride, 16));
    v = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
    let sum = f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1);
    for (let d = k & ~(LANES - 1); d < k; d++) {
      sum += load<f32>(a + (d << 2)) * loadElement(type, b + j * colB + (d << shiftOf(type)));
    }
    const to = c + (j << 2);
    store<f32>(to, accumulate ? load<f32>(to) + sum : sum);
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

function oneF32(k: usize, a: usize, b: usize, colB: usize, last: usize, scratch: usize): void {
  sumSix(F32, false, k, a, a, b, colB, last, scratch);
}

function twoF32(k: usize, a: usize, a1: usize, b: usize, colB: usize, last: usize, scratch: usize): void {
  sumSix(F32, true, k, a, a1, b, colB, last, scratch);
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

function oneBf16(k: usize, a: usize, b: usize, colB: usize, last: usize, scratch: usize): void {
  sumSix(BF16, false, k, a, a, b, colB, last, scratch);
}

function twoBf16(k: usize, a: usize, a1: usize, b: usize, colB: usize, last: usize, scratch: usize): void {
  sumSix(BF16, true, k, a, a1, b, colB, last, scratch);
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

function oneF16(k: usize, a: usize, b: usize, colB: usize, last: usize, scratch: usize): void {
  sumSix(F16, false, k, a, a, b, colB, last, scratch);
}

function twoF16(k: usize, a: usize, a1: usize, b: usize, colB: usize, last: usize, scratch: usize): void {
  sumSix(F16, true, k, a, a1, b, colB, last, scratch);
}
