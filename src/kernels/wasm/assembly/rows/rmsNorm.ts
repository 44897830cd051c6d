// The SIMD bodies of src/kernels/rows/rmsNorm.ts; formulas are there. Rows [begin, end), columns for the
// weight's gradient. Sums run in four lanes (forward and dx) and in f32.

import { BF16, F16, F32, loadElement, loadVector, shiftOf } from "../elements";
import { madd, sumLanes } from "../simd";

// @ts-ignore: decorator
@inline
function forward(
  type: i32,
  x: usize,
  weight: usize,
  y: usize,
  rrms: usize,
  cols: usize,
  eps: f32,
  begin: usize,
  end: usize,
): void {
  const bytes = cols << 2;
  const narrower: usize = 2 - shiftOf(type); // of the weight's addresses
  const vectors = bytes & ~15;
  for (let i = begin; i < end; i++) {
    const row = x + i * bytes;
    const out = y + i * bytes;
    let lanes = f32x4.splat(0);
    let at: usize = 0;
    for (; at < vectors; at += 16) {
      const v = v128.load(row + at);
      lanes = madd(v, v, lanes);
    }
    let squares = sumLanes(lanes);
    for (; at < bytes; at += 4) {
      const value = load<f32>(row + at);
      squares += value * value;
    }
    const scale: f32 = 1 / sqrt<f32>(squares / <f32>cols + eps);
    const scales = f32x4.splat(scale);
    for (at = 0; at < vectors; at += 16) {
      const v = f32x4.mul(loadVector(type, weight + (at >> narrower)), v128.load(row + at));
      v128.store(out + at, f32x4.mul(v, scales));
    }
    for (; at < bytes; at += 4) {
      store<f32>(out + at, loadElement(type, weight + (at >> narrower)) * load<f32>(row + at) * scale);
    }
    store<f32>(rrms + (i << 2), scale);
  }
}

/** @param type of the weight: F32, BF16 or F16 of elements.ts, here and below */
export function rmsNormForward(
  type: i32,
  x: usize,
  weight: usize,
  y: usize,
  rrms: usize,
  rows: usize,
  cols: usize,
  eps: f32,
  begin: usize,
  end: usize,
): void {
  if (type == F32) forward(F32, x, weight, y, rrms, cols, eps, begin, end);
  else if (type == BF16) forward(BF16, x, weight, y, rrms, cols, eps, begin, end);
  else forward(F16, x, weight, y, rrms, cols, eps, begin, end);
}

// @ts-ignore: decorator
@inline
function backward(
  type: i32,
  x: usize,
  weight: usize,
  rrms: usize,
  dy: usize,
  dx: usize,
  cols: usize,
  accumulate: u32,
  begin: usize,
  end: usize,
): void {
  const bytes = cols << 2;
  const narrower: usize = 2 - shiftOf(type);
  const vectors = bytes & ~15;
  for (let i = begin; i < end; i++) {
    const row = x + i * bytes;
    const upstream = dy + i * bytes;
    const out = dx + i * bytes;
    let lanes = f32x4.splat(0);
    let at: usize = 0;
    for (; at < vectors; at += 16) {
      const g = f32x4.mul(v128.load(upstream + at), loadVector(type, weight + (at >> narrower)));
      lanes = madd(g, v128.load(row + at), lanes);
    }
    let dot = sumLanes(lanes);
    for (; at < bytes; at += 4) {
      dot += load<f32>(upstream + at) * loadElement(type, weight + (at >> narrower)) * load<f32>(row + at);
    }
    const r = load<f32>(rrms + (i << 2));
    const shrink: f32 = (dot * r * r) / <f32>cols;
    const rs = f32x4.splat(r);
    const shrinks = f32x4.splat(shrink);
    for (at = 0; at < vectors; at += 16) {
      const g = f32x4.mul(v128.load(upstream + at), loadVector(type, weight + (at >> narrower)));
      const d = f32x4.sub(g, f32x4.mul(v128.load(row + at), shrinks));
      v128.store(out + at, accumulate ? madd(rs, d, v128.load(out + at)) : f32x4.mul(rs, d));
    }
    for (; at < bytes; at += 4) {
      const g = load<f32>(upstream + at) * loadElement(type, weight + (at >> narrower));
      const part: f32 = r * (g - load<f32>(row + at) * shrink);
      store<f32>(out + at, accumulate ? load<f32>(out + at) + part : part);
    }
  }
}

export function rmsNormBackward(
  type: i32,
  x: usize,
  weight: usize,
  rrms: usize,
  dy: usize,
  dx: usize,
  rows: usize,
  cols: usize,
  accumulate: u32,
  begin: usize,
  end: usize,
): void {
  if (type == F32) backward(F32, x, weight, rrms, dy, dx, cols, accumulate, begin, end);
  else if (type == BF16) backward(BF16, x, weight, rrms, dy, dx, cols, accumulate, begin, end);
  else backward(F16, x, weight, rrms, dy, dx, cols, accumulate, begin, end);
}

export function rmsNormBackwardWeight(
  x: usize,
  rrms: usize,
  dy: usize,
  dweight: usize,
  rows: usize,
  cols: usize,
  begin: usize,
  end: usize,
): void {
  const bytes = cols << 2;
  const stop = end << 2;
  // Row by row, so that memory is read in order; the sums of a column range stay in cache.
  for (let i: usize = 0; i < rows; i++) {
    const row = x + i * bytes;
    const upstream = dy + i * bytes;
    const r = load<f32>(rrms + (i << 2));
    const rs = f32x4.splat(r);
    let at = begin << 2;
    for (; at + 16 <= stop; at += 16) {
      const product = f32x4.mul(v128.load(upstream + at), v128.load(row + at));
      v128.store(dweight + at, madd(product, rs, v128.load(dweight + at)));
    }
    for (; at < stop; at += 4) {
      const product = load<f32>(upstream + at) * load<f32>(row + at);
      store<f32>(dweight + at, load<f32>(dweight + at) + product * r);
    }
  }
}

/** `rmsNormBackwardWeight` with the arguments of the kernel of both gradients. */
export function rmsNormBackwardBothWeight(
  x: usize,
  weight: usize,
  rrms: usize,
  dy: usize,
  dweight: usize,
  rows: usize,
  cols: usize,
  accumulate: u32,
  begin: usize,
  end: usize,
): void {
  rmsNormBackwardWeight(x, rrms, dy, dweight, rows, cols, begin, end);
}
