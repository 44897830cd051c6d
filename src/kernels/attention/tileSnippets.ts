// What the attention shaders share: tiles of queries and keys in workgroup memory, their products, scores and dropout.
//
// A workgroup is KEY_LANES x QUERY_LANES invocations. Over a tile of QUERIES x KEYS scores each of them holds
// PER_LANE queries by 4 keys in registers, one vec4 a query. Heads pass through workgroup memory in chunks of CHUNK
// vectors, so that any headDim fits. tileSizes.ts chooses the sizes; docs/internals/attention.md goes through it all.

import type { WgslSnippet } from "../../tensor/wgsl.ts";
import { capital } from "./headSnippets.ts";
import { MASKED } from "./options.ts";
import { tileRows } from "./tileRows.ts";
import { safeExp } from "../wgsl/math.ts";
import { philox } from "../wgsl/philox.ts";

// ---------------------------------------------------------------------------------------------
// Tiles and their products

const tiles: WgslSnippet = {
  uses: [tileRows],
  source: /* wgsl */ `
const QUERIES = QUERY_LANES * PER_LANE;
const KEYS = 4u * KEY_LANES;
/** Odd, so that lanes reading one column of neighbouring keys meet different banks. */
const KEY_STRIDE = CHUNK | 1u;
var<workgroup> queryTile: array<vec4<f32>, QUERY_TILE>;
var<workgroup> keyTile: array<vec4<f32>, KEY_TILE>;
/** Weights of a tile, four keys a vector. */
var<workgroup> weightTile: array<vec4<f32>, QUERIES * KEY_LANES>;
struct Lane { local: u32, key: u32, query: u32 }
fn laneOf(local: u32) -> Lane { return Lane(local, local % KEY_LANES, local / KEY_LANES); }
fn putWeights(lane: Lane, m: u32, weights: vec4<f32>) {
  weightTile[(lane.query * PER_LANE + m) * KEY_LANES + lane.key] = weights;
}
/** Adds the products of the lane's queries and keys over the first columns of the tiles. */
fn addProducts(sums: ptr<function, array<vec4<f32>, PER_LANE>>, lane: Lane, columns: u32) {
  for (var c = 0u; c < columns; c++) {
    let k0 = keyTile[lane.key * KEY_STRIDE + c];
    let k1 = keyTile[(lane.key + KEY_LANES) * KEY_STRIDE + c];
    let k2 = keyTile[(lane.key + 2u * KEY_LANES) * KEY_STRIDE + c];
    let k3 = keyTile[(lane.key + 3u * KEY_LANES) * KEY_STRIDE + c];
    for (var m = 0u; m < PER_LANE; m++) {
      let x = queryTile[(lane.query * PER_LANE + m) * CHUNK + c];
      (*sums)[m] += vec4<f32>(dot(x, k0), dot(x, k1), dot(x, k2), dot(x, k3));
    }
  }
}`,
};

/** `<query>Dot<Key>`: products of a tile's rows of two tensors, [B, T, H*D] and [B, S, H*D]. Has barriers. */
function tileProducts(query: string, key: string): WgslSnippet {
  const name = `${query}Dot${capital(key)}`;
  return {
    uses: [tiles],
    source: /* wgsl */ `
fn ${name}(sums: ptr<function, array<vec4<f32>, PER_LANE>>, tile: Tile, lane: Lane) {
  for (var m = 0u; m < PER_LANE; m++) { (*sums)[m] = vec4<f32>(0.0); }
  for (var first = 0u; first < headColumns(); first += CHUNK) {
    workgroupBarrier(); // what the tiles held may still be in use
    for (var i = lane.local; i < QUERIES * CHUNK; i += WG) {
      let t = tile.t0 + i / CHUNK;
      let column = first + i % CHUNK;
      var x = vec4<f32>(0.0);
      if (t < tile.queries && column < headColumns()) {
        x = ${query}4(queryAt(tile, t), column);
      }
      queryTile[i] = x;
    }
    for (var i = lane.local; i < KEYS * CHUNK; i += WG) {
      let j = i / CHUNK;
      let column = first + i % CHUNK;
      var x = vec4<f32>(0.0);
      if (tile.s0 + j < tile.keys && column < headColumns()) {
        x = ${key}4(keyAt(tile, tile.s0 + j), column);
      }
      // A lane's four keys lie KEY_LANES apart, so that lanes read neighbouring rows.
      keyTile[(j / 4u + (j % 4u) * KEY_LANES) * KEY_STRIDE + i % CHUNK] = x;
    }
    workgroupBarrier();
    addProducts(sums, lane, min(CHUNK, headColumns() - first));
  }
}`,
  };
}

