/** y[m, :] = x[rows[m], :] of x [N, cols]. */
export function gatherRows(
  x: ArrayLike<number>,
  rows: ArrayLike<number>,
  cols: number,
): Float64Array {
  return Float64Array.from({ length: rows.length * cols }, (_, at) => {
    const m = Math.floor(at / cols);
    return x[rows[m]! * cols + (at % cols)]!;
  });
}

/** target [outer, dim, inner] with source [outer, length, inner] written over steps offset.. of its axis. */
export function copyInto(
  target: ArrayLike<number>,
  source: ArrayLike<number>,
  sizes: { outer: number; dim: number; length: number; inner: number; offset: number },
): Float64Array {
  const { dim, length, inner, offset } = sizes;
  return Float64Array.from(target, (old, at) => {
    const outer = Math.floor(at / (dim * inner));
    const step = (Math.floor(at / inner) % dim) - offset;
    const inside = step >= 0 && step < length;
    return inside ? source[(outer * length + step) * inner + (at % inner)]! : old;
  });
}
