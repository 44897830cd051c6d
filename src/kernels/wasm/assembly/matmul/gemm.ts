// C = A B or C += A B for matrices in memory by strides: the core of matmul and of attention.
//
// Blocks as in Goto & van de Geijn 2008 (doi 10.1145/1356052.1356053): a block of B of DEPTH x COLS is
// packed into panels of 8 columns (16 in `wide`) and stays in the second-level cache; blocks of A of ROWS x DEPTH are
// packed into panels of TILE_ROWS rows; a panel of each is in the first-level cache while a tile is summed.
//
// What is added to what, and in which order, depends on the depth alone: a part of C comes out the same
// whatever parts a device's threads divide it into.

import { BF16, F16, F32, shiftOf } from "../elements";
import { DOT_SCRATCH, dotProducts } from "./gemmDots";
import { weightedRows } from "./gemmFewRows";
import { pack } from "./gemmPack";
import { tile as narrowTile, TILE_ROWS } from "./gemmTile";
import { wideTile } from "./gemmTileWide";
import { least } from "./least";

// @ts-ignore: decorator
@inline
export const TILE_COLS: usize = WIDE ? 16 : 8;
// @ts-ignore: decorator
@inline
export const DEPTH: usize = 512;
// @ts-ignore: decorator
@inline
export const ROWS: usize = 60; // a multiple of 5 and of 6
// @ts-ignore: decorator
@inline
export const COLS: usize = 256;

/** Multiples that leave no tile half empty inside, in any variant: of 5 and 6 rows, of 8 and 16 columns. */
// @ts-ignore: decorator
@inline
export const ROW_UNIT: usize = 30;
// @ts-ignore: decorator
@inline
export const COL_UNIT: usize = 16;

// Up to this many rows of A, packing B costs more than it gains (measured), where the depth is that of attention's heads.
// @ts-ignore: decorator
@inline
export const MOST_UNPACKED_ROWS: usize = 16;
// @ts-ignore: decorator
@inline
const MOST_WEIGHTED_ROWS: usize = 6;

// A tile at an edge, the packed block of A, the packed block of B.
export const PACKED_A: usize = 6 * 16 << 2;
export const PACKED_B: usize = PACKED_A + (ROWS * DEPTH << 2);

/** Bytes of scratch that `gemm` needs, at an address that is a multiple of 16. */
export const GEMM_SCRATCH: usize = max(PACKED_B + (COLS * DEPTH << 2), DOT_SCRATCH);

// @ts-ignore: decorator
@inline
function tile(a: usize, b: usize, depth: usize, c: usize, rowC: usize, accumulate: bool): void {
  if (WIDE) wideTile(a, b, depth, c, rowC, accumulate);
  else narrowTile(a, b, depth, c, rowC, accumulate);
}

/**
 * C [m, n] = A [m, k] B [k, n], added to what is there when `accumulate`.
 * All strides are in bytes; one of A's two must be an element, and so must one of B's. C has its
 * columns side by side.
 * @param typeB F32, BF16 or F16 of elements.ts; A and C are f32
 */
export function gemm(
  m: usize,
  n: usize,
  k: usize,
  a: usize,
  rowA: usize,
  colA: usize,
  b: usize,
  rowB: usize,
  colB: usize,
  typeB: i32,
  c: usize,
  rowC: usize,
  accumulate: bool,
  scratch: usize,
): void {
  const elementB = (<usize>1) << shiftOf(typeB);
  if (m <= MOST_UNPACKED_ROWS && canDot(k, colA, rowB, typeB)) {
    gemmDots(m, n, k, a, rowA, b, colB, typeB, c, rowC, accumulate, scratch);
    return;
  }
  if (k > 0 && colB == elementB && m <= MOST_WEIGHTED_ROWS) {
    if (typeB == F32) weightedRows(F32, m, n, k, a, rowA, colA, b, rowB, c, rowC, accumulate);
    else if (typeB == BF16) weightedRows(BF16, m, n, k, a, rowA, colA, b, rowB, c, rowC, accumulate);
    else weightedRows(F16, m, n, k, a, rowA, colA, b, rowB, c, rowC, accumulate);
    return;
  }
  gemmPacked(m, n, k, a, rowA, colA, b, rowB, colB, typeB, c, rowC, accumulate, scratch);
}

