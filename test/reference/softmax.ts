/** exp(x) / sum exp(x) over rows of `cols`, shifted by the row's largest entry. */
export function softmax(x: ArrayLike<number>, cols: number): Float64Array {
  return logSoftmax(x, cols).map(Math.exp);
}

/** x - log sum exp(x) over rows of `cols`. */
export function logSoftmax(x: ArrayLike<number>, cols: number): Float64Array {
  const y = Float64Array.from(x);
  for (let start = 0; start < y.length; start += cols) {
    const row = y.subarray(start, start + cols);
    const most = row.reduce((a, b) => Math.max(a, b), -Infinity);
    const log = Math.log(row.reduce((sum, entry) => sum + Math.exp(entry - most), 0));
    row.forEach((entry, j) => (row[j] = entry - most - log));
  }
  return y;
}
