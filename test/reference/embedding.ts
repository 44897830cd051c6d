/** y[n, :] = table[ids[n], :] of a table [V, cols]. */
export function embedding(
  table: ArrayLike<number>,
  ids: readonly number[],
  cols: number,
): Float64Array {
  return Float64Array.from(
    ids.flatMap((id) => Array.from({ length: cols }, (_, j) => table[id * cols + j]!)),
  );
}
