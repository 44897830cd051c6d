// Reading and writing elements as f32, whatever they are stored in. `type` is a constant at every call, so that
// one branch is left after inlining.

import { INFINITY } from "./math";
import { constant } from "./simd";

// @ts-ignore: decorator
@inline
export const F32: i32 = 0;
// @ts-ignore: decorator
@inline
export const BF16: i32 = 1;
// @ts-ignore: decorator
@inline
export const F16: i32 = 2;

// Masks, bounds and factors of the conversions.
const LOW_15 = memory.data<u32>([0x7fff]);
const BIAS = memory.data<f32>([5.192296858534828e33]);
const LARGEST_F16 = memory.data<u32>([0x7bff]);
const ONE_BIT = memory.data<u32>([1]);
const BF16_BITS = memory.data<u32>([0xffff0000]);
const LOW_12 = memory.data<u32>([0xfff]);
const F16_BITS = memory.data<u32>([0xffffe000]);
const HALF = memory.data<f32>([0.5]);
const SMALLEST_F16 = memory.data<f32>([6.103515625e-5]);
const BEYOND_F16 = memory.data<f32>([65520]);
const SIGN_F16 = memory.data<u32>([0x8000]);
const BIAS_BITS = memory.data<u32>([0x38000000]);
const SUBNORMALS = memory.data<f32>([16777216]);
const INFINITY_F16 = memory.data<u32>([0x7c00]);
const NAN_F16 = memory.data<u32>([0x7e00]);
const QUIET = memory.data<u32>([0x400000]);

/** log2 of an element's bytes. */
// @ts-ignore: decorator
@inline
export function shiftOf(type: i32): usize {
  return type == F32 ? 2 : 1;
}

/** Element at address `at`. */
// @ts-ignore: decorator
@inline
export function loadElement(type: i32, at: usize): f32 {
  if (type == F32) return load<f32>(at);
  if (type == BF16) return reinterpret<f32>((<u32>load<u16>(at)) << 16);
  return f32x4.extract_lane(widenF16(i32x4.splat(load<u16>(at))), 0);
}

/** Four elements from address `at` on. */
// @ts-ignore: decorator
@inline
export function loadVector(type: i32, at: usize): v128 {
  if (type == F32) return v128.load(at);
  const halves = v128.load_ext<u16>(at);
  return type == BF16 ? i32x4.shl(halves, 16) : widenF16(halves);
}

/**
 * f16 bits in 32-bit lanes to f32: exponent and fraction move to their f32 places, and a product with
 * 2^(127-15) corrects the exponent's bias, subnormals included. Inf and NaN get f32's largest exponent.
 */
// @ts-ignore: decorator
@inline
function widenF16(bits: v128): v128 {
  const magnitude = v128.and(bits, constant(LOW_15));
  const sign = i32x4.shl(v128.xor(bits, magnitude), 16);
  const value = f32x4.mul(i32x4.shl(magnitude, 13), constant(BIAS));
  const special = v128.and(
    i32x4.gt_s(magnitude, constant(LARGEST_F16)),
    constant(INFINITY),
  );
  return v128.or(v128.or(value, special), sign);
}

/** f32 lanes to the nearest bf16, ties to even, as f32. */
// @ts-ignore: decorator
@inline
export function nearestBf16(x: v128): v128 {
  const lsb = v128.and(i32x4.shr_u(x, 16), constant(ONE_BIT));
  const up = i32x4.add(i32x4.add(x, constant(LOW_15)), lsb);
  const rounded = v128.and(up, constant(BF16_BITS));
  return v128.bitselect(x, rounded, f32x4.ne(x, x));
}

/**
 * f32 lanes to the nearest f16, ties to even, as f32. Below 2^-14 f16 counts in units of 2^-24, the unit of f32 numbers
 * from 0.5 to 1: adding 0.5 rounds to them. From 65520 on it is infinity.
 */
// @ts-ignore: decorator
@inline
export function nearestF16(x: v128): v128 {
  const magnitude = f32x4.abs(x);
  const sign = v128.xor(x, magnitude);
  const lsb = v128.and(i32x4.shr_u(magnitude, 13), constant(ONE_BIT));
  const up = i32x4.add(i32x4.add(magnitude, constant(LOW_12)), lsb);
  let rounded = v128.and(up, constant(F16_BITS));
  const half = constant(HALF);
  const tiny = f32x4.sub(f32x4.add(magnitude, half), half);
  rounded = v128.bitselect(tiny, rounded, f32x4.lt(magnitude, constant(SMALLEST_F16)));
  const infinity = constant(INFINITY);
  rounded = v128.bitselect(infinity, rounded, f32x4.ge(magnitude, constant(BEYOND_F16)));
  return v128.bitselect(x, v128.or(rounded, sign), f32x4.ne(x, x));
}

/** f32 lanes that `nearest` made to the f16 bits of each, in 32-bit lanes. */
// @ts-ignore: decorator
@inline
function bitsOfF16(x: v128): v128 {
  const magnitude = f32x4.abs(x);
  const sign = v128.and(i32x4.shr_u(x, 16), constant(SIGN_F16));
  let bits = i32x4.shr_u(i32x4.sub(magnitude, constant(BIAS_BITS)), 13);
  // Below 2^-14 the bits are a count of 2^-24.
  const count = i32x4.trunc_sat_f32x4_s(f32x4.mul(magnitude, constant(SUBNORMALS)));
  bits = v128.bitselect(count, bits, f32x4.lt(magnitude, constant(SMALLEST_F16)));
  bits = v128.bitselect(constant(INFINITY_F16), bits, f32x4.eq(magnitude, constant(INFINITY)));
  bits = v128.bitselect(constant(NAN_F16), bits, f32x4.ne(x, x));
  return v128.or(bits, sign);
}

/** f32 lanes to the nearest 16-bit float, its bits in 32-bit lanes; NaN stays a quiet NaN. */
// @ts-ignore: decorator
@inline
function narrow(type: i32, x: v128): v128 {
  if (type == F16) return bitsOfF16(nearestF16(x));
  const quiet = v128.or(x, constant(QUIET));
  return i32x4.shr_u(v128.bitselect(quiet, nearestBf16(x), f32x4.ne(x, x)), 16);
}

/** Stores four elements from address `at` on, rounded to nearest, ties to even. */
// @ts-ignore: decorator
@inline
export function storeVector(type: i32, at: usize, x: v128): void {
  if (type == F32) v128.store(at, x);
  else v128.store64_lane(at, i16x8.narrow_i32x4_u(narrow(type, x), x), 0);
}

/** Stores the element at address `at`. */
// @ts-ignore: decorator
@inline
export function storeElement(type: i32, at: usize, x: f32): void {
  if (type == F32) store<f32>(at, x);
  else store<u16>(at, <u16>i32x4.extract_lane(narrow(type, f32x4.splat(x)), 0));
}
