// The SIMD bodies of src/kernels/rows/layerNorm.ts; formulas are there. Rows [begin, end), columns for the weight's
// gradient. Sums run in four lanes (forward and dx) and in f32.

import { madd, sumLanes } from "../simd";

export function layerNormForward(
  x: usize,
  weight: usize,
  bias: usize,
  y: usize,
  mean: usize,
  rstd: usize,
  rows: usize,
  cols: usize,
  eps: f32,
  begin: usize,
  end: usize,
): void {
  const bytes = cols << 2;
  const vectors = bytes & ~15;
  for (let i = begin; i < end; i++) {
    const row = x + i * bytes;
    const out = y + i * bytes;
    let lanes = f32x4.splat(0);
    let at: usize = 0;
    for (; at < vectors; at += 16) lanes = f32x4.add(lanes, v128.load(row + at));
    let total = sumLanes(lanes);
    for (; at < bytes; at += 4) total += load<f32>(row + at);
    const center: f32 = total / <f32>cols;
    const centers = f32x4.splat(center);

    lanes = f32x4.splat(0);
    for (at = 0; at < vectors; at += 16) {
      const d = f32x4.sub(v128.load(row + at), centers);
      lanes = madd(d, d, lanes);
    }
    let squares = sumLanes(lanes);
    for (; at < bytes; at += 4) {
      const d = load<f32>(row + at) - center;
      squares += d * d;
    }
    const scale: f32 = 1 / sqrt<f32>(squares / <f32>cols + eps);
    const scales = f32x4.splat(scale);

    for (at = 0; at < vectors; at += 16) {
      const n = f32x4.mul(f32x4.sub(v128.load(row + at), centers), scales);
      v128.store(out + at, madd(n, v128.load(weight + at), v128.load(bias + at)));
    }
    for (; at < bytes; at += 4) {
      const n = (load<f32>(row + at) - center) * scale;
      store<f32>(out + at, n * load<f32>(weight + at) + load<f32>(bias + at));
    }
    store<f32>(mean + (i << 2), center);
    store<f32>(rstd + (i << 2), scale);
  }
}

export function layerNormBackward(
  x: usize,
  weight: usize,
  mean: usize,
  rstd: usize,
  dy: usize,
  dx: usize,
  rows: usize,
  cols: usize,
  begin: usize,
  end: usize,
): void {
  const bytes = cols << 2;
  const vectors = bytes & ~15;
  for (let i = begin; i < end; i++) {
    const row = x + i * bytes;
    const upstream = dy + i * bytes;
    const out = dx + i * bytes;
    const center = load<f32>(mean + (i << 2));
    const r = load<f32>(rstd + (i << 2));
    const centers = f32x4.splat(center);
    let totals = f32x4.splat(0);
    let dots = f32x4.splat(0);
    let at: usize = 0;
    for (; at < vectors; at += 16) {
      const g = f32x4.mul(v128.load(upstream + at), v128.load(weight + at));
      totals = f32x4.add(totals, g);
      dots = madd(g, f32x4.sub(v128.load(row + at), centers), dots);
    }
    let total = sumLanes(totals);
    let dot = sumLanes(dots);
    for (; at < bytes; at += 4) {
      const g = load<f32>(upstream + at) * load<f32>(weight + at);
      total += g;
      dot += g * (load<f32>(row + at) - center);
    }
    const shift: f32 = total / <f32>cols;
    const shrink: f32 = (dot * r * r) / <f32>cols;
    const shifts = f32x4.splat(shift);
    const shrinks = f32x4.splat(shrink);
    const rs = f32x4.splat(r);
    for (at = 0; at < vectors; at += 16) {
      const g = f32x4.mul(v128.load(upstream + at), v128.load(weight + at));
      const n = f32x4.mul(f32x4.sub(v128.load(row + at), centers), shrinks);
      v128.store(out + at, f32x4.mul(rs, f32x4.sub(f32x4.sub(g, shifts), n)));
    }
    for (; at < bytes; at += 4) {
      const g = load<f32>(upstream + at) * load<f32>(weight + at);
      store<f32>(out + at, r * (g - shift - (load<f32>(row + at) - center) * shrink));
    }
  }
}

export function layerNormBackwardWeight(
  x: usize,
  mean: usize,
  rstd: usize,
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
    const center = load<f32>(mean + (i << 2));
    const r = load<f32>(rstd + (i << 2));
    const centers = f32x4.splat(center);
    const rs = f32x4.splat(r);
    let at = begin << 2;
    for (; at + 16 <= stop; at += 16) {
      const n = f32x4.mul(f32x4.sub(v128.load(row + at), centers), rs);
      v128.store(dweight + at, madd(v128.load(upstream + at), n, v128.load(dweight + at)));
    }
    for (; at < stop; at += 4) {
      const n = (load<f32>(row + at) - center) * r;
      store<f32>(dweight + at, load<f32>(dweight + at) + load<f32>(upstream + at) * n);
    }
  }
}
