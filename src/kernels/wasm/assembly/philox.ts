// Philox 4x32-10 (src/tensor/philox.ts), four blocks side by side: lane l computes block 4 g + l.

import { constant } from "./simd";

const MULTIPLIER_0 = memory.data<u32>([0xd2511f53]);
const MULTIPLIER_1 = memory.data<u32>([0xcd9e8d57]);
const WEYL_0 = memory.data<u32>([0x9e3779b9]);
const WEYL_1 = memory.data<u32>([0xbb67ae85]);

/** Elements whose factors `keepFactors` draws at a time. */
// @ts-ignore: decorator
@inline
export const GROUP: usize = 16;

/**
 * Stores what a dropout mask multiplies elements 16 g .. 16 g + 15 by: 0, or keepScale where the
 * element's word >= threshold.
 * @param target 64 bytes
 */
export function keepFactors(
  target: usize,
  group: u32,
  threshold: u32,
  keepScale: f32,
  seedLow: u32,
  seedHigh: u32,
  offset: u32,
): void {
  const m0 = constant(MULTIPLIER_0);
  const m1 = constant(MULTIPLIER_1);
  let c0 = i32x4.add(i32x4.splat(group << 2), i32x4(0, 1, 2, 3));
  let c1 = i32x4.splat(offset);
  let c2 = i32x4.splat(0);
  let c3 = i32x4.splat(0);
  let k0 = i32x4.splat(seedLow);
  let k1 = i32x4.splat(seedHigh);
  for (let round = 0; round < 10; round++) {
    const p0 = i64x2.extmul_low_i32x4_u(c0, m0);
    const q0 = i64x2.extmul_high_i32x4_u(c0, m0);
    const p1 = i64x2.extmul_low_i32x4_u(c2, m1);
    const q1 = i64x2.extmul_high_i32x4_u(c2, m1);
    // Even words of the 64-bit products are the low halves, odd ones the high halves.
    c0 = v128.xor(v128.xor(v128.shuffle<i32>(p1, q1, 1, 3, 5, 7), c1), k0);
    c2 = v128.xor(v128.xor(v128.shuffle<i32>(p0, q0, 1, 3, 5, 7), c3), k1);
    c1 = v128.shuffle<i32>(p1, q1, 0, 2, 4, 6);
    c3 = v128.shuffle<i32>(p0, q0, 0, 2, 4, 6);
    k0 = i32x4.add(k0, constant(WEYL_0));
    k1 = i32x4.add(k1, constant(WEYL_1));
  }
  const threshold4 = i32x4.splat(threshold);
  const scale4 = f32x4.splat(keepScale);
  c0 = v128.and(i32x4.ge_u(c0, threshold4), scale4);
  c1 = v128.and(i32x4.ge_u(c1, threshold4), scale4);
  c2 = v128.and(i32x4.ge_u(c2, threshold4), scale4);
  c3 = v128.and(i32x4.ge_u(c3, threshold4), scale4);
  // Lane l of c0..c3 are the four words of block l: transpose.
  const low01 = v128.shuffle<i32>(c0, c1, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(c0, c1, 2, 6, 3, 7);
  const low23 = v128.shuffle<i32>(c2, c3, 0, 4, 1, 5);
  const high23 = v128.shuffle<i32>(c2, c3, 2, 6, 3, 7);
  v128.store(target, v128.shuffle<i64>(low01, low23, 0, 2));
  v128.store(target, v128.shuffle<i64>(low01, low23, 1, 3), 16);
  v128.store(target, v128.shuffle<i64>(high01, high23, 0, 2), 32);
  v128.store(target, v128.shuffle<i64>(high01, high23, 1, 3), 48);
}
