// The SIMD body of defineScatterAdd in src/kernels/gatherRows.ts: the gradient of rows that were copied. (The copies
// themselves are TypedArray.set, which is memmove.) Pieces [begin, end) are columns, so that rows named more than once
// have one writer and add up in the order of the ids.

import { accumulate } from "./binary";

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
