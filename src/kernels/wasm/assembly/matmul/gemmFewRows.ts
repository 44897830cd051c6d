// Products with few rows of A, as decoding has them: every element of B is used only a few times, so it
// is read where it lies and never packed. Memory sets the pace.

import { loadElement, loadVector, shiftOf } from "../elements";
import { madd, sumLanes } from "../simd";

/**
 * For B with its depth side by side (y = x W^T): dot products along the depth. A has its depth side by
 * side too.
 */
// @ts-ignore: decorator
@inline
export function dotProducts(
  type: i32,
  m: usize,
  n: usize,
  k: usize,
  a: usize,
  rowA: usize,
  b: usize,
  colB: usize,
  c: usize,
  rowC: usize,
  accumulate: bool,
): void {
  if (m <= 2) {
    for (let j: usize = 0; j < n; j++) {
      const from = b + j * colB;
      const target = c + (j << 2);
      dot(type, k, a, from, target, accumulate);
      if (m == 2) dot(type, k, a + rowA, from, target + rowC, accumulate);
    }
    return;
  }
  for (let j: usize = 0; j < n; j += 2) {
    for (let i: usize = 0; i < m; i += 4) {
      const target = c + i * rowC + (j << 2);
      const from = b + j * colB;
      dotFourByTwo(type, k, a + i * rowA, rowA, m - i, from, colB, n - j, target, rowC, accumulate);
    }
  }
}

/** One row by one column. A single stream through B is what prefetching does best with. */
// @ts-ignore: decorator
@inline
function dot(type: i32, k: usize, a: usize, b: usize, c: usize, accumulate: bool): void {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  const shift = shiftOf(type);
  const whole = k & ~15;
  for (let i: usize = 0; i < whole; i += 16) {
    const at = b + (i << shift);
    const v = a + (i << 2);
    s0 = madd(v128.load(v), loadVector(type, at), s0);
    s1 = madd(v128.load(v, 16), loadVector(type, at + (4 << shift)), s1);
    s2 = madd(v128.load(v, 32), loadVector(type, at + (8 << shift)), s2);
    s3 = madd(v128.load(v, 48), loadVector(type, at + (12 << shift)), s3);
  }
  finish(type, f32x4.add(f32x4.add(s0, s1),f32x4.add(s2, s3)), a, b, whole, k, c, accumulate);
}

/** Four rows by two columns. Those past the last read the last one again, and are not stored. */
// @ts-ignore: decorator
@inline
function dotFourByTwo(
  type: i32,
  k: usize,
  a: usize,
  rowA: usize,
  rows: usize,
  b: usize,
  colB: usize,
  cols: usize,
  c: usize,
  rowC: usize,
  accumulate: bool,
): void {
  const a1 = rows > 1 ? a + rowA : a;
  const a2 = rows > 2 ? a1 + rowA : a1;
  const a3 = rows > 3 ? a2 + rowA : a2;
  const b1 = cols > 1 ? b + colB : b;
  let s00 = f32x4.splat(0);
  let s01 = s00;
  let s10 = s00;
  let s11 = s00;
  let s20 = s00;
  let s21 = s00;
  let s30 = s00;
  let s31 = s00;
  const shift = shiftOf(type);
  const whole = k & ~3;
  for (let i: usize = 0; i < whole; i += 4) {
    const left = loadVector(type, b + (i << shift));
    const right = loadVector(type, b1 + (i << shift));
    const at = i << 2;
    let v = v128.load(a + at);
    s00 = madd(v, left, s00);
    s01 = madd(v, right, s01);
    v = v128.load(a1 + at);
    s10 = madd(v, left, s10);
    s11 = madd(v, right, s11);
    v = v128.load(a2 + at);
    s20 = madd(v, left, s20);
    s21 = madd(v, right, s21);
    v = v128.load(a3 + at);
    s30 = madd(v, left, s30);
    s31 = madd(v, right, s31);
  }
  finishPair(type, s00, s01, a, b, b1, whole, k, cols, c, accumulate);
  if (rows > 1) finishPair(type, s10, s11, a1, b, b1, whole, k, cols, c + rowC, accumulate);
  if (rows > 2) finishPair(type, s20, s21, a2, b, b1, whole, k, cols, c + 2 * rowC, accumulate);
  if (rows > 3) finishPair(type, s30, s31, a3, b, b1, whole, k, cols, c + 3 * rowC, accumulate);
}

// @ts-ignore: decorator
@inline
function finishPair(
  type: i32,
  left: v128,
  right: v128,
  a: usize,
  b: usize,
  b1: usize,
  from: usize,
  k: usize,
  cols: usize,
  c: usize,
  accumulate: bool,
): void {
  finish(type, left, a, b, from, k, c, accumulate);
  if (cols > 1) finish(type, right, a, b1, from, k, c + 4, accumulate);
}

/** Adds the last k % 4 products to the sum in `lanes`, and stores it. */
function finish(
  type: i32,
  lanes: v128,
  a: usize,
  b: usize,
  from: usize,
  k: usize,
  c: usize,
  accumulate: bool,
): void {
  let sum = sumLanes(lanes);
  for (let i = from; i < k; i++) {
    sum += load<f32>(a + (i << 2)) * loadElement(type, b + (i << shiftOf(type)));
  }
  store<f32>(c, accumulate ? load<f32>(c) + sum : sum);
}

/**
 * For B with its columns side by side (y = x W): rows of C gather rows of B, four of them in one pass
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
