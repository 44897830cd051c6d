// Passes over one row of f32 that softmax and cross-entropy share. `bytes` is the row's length; rows
// start at any multiple of 4.

import { exp, expOne } from "../math";
import { sumLanes } from "../simd";

/** Largest entry. NaN entries are passed over; the exponentials that follow bring them back. */
export function rowMax(x: usize, bytes: usize): f32 {
  let lanes0 = f32x4.splat(-Infinity);
  let lanes1 = lanes0;
  let at: usize = 0;
  for (; at + 32 <= bytes; at += 32) {
    lanes0 = f32x4.pmax(lanes0, v128.load(x + at));
    lanes1 = f32x4.pmax(lanes1, v128.load(x + at, 16));
  }
  lanes0 = f32x4.pmax(lanes0, lanes1);
  let most = f32x4.extract_lane(lanes0, 0);
  most = max<f32>(most, f32x4.extract_lane(lanes0, 1));
  most = max<f32>(most, f32x4.extract_lane(lanes0, 2));
  most = max<f32>(most, f32x4.extract_lane(lanes0, 3));
  for (; at < bytes; at += 4) {
    const value = load<f32>(x + at);
    if (value > most) most = value;
  }
  return most;
}

/** Sum of exp(x - shift); the terms are stored at y unless y is 0. */
// @ts-ignore: decorator
@inline
export function rowSumExp(x: usize, y: usize, bytes: usize, shift: f32): f32 {
  const shifts = f32x4.splat(shift);
  let lanes0 = f32x4.splat(0);
  let lanes1 = lanes0;
  let at: usize = 0;
  for (; at + 32 <= bytes; at += 32) {
    const e0 = exp(f32x4.sub(v128.load(x + at), shifts));
    const e1 = exp(f32x4.sub(v128.load(x + at, 16), shifts));
    if (y) {
      v128.store(y + at, e0);
      v128.store(y + at, e1, 16);
    }
    lanes0 = f32x4.add(lanes0, e0);
    lanes1 = f32x4.add(lanes1, e1);
  }
  let total = sumLanes(f32x4.add(lanes0, lanes1));
  for (; at < bytes; at += 4) {
    const e = expOne(load<f32>(x + at) - shift);
    if (y) store<f32>(y + at, e);
    total += e;
  }
  return total;
}

/** Sum of x - shift. */
export function rowSum(x: usize, bytes: usize, shift: f32): f32 {
  const shifts = f32x4.splat(shift);
  let lanes0 = f32x4.splat(0);
  let lanes1 = lanes0;
  let at: usize = 0;
  for (; at + 32 <= bytes; at += 32) {
    lanes0 = f32x4.add(lanes0, f32x4.sub(v128.load(x + at), shifts));
    lanes1 = f32x4.add(lanes1, f32x4.sub(v128.load(x + at, 16), shifts));
  }
  let total = sumLanes(f32x4.add(lanes0, lanes1));
  for (; at < bytes; at += 4) total += load<f32>(x + at) - shift;
  return total;
}

/** Natural logarithm, rounded once. */
// @ts-ignore: decorator
@inline
export function log(x: f32): f32 {
  return <f32>NativeMath.log(<f64>x);
}
