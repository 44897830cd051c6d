// Products with few rows of A and B's columns side by side: every element of B is used only a few times, so it is read where
// it lies and never packed. Memory sets the pace.

import { loadElement, loadVector, shiftOf } from "../elements";
import { madd } from "../simd";

/**
 * y = x W: rows of C gather rows of B, four of them in one pass
 * over C. A may lie in any way.
 */
// @ts-ignore: decorator
@inline
export function weightedRows(
  type: i32,
  m: usize,
  n: usize,
  k: usize,
  a: usize,
  rowA: usize,
  colA: usize,
  b: usize,
  rowB: usize,
  c: usize,
  rowC: usize,
  accumulate: bool,
): void {
  if (!accumulate) for (let i: usize = 0; i < m; i++) memory.fill(c + i * rowC, 0, n << 2);
  let d: usize = 0;
  for (; d + 4 <= k; d += 4) {
    const from = b + d * rowB;
    for (let i: usize = 0; i < m; i++) {
      addFourRows(type, n, a + i * rowA + d * colA, colA, from, rowB, c + i * rowC);
    }
  }
  for (; d < k; d++) {
    const from = b + d * rowB;
    for (let i: usize = 0; i < m; i++) {
      addRow(type, n, load<f32>(a + i * rowA + d * colA), from, c + i * rowC);
    }
  }
}

/** y += w0 x0 + w1 x1 + w2 x2 + w3 x3 over n elements; weights and rows in steps of the two strides. */
// @ts-ignore: decorator
@inline
function addFourRows(
  type: i32,
  n: usize,
  weights: usize,
  strideW: usize,
  x0: usize,
  strideX: usize,
  y: usize,
): void {
  const w0 = load<f32>(weights);
  const w1 = load<f32>(weights + strideW);
  const w2 = load<f32>(weights + 2 * strideW);
  const w3 = load<f32>(weights + 3 * strideW);
  const x1 = x0 + strideX;
  const x2 = x1 + strideX;
  const x3 = x2 + strideX;
  const v0 = f32x4.splat(w0);
  const v1 = f32x4.splat(w1);
  const v2 = f32x4.splat(w2);
  const v3 = f32x4.splat(w3);
  const shift = shiftOf(type);
  let j: usize = 0;
  for (; j + 4 <= n; j += 4) {
    const at = j << shift;
    let sum = madd(v0, loadVector(type, x0 + at), v128.load(y + (j << 2)));
    sum = madd(v1, loadVector(type, x1 + at), sum);
    sum = madd(v2, loadVector(type, x2 + at), sum);
    v128.store(y + (j << 2), madd(v3, loadVector(type, x3 + at), sum));
  }
  for (; j < n; j++) {
    const at = j << shift;
    const low = w0 * loadElement(type, x0 + at) + w1 * loadElement(type, x1 + at);
    const high = w2 * loadElement(type, x2 + at) + w3 * loadElement(type, x3 + at);
    store<f32>(y + (j << 2), load<f32>(y + (j << 2)) + (low + high));
  }
}

/** y += w x over n elements. */
// @ts-ignore: decorator
@inline
function addRow(type: i32, n: usize, w: f32, x: usize, y: usize): void {
  const weight = f32x4.splat(w);
  const shift = shiftOf(type);
  let j: usize = 0;
  for (; j + 4 <= n; j += 4) {
    const product = loadVector(type, x + (j << shift));
    v128.store(y + (j << 2), madd(weight, product, v128.load(y + (j << 2))));
  }
  for (; j < n; j++) {
    const sum = load<f32>(y + (j << 2)) + w * loadElement(type, x + (j << shift));
    store<f32>(y + (j << 2), sum);
  }
}
