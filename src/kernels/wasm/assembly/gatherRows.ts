// The SIMD body of defineScatterAdd in src/kernels/gatherRows.ts: the gradient of rows that were copied. (The copies
// themselves are TypedArray.set, which is memmove.) Pieces [begin, end) are columns, so that rows named more than once
// have one writer and add up in the order of the ids.

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
  const stop = end << 2;
  for (let m: usize = 0; m < count; m++) {
    const row = load<u32>(ids + (m << 2));
    if (row >= rows) continue;
    const from = dy + m * bytes;
    const to = dx + <usize>row * bytes;
    let at = begin << 2;
    for (; at + 16 <= stop; at += 16) {
      v128.store(to + at, f32x4.add(v128.load(to + at), v128.load(from + at)));
    }
    for (; at < stop; at += 4) store<f32>(to + at, load<f32>(to + at) + load<f32>(from + at));
  }
}
