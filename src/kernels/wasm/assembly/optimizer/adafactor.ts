// The SIMD bodies of src/kernels/optimizer/adafactor.ts; formulas are there. Rows are taken four elements at a time.

import { BF16, F16, F32, loadElement, loadVector, shiftOf, storeElement, storeVector } from "../elements";
import { madd, sumLanes } from "../simd";

/** Rows [begin, end): the mean of the squares of each, into its second moment. */
export function adafactorRows(
  gradient: usize,
  scale: usize,
  row: usize,
  rows: usize,
  cols: usize,
  beta: f32,
  rest: f32,
  eps: f32,
  begin: usize,
  end: usize,
): void {
  const factor: f32 = scale ? load<f32>(scale) : 1;
  for (let r = begin; r < end; r++) {
    const total = <f32>squaresOfRow(gradient + ((r * cols) << 2), 0, cols, factor);
    const at = row + (r << 2);
    store<f32>(at, beta * load<f32>(at) + rest * (total / <f32>cols + eps));
  }
}

/** Sum of the squares of a row's elements times `factor`, and times those of `other` where there is one. */
// @ts-ignore: decorator
@inline
function squaresOfRow(gradient: usize, other: usize, cols: usize, factor: f32): f64 {
  const factors = f32x4.splat(factor);
  let lanes = f32x4.splat(0);
  let c: usize = 0;
  for (; c + 4 <= cols; c += 4) {
    let u = f32x4.mul(factors, v128.load(gradient + (c << 2)));
    if (other) u = f32x4.mul(u, v128.load(other + (c << 2)));
    lanes = madd(u, u, lanes);
  }
  let total = <f64>sumLanes(lanes);
  for (; c < cols; c++) {
    let u = factor * load<f32>(gradient + (c << 2));
    if (other) u *= load<f32>(other + (c << 2));
    total += <f64>u * <f64>u;
  }
  return total;
}

/** Chunks of rows [begin, end): their squares, column by column. */
export function adafactorColumnSums(
  gradient: usize,
  scale: usize,
  sums: usize,
  batch: usize,
  rows: usize,
  cols: usize,
  chunks: usize,
  chunk: usize,
  begin: usize,
  end: usize,
): void {
  const factor: f32 = scale ? load<f32>(scale) : 1;
  const factors = f32x4.splat(factor);
  for (let unit = begin; unit < end; unit++) {
    const b = unit / chunks;
    const first = (unit % chunks) * chunk;
    const last = first + chunk < rows ? first + chunk : rows;
    const to = sums + ((unit * cols) << 2);
    memory.fill(to, 0, cols << 2);
    for (let r = first; r < last; r++) {
      const from = gradient + (((b * rows + r) * cols) << 2);
      let c: usize = 0;
      for (; c + 4 <= cols; c += 4) {
        const g = f32x4.mul(factors, v128.load(from + (c << 2)));
        v128.store(to + (c << 2), madd(g, g, v128.load(to + (c << 2))));
      }
      for (; c < cols; c++) {
        const g = factor * load<f32>(from + (c << 2));
        store<f32>(to + (c << 2), load<f32>(to + (c << 2)) + g * g);
      }
    }
  }
}

/** Rows [begin, end): the sum of the squares of u of each. */
export function adafactorSquares(
  gradient: usize,
  scale: usize,
  rowFactor: usize,
  colFactor: usize,
  squares: usize,
  allRows: usize,
  rows: usize,
  cols: usize,
  begin: usize,
  end: usize,
): void {
  const factor: f32 = scale ? load<f32>(scale) : 1;
  for (let r = begin; r < end; r++) {
    const share: f32 = factor * load<f32>(rowFactor + (r << 2));
    const other = colFactor ? colFactor + (((r / rows) * cols) << 2) : 0;
    store<f32>(squares + (r << 2), <f32>squaresOfRow(gradient + ((r * cols) << 2), other, cols, share));
  }
}

// @ts-ignore: decorator
@inline
function apply(
  type: i32,
  gradient: usize,
  scale: usize,
  rowFactor: usize,
  colFactor: usize,
  rate: usize,
  p: usize,
  m: usize,
  rows: usize,
  cols: usize,
  beta1: f32,
  rest1: f32,
  weightDecay: f32,
  begin: usize,
  end: usize,
): void {
  const shift = shiftOf(type);
  const factor: f32 = load<f32>(rate) * (scale ? load<f32>(scale) : 1);
  const decay: f32 = weightDecay * load<f32>(rate + 4);
  const decays = f32x4.splat(decay);
  const betas = f32x4.splat(beta1);
  const rests = f32x4.splat(rest1);
  for (let r = begin; r < end; r++) {
    const share: f32 = factor * load<f32>(rowFactor + (r << 2));
    const factors = f32x4.splat(share);
    const column = colFactor ? colFactor + (((r / rows) * cols) << 2) : 0;
    const first = r * cols;
    let c: usize = 0;
    for (; c + 4 <= cols; c += 4) {
      const i = first + c;
      let u = f32x4.mul(v128.load(gradient + (i << 2)), factors);
      if (column) u = f32x4.mul(u, v128.load(column + (c << 2)));
      if (m) {
        const at = m + (i << 2);
        u = madd(betas, v128.load(at), f32x4.mul(rests, u));
        v128.store(at, u);
      }
      const old = loadVector(type, p + (i << shift));
      const decayed = f32x4.sub(old, f32x4.mul(decays, old));
      storeVector(type, p + (i << shift), f32x4.sub(decayed, u));
    }
    for (; c < cols; c++) {
      const i = first + c;
      let u: f32 = load<f32>(gradient + (i << 2)) * share;
      if (column) u *= load<f32>(column + (c << 2));
      if (m) {
        const at = m + (i << 2);
        u = beta1 * load<f32>(at) + rest1 * u;
        store<f32>(at, u);
      }
      const old = loadElement(type, p + (i << shift));
      storeElement(type, p + (i << shift), old - decay * old - u);
    }
  }
}

/** @param type of p: F32, BF16 or F16 of elements.ts */
export function adafactorApply(
  type: i32,
  gradient: usize,
  scale: usize,
  rowFactor: usize,
  colFactor: usize,
  rate: usize,
  p: usize,
  m: usize,
  allRows: usize,
  rows: usize,
  cols: usize,
  beta1: f32,
  rest1: f32,
  weightDecay: f32,
  begin: usize,
  end: usize,
): void {
  if (type == F32) apply(F32, gradient, scale, rowFactor, colFactor, rate, p, m, rows, cols, beta1, rest1, weightDecay, begin, end);
  else if (type == BF16) apply(BF16, gradient, scale, rowFactor, colFactor, rate, p, m, rows, cols, beta1, rest1, weightDecay, begin, end);
  else apply(F16, gradient, scale, rowFactor, colFactor, rate, p, m, rows, cols, beta1, rest1, weightDecay, begin, end);
}
