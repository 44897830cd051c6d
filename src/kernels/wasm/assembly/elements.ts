// Reading operands as f32, whatever they are stored in. `type` is a constant at every call, so that
// one branch is left after inlining.

// @ts-ignore: decorator
@inline
export const F32: i32 = 0;
// @ts-ignore: decorator
@inline
export const BF16: i32 = 1;
// @ts-ignore: decorator
@inline
export const F16: i32 = 2;

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
  const magnitude = v128.and(bits, i32x4.splat(0x7fff));
  const sign = i32x4.shl(v128.xor(bits, magnitude), 16);
  const value = f32x4.mul(i32x4.shl(magnitude, 13), f32x4.splat(5.192296858534828e33));
  const special = v128.and(
    i32x4.gt_s(magnitude, i32x4.splat(0x7bff)),
    i32x4.splat(0x7f800000),
  );
  return v128.or(v128.or(value, special), sign);
}
