// y = x W^T for few rows of x and W in q8, as decoding has them: memory sets the pace, and W is read as it lies.
//
// Each block of 32 of a row of x becomes 16-bit numbers with a scale of their own, x_i ~ s p_i with s = max |x_i| / 32767, so
// that a block's sum of p_i q_i is whole: 32 x 32767 x 127 is below 2^31. i32x4.dot_i16x8_s takes eight products an
// instruction, twice as many as f32. Rounding x to 16 bits moves the result by at most
//
//   sum over blocks of s / 2 (1 + 2^-20) sum |w_i|
//
// (test/kernels/matmulQ8.test.ts), a hundredth of what rounding W to 8 bits did.

import { madd, sumLanes } from "../simd";
import { BLOCK, BLOCK_BYTES, bytesOf } from "./blocks";

const MOST: f32 = 32767;
/** Columns whose weights are fetched before any of them is used. */
const FETCHED: usize = 16;

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
    quantizeRow(a + ((i * k) << 2), blocks, scratch + ((i * k) << 1), scalesOf(scales, i, blocks));
  }
  const rowQ = k << 1;
  const rowB = bytesOf(k);
  const lastRow = scratch + (m - 1) * rowQ;
  if (m <= 2) {
    for (let j: usize = 0; j < n; j++) {
      const from = b + j * rowB;
      const to = c + (j << 2);
      dotOne(blocks, scratch, scales, from, to, accumulate);
      if (m == 2) dotOne(blocks, scratch + rowQ, scales + 4, from, to + rowC, accumulate);
    }
    return;
  }
  for (let first: usize = 0; first < n; first += FETCHED) {
    const stop = min(first + FETCHED, n);
    fetch(b + first * rowB, (stop - first) * rowB, scales);
    for (let j = first; j < stop; j++) {
      const from = b + j * rowB;
      let i: usize = 0;
      for (; i + 4 < m; i += 8) {
        const low = scalesOf(scales, i, blocks);
        const high = scalesOf(scales, i + 4, blocks);
        const to = c + i * rowC + (j << 2);
        dotEight(blocks, scratch + i * rowQ, rowQ, lastRow, low, high, from, m - i, to, rowC, accumulate);
      }
      if (i < m) {
        const to = c + i * rowC + (j << 2);
        dotFour(blocks, scratch + i * rowQ, rowQ, lastRow, scalesOf(scales, i, blocks), from, m - i, to, rowC, accumulate);
      }
    }
  }
}

/**
 * Brings bytes into the core's cache: a load of each line, so many at a time that the wait for memory is shared. Between the
 * loads of the sums there is so much arithmetic that the processor sees only the next line or two coming.
 * @param used address of which the loads make a part of a condition, so that they are not left out
 */
// @ts-ignore: decorator
@inline
function fetch(from: usize, bytes: usize, used: usize): void {
  const stop = from + bytes;
  let seen = load<i32>(stop - 4);
  for (let at = from; at < stop; at += 64) seen |= load<i32>(at);
  // Scales are never that number in bits.
  if (seen == load<i32>(used) && seen == 0x7fabcdef) store<i32>(used, 0);
}

/** The scale of row i's first block; the next block's is 16 bytes further. */
// @ts-ignore: decorator
@inline
function scalesOf(scales: usize, i: usize, blocks: usize): usize {
  return scales + (i >> 2) * (blocks << 4) + ((i & 3) << 2);
}

