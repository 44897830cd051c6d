// How a product's c falls into units of work for threads.

import { COL_UNIT, ROW_UNIT } from "../wasm/generated/constants.ts";

// A unit of work is a block of one matrix of c. The WebAssembly packs a block of B for each, and a block of A for
// each of its rows' blocks (wasm/assembly/matmul/gemm.ts): larger units pack less, more units balance threads better.
const ROW_BLOCK = 240;
const COL_BLOCK = 256;
const UNITS_PER_THREAD = 4;

/** Rows and columns of a unit of work, of `matrices` products [m, n]; rows are a multiple of `rowUnit`. */
export function blockSizes(
  m: number,
  n: number,
  matrices: number,
  threads: number,
  rowUnit: number = ROW_UNIT,
) {
  let [rows, cols] = [ROW_BLOCK, COL_BLOCK];
  const units = () => Math.ceil(m / rows) * Math.ceil(n / cols) * matrices;
  while (units() < UNITS_PER_THREAD * threads && cols > COL_BLOCK / 8) {
    if (rows >= cols && m > rows / 2) rows /= 2;
    else cols /= 2;
  }
  return { rowBlock: evenPart(m, rows, rowUnit), colBlock: evenPart(n, cols, COL_UNIT) };
}

/** The size of parts of about `part` that differ little: a multiple of `unit`. */
export function evenPart(size: number, part: number, unit: number): number {
  const parts = Math.max(Math.ceil(size / part), 1);
  return Math.max(Math.ceil(size / parts / unit), 1) * unit;
}
