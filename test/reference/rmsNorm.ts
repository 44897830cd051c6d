/** y = weight * x / sqrt(mean(x^2) + eps) over rows of `cols` (arXiv 1910.07467, eq. 4). */
export function rmsNorm(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  eps: number,
): Float64Array {
  const cols = weight.length;
  return Float64Array.from(x, (value, at) => {
    const row = Math.floor(at / cols) * cols;
    let meanSquare = 0;
    for (let j = 0; j < cols; j++) meanSquare += x[row + j]! ** 2 / cols;
    return (weight[at - row]! * value) / Math.sqrt(meanSquare + eps);
  });
}