/** A row as 16-bit numbers and scales. A block with a NaN or an infinity gives NaN where it is multiplied. */
function quantizeRow(x: usize, blocks: usize, numbers: usize, scales: usize): void {
  const magnitude = i32x4.splat(0x7fffffff);
  for (let block: usize = 0; block < blocks; block++) {
    // Bits of magnitudes are in the order of the numbers, and NaN's are the largest.
    let most = i32x4.splat(0);
    for (let i: usize = 0; i < BLOCK << 2; i += 16) {
      most = i32x4.max_s(most, v128.and(v128.load(x + i), magnitude));
    }
    most = i32x4.max_s(most, v128.shuffle<i32>(most, most, 2, 3, 0, 1));
    most = i32x4.max_s(most, v128.shuffle<i32>(most, most, 1, 0, 3, 2));
    const largest = f32x4.extract_lane(most, 0);
    store<f32>(scales, largest / MOST);
    const factor = f32x4.splat(MOST / largest);
    for (let i: usize = 0; i < BLOCK << 2; i += 32) {
      const low = f32x4.nearest(f32x4.mul(v128.load(x + i), factor));
      const high = f32x4.nearest(f32x4.mul(v128.load(x + i, 16), factor));
      const pair = i16x8.narrow_i32x4_s(i32x4.trunc_sat_f32x4_s(low), i32x4.trunc_sat_f32x4_s(high));
      v128.store(numbers + (i >> 1), pair);
    }
    x += BLOCK << 2;
    numbers += BLOCK << 1;
    scales += 16;
  }
}

/** One row by one column. */
// @ts-ignore: decorator
@inline
function dotOne(blocks: usize, x: usize, scales: usize, w: usize, c: usize, accumulate: bool): void {
  let sum = f32x4.splat(0);
  const stop = w + blocks * BLOCK_BYTES;
  while (w < stop) {
    const low = i32x4.dot_i16x8_s(v128.load(x), v128.load_ext<i8>(w, 4));
    const high = i32x4.dot_i16x8_s(v128.load(x, 16), v128.load_ext<i8>(w, 12));
    const third = i32x4.dot_i16x8_s(v128.load(x, 32), v128.load_ext<i8>(w, 20));
    const last = i32x4.dot_i16x8_s(v128.load(x, 48), v128.load_ext<i8>(w, 28));
    const whole = i32x4.add(i32x4.add(low, high), i32x4.add(third, last));
    const scale = f32x4.mul(v128.load_splat<f32>(w), v128.load_splat<f32>(scales));
    sum = madd(f32x4.convert_i32x4_s(whole), scale, sum);
    w += BLOCK_BYTES;
    x += BLOCK << 1;
    scales += 16;
  }
  const value = sumLanes(sum);
  store<f32>(c, accumulate ? load<f32>(c) + value : value);
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
  let sum = f32x4.splat(0);
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
  storeRows(sum, rows, c, rowC, accumulate);
}

