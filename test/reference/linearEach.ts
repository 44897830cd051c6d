/** x W^T for each W, x [rows, inner] and W [cols, inner]. */
export function linearEach(
  x: ArrayLike<number>,
  weights: readonly ArrayLike<number>[],
  { rows, inner, cols }: Readonly<Record<"rows" | "inner" | "cols", number>>,
): Float64Array[] {
  return weights.map((weight) =>
    Float64Array.from({ length: rows * cols }, (_, at) => {
      const [i, j] = [Math.floor(at / cols), at % cols];
      let sum = 0;
      for (let d = 0; d < inner; d++) sum += x[i * inner + d]! * weight[j * inner + d]!;
      return sum;
    }),
  );
}
