// The body of src/kernels/attention/headCache.ts. Units are rows.

export function writeHeadCache(
  k: usize,
  v: usize,
  places: usize,
  keys: usize,
  values: usize,
  rows: usize,
  heads: usize,
  headDim: usize,
  capacity: usize,
  begin: usize,
  end: usize,
): void {
  const width = headDim << 2;
  for (let row = begin; row < end; row++) {
    const slot = <usize>load<i32>(places + (row << 3));
    const position = load<i32>(places + (row << 3), 4);
    if (position < 0) continue;
    for (let head: usize = 0; head < heads; head++) {
      const from = (row * heads + head) * width;
      const to = ((slot * heads + head) * capacity + <usize>position) * width;
      memory.copy(keys + to, k + from, width);
      memory.copy(values + to, v + from, width);
    }
  }
}
