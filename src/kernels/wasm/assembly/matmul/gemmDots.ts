// Products of few rows with B's depth side by side (y = x W^T), as decoding has them: dot products along the depth. B is not
// packed: it passes once, from memory. A is, by LANES of the depth of a few rows at a time, so that a tile reads it in order.
//
// Each product is summed in LANES lanes along the depth, and the lanes at the end, in the same way in every tile: a row comes
// out the same however many rows stand beside it.

import { loadElement, shiftOf } from "../elements";
import { COLS, sumColumns } from "./dotColumns";
import { LANES, SUM, SUMS } from "./dotLayout";
import { sumRows } from "./dotTile";
import { fetch } from "./fetch";
import { least } from "./least";

/** Rows of a tile: their sums with two columns, and what these are made of, fill the registers. */
// @ts-ignore: decorator
@inline
const ROWS: usize = ASC_FEATURE_RELAXED_SIMD ? 6 : 5;
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
/** Packed rows lie behind the sums of a tile. */
const PACKED: usize = SUMS + 12 * SUM;
/** Bytes of scratch, at an address that is a multiple of 16. */
export const DOT_SCRATCH: usize = PACKED + ((MOST_DOT_ROWS + ROWS) * DEPTH << 2);

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
        if (row == 0) {
          fetch(from, k << shiftOf(type), scratch);
          fetch(from + (cols - 1) * colB, k << shiftOf(type), scratch);
        }
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
