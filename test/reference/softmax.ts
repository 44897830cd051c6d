/** exp(x) / sum exp(x) over rows of `cols`, shifted by the row's largest entry. */
export function softmax(x: ArrayLike<number>, cols: number): Float64Array {
  return logSoftmax(x, cols).map(Math.exp);
}

/** x - log sum exp(x) over rows of `cols`. */
export function logSoftmax(x: ArrayLike<number>, cols: number): Float64Array {
  return Float64Array.from(x, (value, at) => {
    const start = Math.floor(at / cols) * cols;
    const row = Array.from({ length: cols }, (_, j) => x[start + j]!);
    const most = Math.max(...row);
    return value - most - Math.log(row.reduce((sum, entry) => sum + Math.exp(entry - most), 0));
  });
}
