// Packing of q8 for the tile of f32 products (matmul/gemmPack.ts): columns of B, called lanes, become f32 step by step along the
// depth. Once for a block of B, whatever the rows of A.

import { bytesOf, highFloats, lowFloats } from "./blocks";

/**
 * Lanes that lie side by side (B stored [k, n]): a panel's are in one block, for panels begin at multiples of their width.
 * @param b where B begins
 * @param first index of the first lane's element of the first step
 * @param n elements from one step to the next, a multiple of 32
 */
// @ts-ignore: decorator
@inline
export function packAcrossQ8(
  width: usize,
  b: usize,
  first: usize,
  n: usize,
  lanes: usize,
  depth: usize,
  target: usize,
): void {
  const step = bytesOf(n);
  for (let l: usize = 0; l < lanes; l += width) {
    const element = first + l;
    let block = b + bytesOf(element & ~31);
    const within: usize = 4 + (element & 31);
    for (let d: usize = 0; d < depth; d++) {
      const scale = v128.load_splat<f32>(block);
      const numbers = v128.load_ext<i8>(block + within);
      v128.store(target, lowFloats(numbers, scale));
      v128.store(target, highFloats(numbers, scale), 16);
      if (width == 16) {
        const more = v128.load_ext<i8>(block + within, 8);
        v128.store(target, lowFloats(more, scale), 32);
        v128.store(target, highFloats(more, scale), 48);
      }
      block += step;
      target += width << 2;
    }
  }
}
