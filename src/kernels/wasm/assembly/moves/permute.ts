// The SIMD body of permute in src/kernels/moves/permute.ts: y [n0, n1, n2, n3] from x with a stride for each axis, in elements.
// Units [begin, end) are rows of y, n3 elements each.

/** @param shift log2 of an element's bytes: 1 or 2 */
export function permute(
  shift: i32,
  x: usize,
  y: usize,
  n0: usize,
  n1: usize,
  n2: usize,
  n3: usize,
  s0: usize,
  s1: usize,
  s2: usize,
  s3: usize,
  begin: usize,
  end: usize,
): void {
  const row = n3 << shift;
  for (let unit = begin; unit < end; unit++) {
    const i = unit / (n1 * n2);
    const j = (unit / n2) % n1;
    const from = x + ((i * s0 + j * s1 + (unit % n2) * s2) << shift);
    const to = y + unit * row;
    if (s3 == 1) copyRow(from, to, row);
    else if (shift == 2) gatherWords(from, s3 << 2, to, n3);
    else gatherHalves(from, s3 << 1, to, n3);
  }
}

/** Rows are mostly a head of attention, too short for what a call of memory.copy costs. */
// @ts-ignore: decorator
@inline
function copyRow(from: usize, to: usize, bytes: usize): void {
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) v128.store(to + at, v128.load(from + at));
  for (; at < bytes; at += 2) store<u16>(to + at, load<u16>(from + at));
}

// @ts-ignore: decorator
@inline
function gatherWords(from: usize, step: usize, to: usize, count: usize): void {
  for (const stop = to + (count << 2); to < stop; to += 4) {
    store<u32>(to, load<u32>(from));
    from += step;
  }
}

// @ts-ignore: decorator
@inline
function gatherHalves(from: usize, step: usize, to: usize, count: usize): void {
  for (const stop = to + (count << 1); to < stop; to += 2) {
    store<u16>(to, load<u16>(from));
    from += step;
  }
}