/** `addWeighted<Key>`: adds weightTile times a tile's rows of a [B, S, H*D] tensor. Begins with a barrier. */
function weightedKeys(key: string): WgslSnippet {
  return {
    uses: [tiles],
    source: /* wgsl */ `
fn addWeighted${capital(key)}(
  sums: ptr<function, array<vec4<f32>, PER_LANE * COLUMNS>>, tile: Tile, lane: Lane, firstColumn: u32,
) {
  const WIDTH = COLUMNS * KEY_LANES;
  for (var first = 0u; first < KEYS; first += STEP) {
    workgroupBarrier();
    for (var i = lane.local; i < STEP * WIDTH; i += WG) {
      let s = tile.s0 + first + i / WIDTH;
      let column = firstColumn + i % WIDTH;
      var x = vec4<f32>(0.0);
      if (s < tile.keys && column < headColumns()) {
        x = ${key}4(keyAt(tile, s), column);
      }
      keyTile[i] = x;
    }
    workgroupBarrier();
    for (var j = 0u; j < STEP; j += 4u) {
      var weights: array<vec4<f32>, PER_LANE>;
      for (var m = 0u; m < PER_LANE; m++) {
        weights[m] = weightTile[(lane.query * PER_LANE + m) * KEY_LANES + (first + j) / 4u];
      }
      for (var c = 0u; c < COLUMNS; c++) {
        let at = j * WIDTH + c * KEY_LANES + lane.key;
        let x0 = keyTile[at];
        let x1 = keyTile[at + WIDTH];
        let x2 = keyTile[at + 2u * WIDTH];
        let x3 = keyTile[at + 3u * WIDTH];
        for (var m = 0u; m < PER_LANE; m++) {
          let w = weights[m];
          (*sums)[m * COLUMNS + c] += w.x * x0 + w.y * x1 + w.z * x2 + w.w * x3;
        }
      }
    }
  }
}`,
  };
}

/**
 * `addWeighted<Query>`: adds weightTile transposed, times a tile's rows of a [B, T, H*D] tensor: the sums of the
 * lane's four keys, one after another. Begins with a barrier.
 */
function weightedQueries(query: string): WgslSnippet {
  return {
    uses: [tiles],
    source: /* wgsl */ `
fn addWeighted${capital(query)}(
  sums: ptr<function, array<vec4<f32>, 4u * COLUMNS>>, tile: Tile, lane: Lane, firstColumn: u32,
) {
  const WIDTH = COLUMNS * QUERY_LANES;
  for (var first = 0u; first < QUERIES; first += STEP) {
    workgroupBarrier();
    for (var i = lane.local; i < STEP * WIDTH; i += WG) {
      let t = tile.t0 + first + i / WIDTH;
      let column = firstColumn + i % WIDTH;
      var x = vec4<f32>(0.0);
      if (t < tile.queries && column < headColumns()) {
        x = ${query}4(queryAt(tile, t), column);
      }
      queryTile[i] = x;
    }
    workgroupBarrier();
    for (var r = 0u; r < STEP; r++) {
      let w = weightTile[(first + r) * KEY_LANES + lane.key];
      for (var c = 0u; c < COLUMNS; c++) {
        let x = queryTile[r * WIDTH + c * QUERY_LANES + lane.query];
        (*sums)[c] += w.x * x;
        (*sums)[COLUMNS + c] += w.y * x;
        (*sums)[2u * COLUMNS + c] += w.z * x;
        (*sums)[3u * COLUMNS + c] += w.w * x;
      }
    }
  }
}`,
  };
}

