// Which rows of a batch a tile of scores lies in: the one place where shaders tell packed rows from rows of one length.

import type { WgslSnippet } from "../../tensor/wgsl.ts";
import { headPlaces } from "./headSnippets.ts";

/** `Tile` and `tileOf`; wants `rowOffset(i)`, element i of the offsets (packedRows.ts), where PACKED is 1. */
export const tileRows: WgslSnippet = {
  uses: [headPlaces],
  source: /* wgsl */ `
/** Head h of batch element b, queries from t0 and keys from s0 on; its row begins at firstQuery and firstKey of all rows. */
struct Tile {
  b: u32, h: u32, t0: u32, s0: u32,
  firstQuery: u32, queries: u32, firstKey: u32, keys: u32,
}
fn tileOf(b: u32, h: u32, t0: u32, s0: u32) -> Tile {
  if (PACKED == 0u) {
    return Tile(b, h, t0, s0, b * params.queries, params.queries, b * params.keys, params.keys);
  }
  let firstQuery = rowOffset(b);
  let firstKey = rowOffset(params.batch + 1u + b);
  let queries = rowOffset(b + 1u) - firstQuery;
  return Tile(b, h, t0, s0, firstQuery, queries, firstKey, rowOffset(params.batch + 2u + b) - firstKey);
}
fn queryAt(tile: Tile, t: u32) -> u32 { return headOf(tile.firstQuery + t, tile.h); }
fn keyAt(tile: Tile, s: u32) -> u32 { return headOf(tile.firstKey + s, tile.h); }
/** Row of the probabilities, 0 .. H * queries of all rows - 1. */
fn rowOf(tile: Tile, t: u32) -> u32 {
  return tile.firstQuery * params.heads + tile.h * tile.queries + t;
}`,
};

/** `rowOffset` of a kernel with a binding `offsets`. */
export const boundOffsets: WgslSnippet = {
  source: /* wgsl */ `
fn rowOffset(i: u32) -> u32 { return u32(offsets[i]); }`,
};
