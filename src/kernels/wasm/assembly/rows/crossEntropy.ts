// The SIMD bodies of src/kernels/rows/crossEntropy.ts; formulas are there. Rows [begin, end).

import { exp } from "../math";
import { log, rowMax, rowSum, rowSumExp } from "./rows";
import { constant } from "../simd";

/**
 * Probabilities below 2^-64 have a gradient of 0: it would be far below the rounding of what it is summed with,
 * and below any optimizer's epsilon. Products with it would often be subnormal numbers, which halve the speed
 * of the two largest matrix products of a training step.
 */
const NEGLIGIBLE = memory.data<f32>([5.421010862427522e-20]);

// @ts-ignore: decorator
@inline
function probabilityOf(logit: v128, lse: v128): v128 {
  const p = exp(f32x4.sub(logit, lse));
  return v128.andnot(p, f32x4.lt(p, constant(NEGLIGIBLE)));
}

export function crossEntropyRows(
  logits: usize,
  labels: usize,
  lse: usize,
  losses: usize,
  rows: usize,
  cols: usize,
  ignoreIndex: i32,
  smoothing: f32,
  begin: usize,
  end: usize,
): void {
  const bytes = cols << 2;
  for (let i = begin; i < end; i++) {
    const row = logits + i * bytes;
    const label = load<i32>(labels + (i << 2));
    let rowLse: f32 = 0;
    let loss: f32 = 0;
    if (<u32>label < <u32>cols) {
      if (label != ignoreIndex) {
        const most = rowMax(row, bytes);
        const logarithm = log(rowSumExp(row, 0, bytes, most));
        rowLse = most + logarithm;
        loss = (1 - smoothing) * (logarithm - (load<f32>(row + (label << 2)) - most));
        if (smoothing > 0) {
          loss += smoothing * (logarithm - rowSum(row, bytes, most) / <f32>cols);
        }
      }
    } else if (label != ignoreIndex) {
      // A label that nobody checked: nothing outside the row is read, and the loss cannot be missed.
      rowLse = NaN;
      loss = NaN;
    }
    store<f32>(lse + (i << 2), rowLse);
    store<f32>(losses + (i << 2), loss);
  }
}

export function crossEntropyBackward(
  logits: usize,
  labels: usize,
  lse: usize,
  count: usize,
  dloss: usize,
  dlogits: usize,
  rows: usize,
  cols: usize,
  ignoreIndex: i32,
  smoothing: f32,
  begin: usize,
  end: usize,
): void {
  const bytes = cols << 2;
  const scale = load<f32>(dloss) / load<f32>(count);
  const spread: f32 = smoothing / <f32>cols;
  const scales = f32x4.splat(scale);
  const spreads = f32x4.splat(spread);
  for (let i = begin; i < end; i++) {
    const row = logits + i * bytes;
    const out = dlogits + i * bytes;
    const label = load<i32>(labels + (i << 2));
    if (label == ignoreIndex) {
      memory.fill(out, 0, bytes);
      continue;
    }
    const rowLse = load<f32>(lse + (i << 2));
    const shifts = f32x4.splat(rowLse);
    let at: usize = 0;
    for (; at + 16 <= bytes; at += 16) {
      const probability = probabilityOf(v128.load(row + at), shifts);
      v128.store(out + at, f32x4.mul(scales, f32x4.sub(probability, spreads)));
    }
    for (; at < bytes; at += 4) {
      const probability = f32x4.extract_lane(probabilityOf(v128.load_splat<f32>(row + at), shifts), 0);
      store<f32>(out + at, scale * (probability - spread));
    }
    if (<u32>label < <u32>cols) {
      const target = out + (label << 2);
      store<f32>(target, load<f32>(target) - scale * (1 - smoothing));
    }
  }
}