/** How tiles are multiplied: in registers, or by matrix units (unitSnippets.ts). */
export interface TileProducts {
  tileProducts(query: string, key: string): WgslSnippet;
  weightedKeys(key: string): WgslSnippet;
  weightedQueries(query: string): WgslSnippet;
}

export const registerProducts: TileProducts = { tileProducts, weightedKeys, weightedQueries };

// ---------------------------------------------------------------------------------------------
// Scores

/** `scoresOf` and what it takes; wants `keepsKey(b, s)`, the padding mask, where MASK is 1. */
export const tileScores: WgslSnippet = {
  uses: [safeExp, philox, tileRows],
  source: /* wgsl */ `
/** Score of a masked key: the lowest finite number. */
const MASKED = ${MASKED}f;
fn safeExp4(x: vec4<f32>) -> vec4<f32> {
  return select(exp(x), vec4<f32>(0.0), x < vec4<f32>(EXP_UNDERFLOW));
}
fn keysFrom(s: u32) -> vec4<u32> { return vec4<u32>(s, s + 1u, s + 2u, s + 3u); }
/** Scores of query t and keys s .. s + 3 from their products; MASKED outside the matrix, too. */
fn scoresOf(products: vec4<f32>, tile: Tile, t: u32, s: u32) -> vec4<f32> {
  let at = keysFrom(s);
  var keep = at < vec4<u32>(select(0u, tile.keys, t < tile.queries));
  if (CAUSAL == 1u) { keep = keep & (at + tile.queries <= vec4<u32>(tile.keys + t)); }
  if (MASK == 1u) {
    if (keep.x) { keep.x = keepsKey(tile.b, at.x); }
    if (keep.y) { keep.y = keepsKey(tile.b, at.y); }
    if (keep.z) { keep.z = keepsKey(tile.b, at.z); }
    if (keep.w) { keep.w = keepsKey(tile.b, at.w); }
  }
  var scores = params.scale * products;
  if (HAS_BIAS) {
    let row = (tile.h * params.queries + t) * params.keys;
    if (keep.x) { scores.x += bias[row + at.x]; }
    if (keep.y) { scores.y += bias[row + at.y]; }
    if (keep.z) { scores.z += bias[row + at.z]; }
    if (keep.w) { scores.w += bias[row + at.w]; }
  }
  return select(vec4<f32>(MASKED), scores, keep);
}
/** Dropout's factors of keys s .. s + 3 of a row: elements row S + s + 0..3 of the stream, counted in 34 bits. */
fn keepFactors(row: u32, s: u32) -> vec4<f32> {
  let low = row * params.keys;
  let at = low + s;
  let high = multiplyHigh(row, params.keys) + select(0u, 1u, at < low);
  let block = (at >> 2u) | (high << 30u);
  var words = philoxBlock(block, params.offset, params.seedLow, params.seedHigh);
  let skipped = at & 3u;
  if (skipped != 0u) {
    let next = philoxBlock(block + 1u, params.offset, params.seedLow, params.seedHigh);
    if (skipped == 1u) { words = vec4<u32>(words.yzw, next.x); }
    else if (skipped == 2u) { words = vec4<u32>(words.zw, next.xy); }
    else { words = vec4<u32>(words.w, next.xyz); }
  }
  return select(vec4<f32>(0.0), vec4<f32>(params.keepScale), words >= vec4<u32>(params.threshold));
}`,
};

/**
 * `visibleKeys(tile, t1)`: keys that some query before t1 may attend to. In a causal row without padding the rest has no
 * weight. With padding, or with queries before the first key, a row may have nothing but masked keys: it is uniform over all.
 */
export const visibleKeys: WgslSnippet = {
  uses: [tileRows],
  source: /* wgsl */ `
fn visibleKeys(tile: Tile, t1: u32) -> u32 {
  if (CAUSAL == 0u || MASK == 1u || tile.keys < tile.queries) { return tile.keys; }
  return min(tile.keys, tile.keys - tile.queries + t1);
}`,
};
