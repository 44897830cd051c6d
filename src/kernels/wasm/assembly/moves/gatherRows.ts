// The SIMD bodies of src/kernels/moves/embedding.ts and gatherRows.ts: rows by id, and their gradient.

import { accumulate } from "../pointwise/binary";
import { BF16, F16, F32, loadElement, loadVector, shiftOf } from "../elements";

/** Ids of a unit of work, so that the few of a step of decoding wake no thread. */
export const UNIT: usize = 16;

/**
 * y[m] = x[ids[m]], widened to f32. Units [begin, end) are UNIT ids each.
 * @param type how x is stored: F32, also for other words of 32 bits, BF16 or F16 of elements.ts
 * @param rows of x; ids were checked against it, but for those of a call that was queued: one outside ends it by a trap
 */
export function gatherRows(
  type: i32,
  x: usize,
  ids: usize,
  y: usize,
  count: usize,
  rows: usize,
  cols: usize,
  begin: usize,
  end: usize,
): void {
  const row = cols << shiftOf(type);
  const stop = min(end * UNIT, count);
  for (let m = begin * UNIT; m < stop; m++) {
    const id = <usize>load<u32>(ids + (m << 2));
    if (id >= rows) unreachable();
    const from = x + id * row;
    const to = y + m * (cols << 2);
    if (type == F32) memory.copy(to, from, row);
    else if (type == BF16) widenRow(BF16, from, to, cols);
    else widenRow(F16, from, to, cols);
  }
}

// @ts-ignore: decorator
@inline
function widenRow(type: i32, from: usize, to: usize, cols: usize): void {
  let j: usize = 0;
  for (; j + 4 <= cols; j += 4) v128.store(to + (j << 2), loadVector(type, from + (j << 1)));
  for (; j < cols; j++) store<f32>(to + (j << 2), loadElement(type, from + (j << 1)));
}

/** Units [begin, end) are columns, so that rows named more than once have one writer and add up in the order of the ids. */
export function scatterAddRows(
  ids: usize,
  dy: usize,
  dx: usize,
  count: usize,
  rows: u32,
  cols: usize,
  begin: usize,
  end: usize,
): void {
  const bytes = cols << 2;
  for (let m: usize = 0; m < count; m++) {
    const row = load<u32>(ids + (m << 2));
    if (row < rows) accumulate(dy + m * bytes, dx + <usize>row * bytes, cols, begin, end);
  }
}
