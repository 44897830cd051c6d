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
  packPanel(true, width, x, row, rows, blocks, target);
}

/**
 * A panel of columns of W, whose numbers become 16 bits wide.
 * @param column bytes from one column to the next
 */
export function packColumns(width: usize, w: usize, column: usize, columns: usize, blocks: usize, target: usize): void {
  packPanel(false, width, w, column, columns, blocks, target);
}

/** @param isX of x, in f32, or of W, in q8; a constant */
// @ts-ignore: decorator
@inline
function packPanel(
  isX: bool,
  width: usize,
  source: usize,
  lane: usize,
  lanes: usize,
  blocks: usize,
  target: usize,
): void {
  const last = source + (lanes - 1) * lane;
  const step = width << 2;
  const block: usize = isX ? BLOCK << 2 : BLOCK_BYTES;
  for (let first: usize = 0; first < width; first += 4) {
    let from0 = min(source + first * lane, last);
    let from1 = min(source + (first + 1) * lane, last);
    let from2 = min(source + (first + 2) * lane, last);
    let from3 = min(source + (first + 3) * lane, last);
    let to = target + (first << 2);
    for (let i: usize = 0; i < blocks; i++) {
      const f0 = packScale(isX, from0, to);
      const f1 = packScale(isX, from1, to + 4);
      const f2 = packScale(isX, from2, to + 8);
      const f3 = packScale(isX, from3, to + 12);
      to += step;
      for (let at: usize = 0; at < BLOCK; at += 8) {
        const n0 = eight(isX, from0, at, f0);
        const n1 = eight(isX, from1, at, f1);
        const n2 = eight(isX, from2, at, f2);
        storeTransposed(n0, n1, n2, eight(isX, from3, at, f3), to, step);
        to += 4 * step;
      }
      from0 += block;
      from1 += block;
      from2 += block;
      from3 += block;
    }
  }
}

/** Stores the scale of a block. @returns by what numbers of x are multiplied */
// @ts-ignore: decorator
@inline
function packScale(isX: bool, from: usize, target: usize): v128 {
  if (!isX) {
    const scale = load<f32>(from);
    store<f32>(target, scale);
    return f32x4.splat(scale);
  }
  const largest = largestOf(from);
  store<f32>(target, largest / MOST);
  return f32x4.splat(MOST / largest);
}

/** Eight 16-bit numbers of a block, from its number `at` on. */
// @ts-ignore: decorator
@inline
function eight(isX: bool, from: usize, at: usize, factor: v128): v128 {
  if (isX) return numbersOf(from + (at << 2), factor);
  return v128.load_ext<i8>(from + 4 + at);
}
