// Seeded values, and the sizes that break kernels, for tests of ops.

import fc from "fast-check";

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `size` roughly normal values of the given scale, exact in f32 so that all devices see the same. */
export function values(size: number, seed: number, scale = 1): Float64Array {
  const next = uniform(seed);
  return Float64Array.from({ length: size }, () =>
    Math.fround((next() + next() + next() + next() - 2) * Math.sqrt(3) * scale),
  );
}

/** Dimensions worth trying: 1, odd ones, and those around 4 and 8, the widths of vectors. */
export const dim: fc.Arbitrary<number> = fc.constantFrom(1, 2, 3, 4, 5, 7, 8, 9);
/** The same up to 33: around 16 and 32, too. */
export const wideDim: fc.Arbitrary<number> = fc.constantFrom(1, 3, 4, 5, 15, 16, 17, 31, 32, 33);
/** Seeds for `values`. */
export const seed: fc.Arbitrary<number> = fc.integer({ min: 1, max: 1 << 30 });
