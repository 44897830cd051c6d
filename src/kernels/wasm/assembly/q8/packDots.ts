// Packing for the tile of whole numbers (dotTile.ts): panels of rows of x, or of columns of W, all called lanes here, block by block
// of 32 steps. A block begins with the scales of its lanes and goes on with 16 pairs of steps, each with the two numbers of every
// lane side by side. Lanes past the last are the last one again: their products are not stored.

import { storeTransposed } from "../matmul/gemmPack";
import { BLOCK, BLOCK_BYTES } from "./blocks";
import { largestOf, MOST, numbersOf } from "./numbers";

/** Pairs of steps in a block. */
// @ts-ignore: decorator
@inline
export const PAIRS: usize = BLOCK >> 1;

/** Bytes of a block of `lanes` lanes. */
// @ts-ignore: decorator
@inline
export function panelBlock(lanes: usize): usize {
  return (lanes + PAIRS * lanes) << 2;
}

/**
 * A panel of rows of x, as 16-bit numbers.
 * @param width lanes of the panel, a multiple of 4
 * @param row bytes from one row to the next
 */
export function packRows(width: usize, x: usize, row: usize, rows: usize, blocks: usize, target: usize): void {
  const last = x + (rows - 1) * row;
  for (let first: usize = 0; first < width; first += 4) {
    packFourRows(width, x + first * row, row, last, blocks, target + (first << 2));
  }
}

function packFourRows(width: usize, x: usize, row: usize, last: usize, blocks: usize, target: usize): void {
  let x0 = min(x, last);
  let x1 = min(x + row, last);
  let x2 = min(x + 2 * row, last);
  let x3 = min(x + 3 * row, last);
  const step = width << 2;
  for (let block: usize = 0; block < blocks; block++) {
    const f0 = scaleOf(x0, target);
    const f1 = scaleOf(x1, target + 4);
    const f2 = scaleOf(x2, target + 8);
    const f3 = scaleOf(x3, target + 12);
    target += step;
    for (let i: usize = 0; i < BLOCK << 2; i += 32) {
      const n0 = numbersOf(x0 + i, f0);
      const n1 = numbersOf(x1 + i, f1);
      const n2 = numbersOf(x2 + i, f2);
      storeTransposed(n0, n1, n2, numbersOf(x3 + i, f3), target, step);
      target += 4 * step;
    }
    x0 += BLOCK << 2;
    x1 += BLOCK << 2;
    x2 += BLOCK << 2;
    x3 += BLOCK << 2;
  }
}

/** Stores the scale of a block of x. @returns by what its numbers are multiplied */
// @ts-ignore: decorator
@inline
function scaleOf(x: usize, target: usize): v128 {
  const largest = largestOf(x);
  store<f32>(target, largest / MOST);
  return f32x4.splat(MOST / largest);
}

/**
 * A panel of columns of W, whose numbers become 16 bits wide.
 * @param width lanes of the panel, a multiple of 4
 * @param column bytes from one column to the next
 */
export function packColumns(width: usize, w: usize, column: usize, columns: usize, blocks: usize, target: usize): void {
  const last = w + (columns - 1) * column;
  for (let first: usize = 0; first < width; first += 4) {
    packFourColumns(width, w + first * column, column, last, blocks, target + (first << 2));
  }
}

function packFourColumns(width: usize, w: usize, column: usize, last: usize, blocks: usize, target: usize): void {
  let w0 = min(w, last);
  let w1 = min(w + column, last);
  let w2 = min(w + 2 * column, last);
  let w3 = min(w + 3 * column, last);
  const step = width << 2;
  for (let block: usize = 0; block < blocks; block++) {
    store<f32>(target, load<f32>(w0));
    store<f32>(target, load<f32>(w1), 4);
    store<f32>(target, load<f32>(w2), 8);
    store<f32>(target, load<f32>(w3), 12);
    target += step;
    for (let i: usize = 4; i < BLOCK_BYTES; i += 8) {
      const n0 = v128.load_ext<i8>(w0 + i);
      const n1 = v128.load_ext<i8>(w1 + i);
      const n2 = v128.load_ext<i8>(w2 + i);
      storeTransposed(n0, n1, n2, v128.load_ext<i8>(w3 + i), target, step);
      target += 4 * step;
    }
    w0 += BLOCK_BYTES;
    w1 += BLOCK_BYTES;
    w2 += BLOCK_BYTES;
    w3 += BLOCK_BYTES;
  }
}
