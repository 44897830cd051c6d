// q8 (src/tensor/q8.ts): blocks of 36 bytes, an f32 scale and 32 numbers of 8 bits. Blocks to f32: casts and rows by id.

import { UNIT } from "../moves/gatherRows";

// @ts-ignore: decorator
@inline
export const BLOCK: usize = 32;
// @ts-ignore: decorator
@inline
export const BLOCK_BYTES: usize = 36;

/** Bytes of `size` elements, whole blocks. */
// @ts-ignore: decorator
@inline
export function bytesOf(size: usize): usize {
  return (size >> 5) * BLOCK_BYTES;
}

/** The first and last four of eight 16-bit numbers times a scale, as f32. */
// @ts-ignore: decorator
@inline
export function lowFloats(numbers: v128, scale: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(numbers)), scale);
}

// @ts-ignore: decorator
@inline
export function highFloats(numbers: v128, scale: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(numbers)), scale);
}

/** `blocks` blocks as f32. */
// @ts-ignore: decorator
@inline
function widenBlocks(x: usize, y: usize, blocks: usize): void {
  for (let block: usize = 0; block < blocks; block++) {
    const scale = v128.load_splat<f32>(x);
    for (let i: usize = 0; i < BLOCK; i += 8) {
      const numbers = v128.load_ext<i8>(x + i, 4);
      v128.store(y, lowFloats(numbers, scale));
      v128.store(y, highFloats(numbers, scale), 16);
      y += 32;
    }
    x += BLOCK_BYTES;
  }
}

/** Units [begin, end) are blocks. */
export function widenQ8(x: usize, y: usize, blocks: usize, begin: usize, end: usize): void {
  widenBlocks(x + begin * BLOCK_BYTES, y + begin * (BLOCK << 2), end - begin);
}

/** As gatherRows (moves/gatherRows.ts), of a table of q8. */
export function gatherRowsQ8(
  x: usize,
  ids: usize,
  y: usize,
  count: usize,
  rows: usize,
  cols: usize,
  begin: usize,
  end: usize,
): void {
  const stop = min(end * UNIT, count);
  for (let m = begin * UNIT; m < stop; m++) {
    const id = <usize>load<u32>(ids + (m << 2));
    if (id >= rows) unreachable();
    widenBlocks(x + id * bytesOf(cols), y + m * (cols << 2), cols / BLOCK);
  }
}
