// The SIMD bodies of src/kernels/rows/softmax.ts; formulas are there. Rows [begin, end).

import { exp, expOne } from "../math";
import { log, rowMax, rowSum, rowSumExp } from "./rows";
import { madd, sumLanes } from "../simd";

export function softmaxForward(
  x: usize,
  y: usize,
  rows: usize,
  cols: usize,
  begin: usize,
  end: usize,
): void {
  const bytes = cols << 2;
  for (let i = begin; i < end; i++) {
    const row = x + i * bytes;
    const out = y + i * bytes;
    const total = rowSumExp(row, out, bytes, rowMax(row, bytes));
    const factor: f32 = 1 / total;
    const factors = f32x4.splat(factor);
    let at: usize = 0;
    for (; at + 16 <= bytes; at += 16) {
      v128.store(out + at, f32x4.mul(v128.load(out + at), factors));
    }
    for (; at < bytes; at += 4) store<f32>(out + at, load<f32>(out + at) * factor);
  }
}

export function logSoftmaxForward(
  x: usize,
  y: usize,
  rows: usize,
  cols: usize,
  begin: usize,
  end: usize,
): void {
  const bytes = cols << 2;
  for (let i = begin; i < end; i++) {
    const row = x + i * bytes;
    const out = y + i * bytes;
    const most = rowMax(row, bytes);
    const logarithm = log(rowSumExp(row, 0, bytes, most));
    const mosts = f32x4.splat(most);
    const logarithms = f32x4.splat(logarithm);
    let at: usize = 0;
    for (; at + 16 <= bytes; at += 16) {
      v128.store(out + at, f32x4.sub(f32x4.sub(v128.load(row + at), mosts), logarithms));
    }
    for (; at < bytes; at += 4) store<f32>(out + at, load<f32>(row + at) - most - logarithm);
  }
}

export function softmaxBackward(
  y: usize,
  dy: usize,
  dx: usize,
  rows: usize,
  cols: usize,
  begin: usize,
  end: usize,
): void {
  const bytes = cols << 2;
  for (let i = begin; i < end; i++) {
    const row = y + i * bytes;
    const upstream = dy + i * bytes;
    const out = dx + i * bytes;
    let lanes = f32x4.splat(0);
    let at: usize = 0;
    for (; at + 16 <= bytes; at += 16) {
      lanes = madd(v128.load(row + at), v128.load(upstream + at), lanes);
    }
    let dot = sumLanes(lanes);
    for (; at < bytes; at += 4) dot += load<f32>(row + at) * load<f32>(upstream + at);
    const dots = f32x4.splat(dot);
    for (at = 0; at + 16 <= bytes; at += 16) {
      const difference = f32x4.sub(v128.load(upstream + at), dots);
      v128.store(out + at, f32x4.mul(v128.load(row + at), difference));
    }
    for (; at < bytes; at += 4) {
      store<f32>(out + at, load<f32>(row + at) * (load<f32>(upstream + at) - dot));
    }
  }
}

export function logSoftmaxBackward(
  y: usize,
  dy: usize,
  dx: usize,
  rows: usize,
  cols: usize,
  begin: usize,
  end: usize,
): void {
  const bytes = cols << 2;
  for (let i = begin; i < end; i++) {
    const row = y + i * bytes;
    const upstream = dy + i * bytes;
    const out = dx + i * bytes;
    const total = rowSum(upstream, bytes, 0);
    const totals = f32x4.splat(total);
    let at: usize = 0;
    for (; at + 16 <= bytes; at += 16) {
      const share = f32x4.mul(exp(v128.load(row + at)), totals);
      v128.store(out + at, f32x4.sub(v128.load(upstream + at), share));
    }
    for (; at < bytes; at += 4) {
      store<f32>(out + at, load<f32>(upstream + at) - expOne(load<f32>(row + at)) * total);
    }
  }
}
