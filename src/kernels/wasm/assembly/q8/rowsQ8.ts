// y = x W^T for few rows of x and W in q8, as decoding has them: memory sets the pace, and W is read as it lies. Sums are whole
// numbers (numbers.ts).

import { madd } from "../simd";
import { BLOCK, BLOCK_BYTES, bytesOf } from "./blocks";
import { fetch, FETCHED } from "../matmul/fetch";
import { largestOf, MOST, numbersOf } from "./numbers";

/** Bytes of scratch that x [m, k] takes as 16-bit numbers: rows of numbers, then scales of four rows side by side. */
// @ts-ignore: decorator
@inline
function numbersBytes(m: usize, k: usize): usize {
  return (m * k) << 1;
}

/**
 * C [m, n] = A [m, k] B^T for columns of B from `b` on, added to what is there when `accumulate`. A's rows lie k apart.
 * @param rowC in bytes
 */
export function rowsTimesQ8(
  m: usize,
  n: usize,
  k: usize,
  a: usize,
  b: usize,
  c: usize,
  rowC: usize,
  accumulate: bool,
  scratch: usize,
): void {
  const blocks = k / BLOCK;
  const scales = scratch + numbersBytes(m, k);
  for (let i: usize = 0; i < m; i++) {
    quantizeRow(a + ((i * k) << 2), blocks, scratch + ((i * k) << 1), scales + (i << 2));
  }
  const rowQ = k << 1;
  const rowB = bytesOf(k);
  const lastRow = scratch + (m - 1) * rowQ;
  for (let first: usize = 0; first < n; first += FETCHED) {
    const stop = min(first + FETCHED, n);
    fetch(b + first * rowB, (stop - first) * rowB, scales);
    if (m > 2) {
      for (let j = first; j < stop; j++) {
        dotFour(blocks, scratch, rowQ, lastRow, scales, b + j * rowB, m, c + (j << 2), rowC, accumulate);
      }
    } else {
      for (let j = first; j < stop; j += 4) {
        const from = b + j * rowB;
        const to = c + (j << 2);
        dotColumns(blocks, scratch, scales, from, rowB, n - j, to, accumulate);
        if (m == 2) dotColumns(blocks, lastRow, scales + 4, from, rowB, n - j, to + rowC, accumulate);
      }
    }
  }
}

/** A row as 16-bit numbers and scales. */
function quantizeRow(x: usize, blocks: usize, numbers: usize, scales: usize): void {
  for (let block: usize = 0; block < blocks; block++) {
    const largest = largestOf(x);
    store<f32>(scales, largest / MOST);
    const factor = f32x4.splat(MOST / largest);
    for (let i: usize = 0; i < BLOCK << 2; i += 32) v128.store(numbers + (i >> 1), numbersOf(x + i, factor));
    x += BLOCK << 2;
    numbers += BLOCK << 1;
    scales += 16;
  }
}

/** The sums of a block's products, in four parts. */
// @ts-ignore: decorator
@inline
function dotBlock(x0: v128, x1: v128, x2: v128, x3: v128, w: usize): v128 {
  const low = i32x4.dot_i16x8_s(x0, v128.load_ext<i8>(w, 4));
  const high = i32x4.dot_i16x8_s(x1, v128.load_ext<i8>(w, 12));
  const third = i32x4.dot_i16x8_s(x2, v128.load_ext<i8>(w, 20));
  const last = i32x4.dot_i16x8_s(x3, v128.load_ext<i8>(w, 28));
  return i32x4.add(i32x4.add(low, high), i32x4.add(third, last));
}

/** One row by up to four columns. Those past the last are the last one again, and are not stored. */
// @ts-ignore: decorator
@inline
function dotColumns(
  blocks: usize,
  x: usize,
  scales: usize,
  w: usize,
  column: usize,
  columns: usize,
  c: usize,
  accumulate: bool,
): void {
  const lastW = w + (columns - 1) * column;
  let w1 = min(w + column, lastW);
  let w2 = min(w + 2 * column, lastW);
  let w3 = min(w + 3 * column, lastW);
  let sum = accumulate ? loadRows(columns, c, 4) : f32x4.splat(0);
  const stop = w + blocks * BLOCK_BYTES;
  while (w < stop) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const x2 = v128.load(x, 32);
    const x3 = v128.load(x, 48);
    const s0 = dotBlock(x0, x1, x2, x3, w);
    const s1 = dotBlock(x0, x1, x2, x3, w1);
    const s2 = dotBlock(x0, x1, x2, x3, w2);
    const s3 = dotBlock(x0, x1, x2, x3, w3);
    let scale = v128.load_splat<f32>(w);
    scale = v128.load32_lane(w1, scale, 1);
    scale = v128.load32_lane(w2, scale, 2);
    scale = f32x4.mul(v128.load32_lane(w3, scale, 3), v128.load_splat<f32>(scales));
    sum = madd(f32x4.convert_i32x4_s(sumEach(s0, s1, s2, s3)), scale, sum);
    w += BLOCK_BYTES;
    w1 += BLOCK_BYTES;
    w2 += BLOCK_BYTES;
    w3 += BLOCK_BYTES;
    x += BLOCK << 1;
    scales += 16;
  }
  storeRows(sum, columns, c, 4);
}

