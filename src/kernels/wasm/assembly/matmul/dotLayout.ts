// How products of few rows are summed: shared by their tiles (dotTile.ts, dotColumns.ts) and what runs these (gemmDots.ts).

import { BF16, F32, loadVector } from "../elements";

/** In `wide` two vectors side by side, which V8 joins to one of 256 bits (gemmTileWide.ts). */
// @ts-ignore: decorator
@inline
export const LANES: usize = WIDE ? 8 : 4;
/** Bytes of a sum. */
// @ts-ignore: decorator
@inline
export const SUM: usize = LANES << 2;
/** Where a tile's sums lie in the scratch, behind zeros. */
export const SUMS: usize = SUM;

/** The four elements behind those of `loadVector`: V8 joins loads whose addresses differ by a constant in the instruction. */
// @ts-ignore: decorator
@inline
export function loadNext(type: i32, at: usize): v128 {
  if (type == F32) return v128.load(at, 16);
  if (type == BF16) return i32x4.shl(v128.load_ext<u16>(at, 8), 16);
  return loadVector(type, at + 8);
}
