// C = A op(B) for B in q8, one matrix, over units [begin, end): blocks of rowBlock x colBlock of C, row blocks fastest.

import { F32 } from "../elements";
import { COLS, DEPTH, fillZero, multiplyBlock, PACKED_A, PACKED_B, ROWS, TILE_COLS } from "../matmul/gemm";
import { pack } from "../matmul/gemmPack";
import { TILE_ROWS } from "../matmul/gemmTile";
import { least } from "../matmul/least";
import { bytesOf } from "./blocks";
import { packAcrossQ8 } from "./packQ8";
import { rowsTimesQ8 } from "./rowsQ8";
import { tilesTimesQ8 } from "./tilesQ8";

/** Up to this many rows of A, B [n, k] is read as it lies; more go by packed blocks. */
export const MOST_UNPACKED_ROWS: usize = 4;

/** Params from `batch0` to `b3` are those of matmul: B is one matrix here, and A has been made one. */
export function matmulQ8(
  a: usize,
  b: usize,
  c: usize,
  m: usize,
  n: usize,
  k: usize,
  batch0: usize,
  batch1: usize,
  batch2: usize,
  batch3: usize,
  a0: usize,
  a1: usize,
  a2: usize,
  a3: usize,
  b0: usize,
  b1: usize,
  b2: usize,
  b3: usize,
  rowBlock: usize,
  colBlock: usize,
  transposeA: i32,
  transposeB: i32,
  accumulate: i32,
  begin: usize,
  end: usize,
  scratch: usize,
): void {
  const rowC = n << 2;
  const rowBlocks = (m + rowBlock - 1) / rowBlock;
  const adds = accumulate != 0;
  for (let unit = begin; unit < end; ) {
    const rowIndex = unit % rowBlocks;
    // As many neighbours as make one rectangle: down the rows, or along a single row of blocks.
    const run = rowBlocks == 1 ? end - unit : min(rowBlocks - rowIndex, end - unit);
    const row = rowIndex * rowBlock;
    const col = (unit / rowBlocks) * colBlock;
    const rows = min(rowBlocks == 1 ? m : run * rowBlock, m - row);
    const cols = min(rowBlocks == 1 ? run * colBlock : colBlock, n - col);
    const from = a + ((row * k) << 2);
    const to = c + row * rowC + (col << 2);
    if (k == 0) {
      if (!adds) fillZero(rows, cols, to, rowC);
    } else if (transposeB == 0) {
      multiplyAcross(rows, cols, k, from, b, col, n, to, rowC, adds, scratch);
    } else if (m <= MOST_UNPACKED_ROWS) {
      rowsTimesQ8(rows, cols, k, from, b + bytesOf(col * k), to, rowC, adds, scratch);
    } else {
      tilesTimesQ8(rows, cols, k, from, b + bytesOf(col * k), to, rowC, adds, scratch);
    }
    unit += run;
  }
}

/** C = A B for B [k, widthB] by packed blocks of f32, as gemmPacked (matmul/gemm.ts). @param first column of B */
function multiplyAcross(
  m: usize,
  n: usize,
  k: usize,
  a: usize,
  b: usize,
  first: usize,
  widthB: usize,
  c: usize,
  rowC: usize,
  accumulate: bool,
  scratch: usize,
): void {
  const rowA = k << 2;
  for (let col: usize = 0; col < n; col += COLS) {
    const cols = least(COLS, n - col);
    for (let depth: usize = 0; depth < k; depth += DEPTH) {
      const steps = least(DEPTH, k - depth);
      const panel = scratch + PACKED_B;
      packAcrossQ8(TILE_COLS, b, depth * widthB + first + col, widthB, cols, steps, panel);
      for (let row: usize = 0; row < m; row += ROWS) {
        const rows = least(ROWS, m - row);
        pack(F32, TILE_ROWS, a + row * rowA + (depth << 2), rowA, 4, rows, steps, scratch + PACKED_A);
        const target = c + row * rowC + (col << 2);
        multiplyBlock(rows, cols, steps, target, rowC, accumulate || depth > 0, scratch);
      }
    }
  }
}