/** The sums of four vectors, side by side. */
// @ts-ignore: decorator
@inline
function sumEach(v0: v128, v1: v128, v2: v128, v3: v128): v128 {
  const low = i32x4.add(v128.shuffle<i32>(v0, v1, 0, 4, 1, 5), v128.shuffle<i32>(v0, v1, 2, 6, 3, 7));
  const high = i32x4.add(v128.shuffle<i32>(v2, v3, 0, 4, 1, 5), v128.shuffle<i32>(v2, v3, 2, 6, 3, 7));
  return i32x4.add(v128.shuffle<i64>(low, high, 0, 2), v128.shuffle<i64>(low, high, 1, 3));
}

/** Up to four rows by one column. Those past the last are the last one again, and are not stored. */
// @ts-ignore: decorator
@inline
function dotFour(
  blocks: usize,
  x: usize,
  rowX: usize,
  lastX: usize,
  scales: usize,
  w: usize,
  rows: usize,
  c: usize,
  rowC: usize,
  accumulate: bool,
): void {
  let x1 = min(x + rowX, lastX);
  let x2 = min(x + 2 * rowX, lastX);
  let x3 = min(x + 3 * rowX, lastX);
  let sum = accumulate ? loadRows(rows, c, rowC) : f32x4.splat(0);
  const stop = w + blocks * BLOCK_BYTES;
  while (w < stop) {
    let v = v128.load_ext<i8>(w, 4);
    let s0 = i32x4.dot_i16x8_s(v, v128.load(x));
    let s1 = i32x4.dot_i16x8_s(v, v128.load(x1));
    let s2 = i32x4.dot_i16x8_s(v, v128.load(x2));
    let s3 = i32x4.dot_i16x8_s(v, v128.load(x3));
    v = v128.load_ext<i8>(w, 12);
    s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v, v128.load(x, 16)));
    s1 = i32x4.add(s1, i32x4.dot_i16x8_s(v, v128.load(x1, 16)));
    s2 = i32x4.add(s2, i32x4.dot_i16x8_s(v, v128.load(x2, 16)));
    s3 = i32x4.add(s3, i32x4.dot_i16x8_s(v, v128.load(x3, 16)));
    v = v128.load_ext<i8>(w, 20);
    s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v, v128.load(x, 32)));
    s1 = i32x4.add(s1, i32x4.dot_i16x8_s(v, v128.load(x1, 32)));
    s2 = i32x4.add(s2, i32x4.dot_i16x8_s(v, v128.load(x2, 32)));
    s3 = i32x4.add(s3, i32x4.dot_i16x8_s(v, v128.load(x3, 32)));
    v = v128.load_ext<i8>(w, 28);
    s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v, v128.load(x, 48)));
    s1 = i32x4.add(s1, i32x4.dot_i16x8_s(v, v128.load(x1, 48)));
    s2 = i32x4.add(s2, i32x4.dot_i16x8_s(v, v128.load(x2, 48)));
    s3 = i32x4.add(s3, i32x4.dot_i16x8_s(v, v128.load(x3, 48)));
    const scale = f32x4.mul(v128.load_splat<f32>(w), v128.load(scales));
    sum = madd(f32x4.convert_i32x4_s(sumEach(s0, s1, s2, s3)), scale, sum);
    w += BLOCK_BYTES;
    x += BLOCK << 1;
    x1 += BLOCK << 1;
    x2 += BLOCK << 1;
    x3 += BLOCK << 1;
    scales += 16;
  }
  storeRows(sum, rows, c, rowC);
}

/** Up to four numbers, one below the other. */
function loadRows(rows: usize, c: usize, rowC: usize): v128 {
  let sums = v128.load32_zero(c);
  if (rows > 1) sums = v128.load32_lane(c + rowC, sums, 1);
  if (rows > 2) sums = v128.load32_lane(c + 2 * rowC, sums, 2);
  if (rows > 3) sums = v128.load32_lane(c + 3 * rowC, sums, 3);
  return sums;
}

function storeRows(sums: v128, rows: usize, c: usize, rowC: usize): void {
  v128.store32_lane(c, sums, 0);
  if (rows > 1) v128.store32_lane(c + rowC, sums, 1);
  if (rows > 2) v128.store32_lane(c + 2 * rowC, sums, 2);
  if (rows > 3) v128.store32_lane(c + 3 * rowC, sums, 3);
}
