// y = x W^T for W in q8 and more rows of x than rowsQ8.ts takes, by packed blocks as gemmPacked (matmul/gemm.ts), of whole numbers
// (numbers.ts).

import { COLS, DEPTH, PACKED_A, PACKED_B } from "../matmul/gemm";
import { least } from "../matmul/least";
import { storeTransposed } from "../matmul/gemmPack";
import { BLOCK, bytesOf } from "./blocks";
import { DOT_LANES, DOT_ROWS, dotTile } from "./dotTile";
import { fetch, FETCHED } from "../matmul/fetch";
import { packColumns, packRows, panelBlock } from "./packDots";

/** Rows of x that are packed at once; up to so many, columns of W are multiplied as soon as they are packed. */
// @ts-ignore: decorator
@inline
export const MOST_ROWS: usize = 64;

/**
 * C [m, n] = A [m, k] B^T for columns of B from `b` on, added to what is there when `accumulate`. A's rows lie k apart.
 * @param rowC in bytes
 * @param scratch of GEMM_SCRATCH bytes: a tile, rows of A, columns of B; each is less than gemm's
 */
export function tilesTimesQ8(
  m: usize,
  n: usize,
  k: usize,
  a: usize,
  b: usize,
  c: usize,
  rowC: usize,
  accumulate: bool,
  scratch: usize,
): void {
  const isFew = m <= MOST_ROWS;
  const columnB = bytesOf(k);
  for (let depth: usize = 0; depth < k; depth += DEPTH) {
    const blocks = least(DEPTH, k - depth) / BLOCK;
    const adds = accumulate || depth > 0;
    if (isFew) packBlockA(m, k, blocks, a + (depth << 2), scratch);
    const most = isFew ? DOT_ROWS : COLS;
    for (let col: usize = 0; col < n; col += most) {
      const cols = least(most, n - col);
      if (isFew && col % FETCHED == 0) {
        fetch(b + col * columnB, least(FETCHED, n - col) * columnB, scratch + PACKED_A);
      }
      packBlockB(cols, columnB, blocks, b + bytesOf(col * k + depth), scratch);
      for (let row: usize = 0; row < m; row += MOST_ROWS) {
        const rows = least(MOST_ROWS, m - row);
        if (!isFew) packBlockA(rows, k, blocks, a + ((row * k + depth) << 2), scratch);
        multiplyBlock(rows, cols, blocks, c + row * rowC + (col << 2), rowC, adds, scratch);
      }
    }
  }
}

function packBlockA(rows: usize, k: usize, blocks: usize, a: usize, scratch: usize): void {
  let target = scratch + PACKED_A;
  for (let i: usize = 0; i < rows; i += DOT_LANES) {
    packRows(DOT_LANES, a + ((i * k) << 2), k << 2, least(DOT_LANES, rows - i), blocks, target);
    target += blocks * panelBlock(DOT_LANES);
  }
}

function packBlockB(cols: usize, column: usize, blocks: usize, b: usize, scratch: usize): void {
  let target = scratch + PACKED_B;
  for (let j: usize = 0; j < cols; j += DOT_ROWS) {
    packColumns(DOT_ROWS, b + j * column, column, least(DOT_ROWS, cols - j), blocks, target);
    target += blocks * panelBlock(DOT_ROWS);
  }
}

/** The product of the packed blocks. */
function multiplyBlock(
  rows: usize,
  cols: usize,
  blocks: usize,
  c: usize,
  rowC: usize,
  accumulate: bool,
  scratch: usize,
): void {
  let panelB = scratch + PACKED_B;
  for (let j: usize = 0; j < cols; j += DOT_ROWS) {
    let panelA = scratch + PACKED_A;
    for (let i: usize = 0; i < rows; i += DOT_LANES) {
      const to = c + i * rowC + (j << 2);
      const height = least(DOT_LANES, rows - i);
      const width = least(DOT_ROWS, cols - j);
      if (accumulate) loadTile(to, rowC, height, width, scratch);
      else clearTile(scratch);
      dotTile(panelB, panelA, blocks, scratch);
      storeTile(scratch, to, rowC, height, width);
      panelA += blocks * panelBlock(DOT_LANES);
    }
    panelB += blocks * panelBlock(DOT_ROWS);
  }
}

// @ts-ignore: decorator
@inline
function clearTile(tile: usize): void {
  const zero = i32x4.splat(0);
  for (let i: usize = 0; i < (DOT_ROWS * DOT_LANES) << 2; i += 16) v128.store(tile + i, zero);
}

/** The tile of C as it is summed: C's columns one behind another. */
function loadTile(c: usize, rowC: usize, rows: usize, cols: usize, tile: usize): void {
  for (let i: usize = 0; i < rows; i++) {
    for (let j: usize = 0; j < cols; j++) {
      store<f32>(tile + ((j * DOT_LANES + i) << 2), load<f32>(c + i * rowC + (j << 2)));
    }
  }
}

/** The part of a tile that exists. */
function storeTile(tile: usize, c: usize, rowC: usize, rows: usize, cols: usize): void {
  const step = DOT_LANES << 2;
  if (rows < DOT_LANES || cols < DOT_ROWS) {
    for (let i: usize = 0; i < rows; i++) {
      for (let j: usize = 0; j < cols; j++) {
        store<f32>(c + i * rowC + (j << 2), load<f32>(tile + ((j * DOT_LANES + i) << 2)));
      }
    }
    return;
  }
  for (let j: usize = 0; j < DOT_ROWS; j += 4) {
    for (let i: usize = 0; i < DOT_LANES; i += 4) {
      const from = tile + ((j * DOT_LANES + i) << 2);
      const c0 = v128.load(from);
      const c1 = v128.load(from + step);
      const c2 = v128.load(from + 2 * step);
      storeTransposed(c0, c1, c2, v128.load(from + 3 * step), c + i * rowC + (j << 2), rowC);
    }
  }
}