/** Whether the depth of A and of B lies side by side, as `gemmDots` needs it. */
// @ts-ignore: decorator
@inline
export function canDot(k: usize, colA: usize, rowB: usize, typeB: i32): bool {
  return k > 0 && colA == 4 && rowB == (<usize>1) << shiftOf(typeB);
}

/** `gemm` without packing B, for up to MOST_DOT_ROWS rows. */
export function gemmDots(
  m: usize,
  n: usize,
  k: usize,
  a: usize,
  rowA: usize,
  b: usize,
  colB: usize,
  typeB: i32,
  c: usize,
  rowC: usize,
  accumulate: bool,
  scratch: usize,
): void {
  if (typeB == F32) dotProducts(F32, m, n, k, a, rowA, b, colB, c, rowC, accumulate, scratch);
  else if (typeB == BF16) dotProducts(BF16, m, n, k, a, rowA, b, colB, c, rowC, accumulate, scratch);
  else dotProducts(F16, m, n, k, a, rowA, b, colB, c, rowC, accumulate, scratch);
}

/** `gemm` by packed blocks, however few the rows are. */
export function gemmPacked(
  m: usize,
  n: usize,
  k: usize,
  a: usize,
  rowA: usize,
  colA: usize,
  b: usize,
  rowB: usize,
  colB: usize,
  typeB: i32,
  c: usize,
  rowC: usize,
  accumulate: bool,
  scratch: usize,
): void {
  if (k == 0) {
    if (!accumulate) fillZero(m, n, c, rowC);
    return;
  }
  for (let col: usize = 0; col < n; col += COLS) {
    const cols = least(COLS, n - col);
    for (let depth: usize = 0; depth < k; depth += DEPTH) {
      const steps = least(DEPTH, k - depth);
      const sourceB = b + depth * rowB + col * colB;
      pack(typeB, TILE_COLS, sourceB, colB, rowB, cols, steps, scratch + PACKED_B);
      for (let row: usize = 0; row < m; row += ROWS) {
        const rows = least(ROWS, m - row);
        const sourceA = a + row * rowA + depth * colA;
        pack(F32, TILE_ROWS, sourceA, rowA, colA, rows, steps, scratch + PACKED_A);
        const target = c + row * rowC + (col << 2);
        multiplyBlock(rows, cols, steps, target, rowC, accumulate || depth > 0, scratch);
      }
    }
  }
}

/** The product of the packed blocks. */
export function multiplyBlock(
  rows: usize,
  cols: usize,
  depth: usize,
  c: usize,
  rowC: usize,
  accumulate: bool,
  scratch: usize,
): void {
  for (let col: usize = 0; col < cols; col += TILE_COLS) {
    const panelB = scratch + PACKED_B + (col * depth << 2);
    for (let row: usize = 0; row < rows; row += TILE_ROWS) {
      const panelA = scratch + PACKED_A + (row * depth << 2);
      const target = c + row * rowC + (col << 2);
      if (rows - row >= TILE_ROWS && cols - col >= TILE_COLS) {
        tile(panelA, panelB, depth, target, rowC, accumulate);
      } else {
        tile(panelA, panelB, depth, scratch, TILE_COLS << 2, false);
        const edgeRows = least(TILE_ROWS, rows - row);
        storeEdge(scratch, edgeRows, least(TILE_COLS, cols - col), target, rowC, accumulate);
      }
    }
  }
}

/** Moves the part of a tile that exists. */
function storeEdge(
  source: usize,
  rows: usize,
  cols: usize,
  c: usize,
  rowC: usize,
  accumulate: bool,
): void {
  for (let i: usize = 0; i < rows; i++) {
    for (let j: usize = 0; j < cols; j++) {
      const at = c + i * rowC + (j << 2);
      const value = load<f32>(source + ((i * TILE_COLS + j) << 2));
      store<f32>(at, accumulate ? load<f32>(at) + value : value);
    }
  }
}

export function fillZero(m: usize, n: usize, c: usize, rowC: usize): void {
  for (let i: usize = 0; i < m; i++) memory.fill(c + i * rowC, 0, n << 2);
}
