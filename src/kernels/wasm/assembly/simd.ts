// What every kernel file uses: multiply-add in both variants, and sums across a vector.

/**
 * The constant at `address`, of f32 or i32, in four lanes. From memory, because V8 since Node 22 puts a vector constant
 * together again wherever it is used, inside loops too: on Node 24 exp took 1.8 times as long.
 */
// @ts-ignore: decorator
@inline
export function constant(address: usize): v128 {
  return v128.load_splat<f32>(address);
}

/** a * b + c in four lanes; fused (rounded once) in the relaxed variant where the machine can. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** Sum of the four lanes. */
// @ts-ignore: decorator
@inline
export function sumLanes(v: v128): f32 {
  const pairs = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}
