// Batched C = op(A) op(B) over units [begin, end): blocks of rowBlock x colBlock of one matrix of the
// batch, row blocks fastest, so that neighbouring units share a packed block of B.

import { shiftOf } from "../elements";
import { canDot, gemm, gemmDots, gemmPacked, MOST_UNPACKED_ROWS } from "./gemm";
import { MOST_DOT_ROWS } from "./gemmDots";
import { least } from "./least";

/** @param typeB F32, BF16 or F16 of elements.ts */
export function matmul(
  typeB: i32,
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
  const shiftB = shiftOf(typeB);
  const rowA: usize = transposeA ? 4 : k << 2;
  const colA: usize = transposeA ? m << 2 : 4;
  const rowB: usize = transposeB ? 1 << shiftB : n << shiftB;
  const colB: usize = transposeB ? k << shiftB : 1 << shiftB;
  const rowC = n << 2;
  const rowBlocks = (m + rowBlock - 1) / rowBlock;
  const blocks = rowBlocks * ((n + colBlock - 1) / colBlock);
  for (let unit = begin; unit < end; ) {
    const matrix = unit / blocks;
    const block = unit % blocks;
    const rowIndex = block % rowBlocks;
    // As many neighbours as make one rectangle: down the rows, or along a single row of blocks.
    const run = least(rowBlocks == 1 ? blocks - block : rowBlocks - rowIndex, end - unit);
    const row = rowIndex * rowBlock;
    const col = (block / rowBlocks) * colBlock;
    const rows = least(rowBlocks == 1 ? m : run * rowBlock, m - row);
    const cols = least(rowBlocks == 1 ? run * colBlock : colBlock, n - col);
    const i3 = matrix % batch3;
    const i2 = (matrix / batch3) % batch2;
    const i1 = (matrix / (batch2 * batch3)) % batch1;
    const i0 = matrix / (batch1 * batch2 * batch3);
    const offsetA = (i0 * a0 + i1 * a1 + i2 * a2 + i3 * a3) << 2;
    const offsetB = (i0 * b0 + i1 * b1 + i2 * b2 + i3 * b3) << shiftB;
    const fromA = a + offsetA + row * rowA;
    const fromB = b + offsetB + col * colB;
    const to = c + matrix * m * rowC + row * rowC + (col << 2);
    const adds = accumulate != 0;
    // The whole matrix decides, not its last rows, so that their sums do not depend on how it is cut.
    if (m <= MOST_DOT_ROWS && canDot(k, colA, rowB, typeB)) {
      gemmDots(rows, cols, k, fromA, rowA, fromB, colB, typeB, to, rowC, adds, scratch);
    } else if (m <= MOST_UNPACKED_ROWS) {
      gemm(rows, cols, k, fromA, rowA, colA, fromB, rowB, colB, typeB, to, rowC, adds, scratch);
    } else {
      gemmPacked(rows, cols, k, fromA, rowA, colA, fromB, rowB, colB, typeB, to, rowC, adds, scratch);
    }
    unit += run;
  }
}