/** Five to eight rows by one column: a column is widened once for all of them. */
// @ts-ignore: decorator
@inline
function dotEight(
  blocks: usize,
  x: usize,
  rowX: usize,
  lastX: usize,
  lowScales: usize,
  highScales: usize,
  w: usize,
  rows: usize,
  c: usize,
  rowC: usize,
  accumulate: bool,
): void {
  const d1: usize = rowX;
  const d2: usize = 2 * rowX;
  const d3: usize = 3 * rowX;
  let y: usize = x + 4 * rowX;
  const e1: usize = min(y + rowX, lastX) - y;
  const e2: usize = min(y + 2 * rowX, lastX) - y;
  const e3: usize = min(y + 3 * rowX, lastX) - y;
  let low = f32x4.splat(0);
  let high = low;
  const stop = w + blocks * BLOCK_BYTES;
  while (w < stop) {
    let v = v128.load_ext<i8>(w, 4);
    let s0 = i32x4.dot_i16x8_s(v, v128.load(x));
    let s1 = i32x4.dot_i16x8_s(v, v128.load(x + d1));
    let s2 = i32x4.dot_i16x8_s(v, v128.load(x + d2));
    let s3 = i32x4.dot_i16x8_s(v, v128.load(x + d3));
    let s4 = i32x4.dot_i16x8_s(v, v128.load(y));
    let s5 = i32x4.dot_i16x8_s(v, v128.load(y + e1));
    let s6 = i32x4.dot_i16x8_s(v, v128.load(y + e2));
    let s7 = i32x4.dot_i16x8_s(v, v128.load(y + e3));
    v = v128.load_ext<i8>(w, 12);
    s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v, v128.load(x, 16)));
    s1 = i32x4.add(s1, i32x4.dot_i16x8_s(v, v128.load(x + d1, 16)));
    s2 = i32x4.add(s2, i32x4.dot_i16x8_s(v, v128.load(x + d2, 16)));
    s3 = i32x4.add(s3, i32x4.dot_i16x8_s(v, v128.load(x + d3, 16)));
    s4 = i32x4.add(s4, i32x4.dot_i16x8_s(v, v128.load(y, 16)));
    s5 = i32x4.add(s5, i32x4.dot_i16x8_s(v, v128.load(y + e1, 16)));
    s6 = i32x4.add(s6, i32x4.dot_i16x8_s(v, v128.load(y + e2, 16)));
    s7 = i32x4.add(s7, i32x4.dot_i16x8_s(v, v128.load(y + e3, 16)));
    v = v128.load_ext<i8>(w, 20);
    s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v, v128.load(x, 32)));
    s1 = i32x4.add(s1, i32x4.dot_i16x8_s(v, v128.load(x + d1, 32)));
    s2 = i32x4.add(s2, i32x4.dot_i16x8_s(v, v128.load(x + d2, 32)));
    s3 = i32x4.add(s3, i32x4.dot_i16x8_s(v, v128.load(x + d3, 32)));
    s4 = i32x4.add(s4, i32x4.dot_i16x8_s(v, v128.load(y, 32)));
    s5 = i32x4.add(s5, i32x4.dot_i16x8_s(v, v128.load(y + e1, 32)));
    s6 = i32x4.add(s6, i32x4.dot_i16x8_s(v, v128.load(y + e2, 32)));
    s7 = i32x4.add(s7, i32x4.dot_i16x8_s(v, v128.load(y + e3, 32)));
    v = v128.load_ext<i8>(w, 28);
    s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v, v128.load(x, 48)));
    s1 = i32x4.add(s1, i32x4.dot_i16x8_s(v, v128.load(x + d1, 48)));
    s2 = i32x4.add(s2, i32x4.dot_i16x8_s(v, v128.load(x + d2, 48)));
    s3 = i32x4.add(s3, i32x4.dot_i16x8_s(v, v128.load(x + d3, 48)));
    s4 = i32x4.add(s4, i32x4.dot_i16x8_s(v, v128.load(y, 48)));
    s5 = i32x4.add(s5, i32x4.dot_i16x8_s(v, v128.load(y + e1, 48)));
    s6 = i32x4.add(s6, i32x4.dot_i16x8_s(v, v128.load(y + e2, 48)));
    s7 = i32x4.add(s7, i32x4.dot_i16x8_s(v, v128.load(y + e3, 48)));
    const scale = v128.load_splat<f32>(w);
    low = madd(f32x4.convert_i32x4_s(sumEach(s0, s1, s2, s3)), f32x4.mul(scale, v128.load(lowScales)), low);
    high = madd(f32x4.convert_i32x4_s(sumEach(s4, s5, s6, s7)), f32x4.mul(scale, v128.load(highScales)), high);
    w += BLOCK_BYTES;
    x += BLOCK << 1;
    y += BLOCK << 1;
    lowScales += 16;
    highScales += 16;
  }
  storeRows(low, 4, c, rowC, accumulate);
  storeRows(high, rows - 4, c + 4 * rowC, rowC, accumulate);
}

/** Up to four sums, one below the other. */
function storeRows(sums: v128, rows: usize, c: usize, rowC: usize, accumulate: bool): void {
  storeOne(f32x4.extract_lane(sums, 0), c, accumulate);
  if (rows > 1) storeOne(f32x4.extract_lane(sums, 1), c + rowC, accumulate);
  if (rows > 2) storeOne(f32x4.extract_lane(sums, 2), c + 2 * rowC, accumulate);
  if (rows > 3) storeOne(f32x4.extract_lane(sums, 3), c + 3 * rowC, accumulate);
}

// @ts-ignore: decorator
@inline
function storeOne(value: f32, c: usize, accumulate: bool): void {
  store<f32>(c, accumulate ? load<f32>(c) + value : value);
}
