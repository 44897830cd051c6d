// Packing of q8 for the tile of f32 products (matmul/gemmPack.ts): columns of B, called lanes, become f32 step by step along the
// depth. Once for a block of B, whatever the rows of A.

import { storeTransposed } from "../matmul/gemmPack";
import { BLOCK, BLOCK_BYTES, bytesOf, highFloats, lowFloats } from "./blocks";

/**
 * Lanes whose depth lies side by side (B stored [n, k]). Lanes past the last are the last one again: their products are not
 * stored.
 * @param source the first lane's block where the depth begins
 * @param lane bytes from one lane to the next
 * @param depth steps, a multiple of 32
 */
// @ts-ignore: decorator
@inline
export function packAlongQ8(width: usize, source: usize, lane: usize, lanes: usize, depth: usize, target: usize): void {
  const last = source + (lanes - 1) * lane;
  for (let l: usize = 0; l < lanes; l += width) {
    for (let group: usize = 0; group < width; group += 4) {
      const first = source + (l + group) * lane;
      packFour(width, first, lane, last, depth, target + (group << 2));
    }
    target += (depth * width) << 2;
  }
}

// @ts-ignore: decorator
@inline
function packFour(width: usize, source: usize, lane: usize, last: usize, depth: usize, target: usize): void {
  const row = width << 2;
  let w0 = min(source, last);
  let w1 = min(source + lane, last);
  let w2 = min(source + 2 * lane, last);
  let w3 = min(source + 3 * lane, last);
  for (let d: usize = 0; d < depth; d += BLOCK) {
    const s0 = v128.load_splat<f32>(w0);
    const s1 = v128.load_splat<f32>(w1);
    const s2 = v128.load_splat<f32>(w2);
    const s3 = v128.load_splat<f32>(w3);
    for (let i: usize = 0; i < BLOCK; i += 8) {
      const n0 = v128.load_ext<i8>(w0 + i, 4);
      const n1 = v128.load_ext<i8>(w1 + i, 4);
      const n2 = v128.load_ext<i8>(w2 + i, 4);
      const n3 = v128.load_ext<i8>(w3 + i, 4);
      storeTransposed(lowFloats(n0, s0), lowFloats(n1, s1), lowFloats(n2, s2), lowFloats(n3, s3), target, row);
      target += 4 * row;
      storeTransposed(highFloats(n0, s0), highFloats(n1, s1), highFloats(n2, s2), highFloats(n3, s3), target, row);
      target += 4 * row;
    }
    w0 += BLOCK_BYTES;
    w1 += BLOCK_BYTES;
    w2 += BLOCK_BYTES;
    w3 += BLOCK_BYTES;
  }
}

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
