// The SIMD bodies of src/kernels/rows/argmax.ts. Units are rows. NaN ranks before every number, of equal entries the first.

import { rowMax } from "./rows";

/** Whether a ranks before b. */
// @ts-ignore: decorator
@inline
function above(a: f32, b: f32): bool {
  return a > b || (a != a && b == b);
}

export function argmax(x: usize, y: usize, rows: usize, cols: usize, begin: usize, end: usize): void {
  for (let row = begin; row < end; row++) {
    store<i32>(y + (row << 2), <i32>argmaxOf(x + row * (cols << 2), cols));
  }
}

function argmaxOf(x: usize, cols: usize): usize {
  const bytes = cols << 2;
  const most = rowMax(x, bytes); // passes over NaN
  const mosts = f32x4.splat(most);
  let nan: usize = cols;
  let found: usize = cols;
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) {
    const v = v128.load(x + at);
    const isNan = f32x4.ne(v, v);
    if (!v128.any_true(v128.or(isNan, f32x4.eq(v, mosts)))) continue;
    if (v128.any_true(isNan)) {
      nan = (at >> 2) + <usize>ctz(i32x4.bitmask(isNan));
      break;
    }
    if (found == cols) found = (at >> 2) + <usize>ctz(i32x4.bitmask(f32x4.eq(v, mosts)));
  }
  for (let j = at >> 2; nan == cols && j < cols; j++) {
    const value = load<f32>(x + (j << 2));
    if (value != value) nan = j;
    else if (found == cols && value == most) found = j;
  }
  return nan < cols ? nan : found;
}

/** The best so far stay sorted; most entries do not get past the last of them, eight at a time. */
export function topk(
  x: usize,
  values: usize,
  indices: usize,
  rows: usize,
  cols: usize,
  k: usize,
  begin: usize,
  end: usize,
): void {
  for (let row = begin; row < end; row++) {
    topkOf(x + row * (cols << 2), values + row * (k << 2), indices + row * (k << 2), cols, k);
  }
}

function topkOf(x: usize, values: usize, indices: usize, cols: usize, k: usize): void {
  for (let j: usize = 0; j < k; j++) insert(load<f32>(x + (j << 2)), j, j, values, indices);
  let j = k;
  for (; j + 8 <= cols; j += 8) {
    const last = f32x4.splat(load<f32>(values + ((k - 1) << 2)));
    const from = x + (j << 2);
    const low = f32x4.le(v128.load(from), last);
    const high = f32x4.le(v128.load(from, 16), last);
    // NaN is not at most anything.
    if (i32x4.all_true(v128.and(low, high))) continue;
    for (let i: usize = 0; i < 8; i++) take(load<f32>(from + (i << 2)), j + i, k, values, indices);
  }
  for (; j < cols; j++) take(load<f32>(x + (j << 2)), j, k, values, indices);
}

/** Takes an entry among the k best, if it is. */
// @ts-ignore: decorator
@inline
function take(value: f32, j: usize, k: usize, values: usize, indices: usize): void {
  if (above(value, load<f32>(values + ((k - 1) << 2)))) insert(value, j, k - 1, values, indices);
}

/** Puts an entry behind those that rank before it or equal, of the `count` first; the last one falls out. */
function insert(value: f32, j: usize, count: usize, values: usize, indices: usize): void {
  let at = count;
  for (; at > 0 && above(value, load<f32>(values + ((at - 1) << 2))); at--) {
    store<f32>(values + (at << 2), load<f32>(values + ((at - 1) << 2)));
    store<i32>(indices + (at << 2), load<i32>(indices + ((at - 1) << 2)));
  }
  store<f32>(values + (at << 2), value);
  store<i32>(indices + (at << 2), <i32>j);
}
