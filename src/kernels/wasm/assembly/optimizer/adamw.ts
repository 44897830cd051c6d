// The SIMD bodies of src/kernels/optimizer/adamw.ts and gradientNorm.ts; formulas are there. A vector of four
// elements is updated in registers; p, m and v are rounded when they are stored.

import {
  BF16,
  F16,
  F32,
  loadElement,
  loadVector,
  shiftOf,
  storeElement,
  storeVector,
} from "../elements";
import { madd, sumLanes } from "../simd";

// @ts-ignore: decorator
@inline
function update(
  type: i32,
  gradient: usize,
  scale: usize,
  p: usize,
  m: usize,
  v: usize,
  decay: f32,
  rate: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  rootCorrection: f32,
  eps: f32,
  begin: usize,
  end: usize,
): void {
  const shift = shiftOf(type);
  const factor: f32 = scale ? load<f32>(scale) : 1;
  const factors = f32x4.splat(factor);
  const rests1 = f32x4.splat(rest1);
  const rests2 = f32x4.splat(rest2);
  const betas2 = f32x4.splat(beta2);
  const decays = f32x4.splat(decay);
  const corrections = f32x4.splat(rootCorrection);
  const epsilons = f32x4.splat(eps);
  const rates = f32x4.splat(rate);
  let i = begin;
  for (; i + 4 <= end; i += 4) {
    const at = i << shift;
    const g = f32x4.mul(factors, v128.load(gradient + (i << 2)));
    const oldMean = loadVector(type, m + at);
    const mean = madd(rests1, f32x4.sub(g, oldMean), oldMean);
    const newSquare = f32x4.mul(f32x4.mul(rests2, g), g);
    const square = madd(betas2, loadVector(type, v + at), newSquare);
    const old = loadVector(type, p + at);
    const decayed = f32x4.sub(old, f32x4.mul(decays, old));
    const root = madd(f32x4.sqrt(square), corrections, epsilons);
    const step = f32x4.div(f32x4.mul(rates, mean), root);
    storeVector(type, p + at, f32x4.sub(decayed, step));
    storeVector(type, m + at, mean);
    storeVector(type, v + at, square);
  }
  for (; i < end; i++) {
    const at = i << shift;
    const g = factor * load<f32>(gradient + (i << 2));
    const oldMean = loadElement(type, m + at);
    const mean = oldMean + rest1 * (g - oldMean);
    const square = beta2 * loadElement(type, v + at) + rest2 * g * g;
    const old = loadElement(type, p + at);
    const root = sqrt<f32>(square) * rootCorrection + eps;
    storeElement(type, p + at, old - decay * old - (rate * mean) / root);
    storeElement(type, m + at, mean);
    storeElement(type, v + at, square);
  }
}

/** @param type of p, m and v: F32, BF16 or F16 of elements.ts */
export function adamw(
  type: i32,
  gradient: usize,
  scale: usize,
  p: usize,
  m: usize,
  v: usize,
  size: usize,
  decay: f32,
  rate: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  rootCorrection: f32,
  eps: f32,
  begin: usize,
  end: usize,
): void {
  if (type == F32) update(F32, gradient, scale, p, m, v, decay, rate, rest1, beta2, rest2, rootCorrection, eps, begin, end);
  else if (type == BF16) update(BF16, gradient, scale, p, m, v, decay, rate, rest1, beta2, rest2, rootCorrection, eps, begin, end);
  else update(F16, gradient, scale, p, m, v, decay, rate, rest1, beta2, rest2, rootCorrection, eps, begin, end);
}

/** Blocks [begin, end): their lanes are added up in f32, the four lanes and the rest of the block in f64. */
export function sumOfSquares(
  x: usize,
  sums: usize,
  size: usize,
  block: usize,
  first: usize,
  begin: usize,
  end: usize,
): void {
  for (let b = begin; b < end; b++) {
    let i = b * block;
    const stop = i + block < size ? i + block : size;
    let lanes = f32x4.splat(0);
    for (; i + 4 <= stop; i += 4) {
      const value = v128.load(x + (i << 2));
      lanes = madd(value, value, lanes);
    }
    let total = <f64>sumLanes(lanes);
    for (; i < stop; i++) {
      const value = <f64>load<f32>(x + (i << 2));
      total += value * value;
    }
    store<f32>(sums + ((first + b) << 2), <f32>total);
  }
}
