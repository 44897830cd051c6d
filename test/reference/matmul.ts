/** A matrix product: c_ij = sum_k op(a)_ik op(b)_kj with op(a) [m, k] and op(b) [k, n]. */
export interface MatmulSizes {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** a is stored [k, m]. */
  readonly transposeA?: boolean;
  /** b is stored [n, k]. */
  readonly transposeB?: boolean;
}

/** One matrix product. */
export function matmul(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { m, n, k, transposeA, transposeB }: MatmulSizes,
): Float64Array {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      for (let d = 0; d < k; d++) {
        const left = a[transposeA ? d * m + i : i * k + d]!;
        const right = b[transposeB ? j * k + d : d * n + j]!;
        c[i * n + j]! += left * right;
      }
    }
  }
  return c;
}

/**
 * Products of matrices picked from batches.
 * @param pairs for each matrix of the result, which matrix of a and which of b
 */
export function batchedMatmul(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  sizes: MatmulSizes,
  pairs: readonly (readonly [number, number])[],
): Float64Array {
  const { m, n, k } = sizes;
  const [listA, listB] = [Array.from(a), Array.from(b)];
  const products = pairs.map(([i, j]) =>
    matmul(listA.slice(i * m * k, (i + 1) * m * k), listB.slice(j * k * n, (j + 1) * k * n), sizes),
  );
  return Float64Array.from(products.flatMap((product) => Array.from(product)));
}
