/** y = (x - mean) / sqrt(variance + eps) * weight + bias over rows of `cols` (arXiv 1607.06450, eq. 4). */
export function layerNorm(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  eps: number,
): Float64Array {
  const cols = weight.length;
  return Float64Array.from(x, (value, at) => {
    const begin = Math.floor(at / cols) * cols;
    const row = Array.from({ length: cols }, (_, j) => x[begin + j]!);
    const mean = row.reduce((sum, entry) => sum + entry / cols, 0);
    const variance = row.reduce((sum, entry) => sum + (entry - mean) ** 2 / cols, 0);
    const j = at - begin;
    return ((value - mean) * weight[j]!) / Math.sqrt(variance + eps) + bias[j]!;
  });
}
