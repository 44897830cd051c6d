// What the attention shaders share: tiles of queries and keys in workgroup memory, their products, scores and dropout.
//
// A workgroup is KEY_LANES x QUERY_LANES invocations. Over a tile of QUERIES x KEYS scores each of them holds
// PER_LANE queries by 4 keys in registers, one vec4 a query. Heads pass through workgroup memory in chunks of CHUNK
// vectors, so that any width fits. docs/attention.md goes through it.

import type { AdapterFacts, WgslPass, WgslShader, WgslSnippet } from "../tensor/wgsl.ts";
import { safeExp } from "./wgsl/math.ts";
import { philox } from "./wgsl/philox.ts";

/** Constants of every attention shader. */
export const tileConstants = {
  KEY_LANES: "u32",
  QUERY_LANES: "u32",
  PER_LANE: "u32",
  /** Vectors of a head in the tiles at a time. */
  CHUNK: "u32",
  /** Rows of values (or of queries) in a tile at a time, when weights meet them. */
  STEP: "u32",
  /** Vectors of the result that an invocation has of each of its rows. */
  COLUMNS: "u32",
} as const;

export type TileConstants = Readonly<Record<keyof typeof tileConstants, number>>;

// ---------------------------------------------------------------------------------------------
// Rows of heads, in vectors of four columns

function vectorRow(name: string): WgslSnippet {
  return {
    source: /* wgsl */ `
fn ${name}4(at: u32, column: u32) -> vec4<f32> { return ${name}[at / 4u + column]; }`,
  };
}

/** The columns past the width are 0. */
function scalarRow(name: string): WgslSnippet {
  return {
    source: /* wgsl */ `
fn ${name}4(at: u32, column: u32) -> vec4<f32> {
  let d = 4u * column;
  var x = vec4<f32>(${name}[at + d], 0.0, 0.0, 0.0);
  if (d + 1u < params.width) { x.y = ${name}[at + d + 1u]; }
  if (d + 2u < params.width) { x.z = ${name}[at + d + 2u]; }
  if (d + 3u < params.width) { x.w = ${name}[at + d + 3u]; }
  return x;
}`,
  };
}

function storeVectorRow(name: string): WgslSnippet {
  return {
    source: /* wgsl */ `
fn store${capital(name)}4(at: u32, column: u32, x: vec4<f32>) { ${name}[at / 4u + column] = x; }`,
  };
}

function storeScalarRow(name: string): WgslSnippet {
  return {
    source: /* wgsl */ `
fn store${capital(name)}4(at: u32, column: u32, x: vec4<f32>) {
  let d = 4u * column;
  ${name}[at + d] = x.x;
  if (d + 1u < params.width) { ${name}[at + d + 1u] = x.y; }
  if (d + 2u < params.width) { ${name}[at + d + 2u] = x.z; }
  if (d + 3u < params.width) { ${name}[at + d + 3u] = x.w; }
}`,
  };
}

function capital(name: string): string {
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}

/** Of tensors [B, length, H*D]; needs params heads and width, of one head. */
export const headPlaces: WgslSnippet = {
  source: /* wgsl */ `
fn headColumns() -> u32 { return (params.width + 3u) / 4u; }
fn headAt(b: u32, length: u32, t: u32, h: u32) -> u32 {
  return ((b * length + t) * params.heads + h) * params.width;
}`,
};

/** A shader's text for heads that are whole vectors, and for others. */
export interface HeadShaders {
  readonly vector: WgslShader;
  readonly scalar: WgslShader;
}

/** @param reads, writes tensors of heads: gives each of them `<name>4` or `store<Name>4` */
export function headShaders(
  shader: WgslShader,
  reads: readonly string[],
  writes: readonly string[],
): HeadShaders {
  const uses = shader.uses ?? [];
  const views = Object.fromEntries([...reads, ...writes].map((name) => [name, "vec4<f32>"]));
  return {
    vector: {
      ...shader,
      views,
      uses: [...reads.map(vectorRow), ...writes.map(storeVectorRow), ...uses],
    },
    scalar: { ...shader, uses: [...reads.map(scalarRow), ...writes.map(storeScalarRow), ...uses] },
  };
}

// ---------------------------------------------------------------------------------------------
// Tiles and their products

const tiles: WgslSnippet = {
  uses: [headPlaces],
  source: /* wgsl */ `
const QUERIES = QUERY_LANES * PER_LANE;
const KEYS = 4u * KEY_LANES;
/** Odd, so that lanes reading one column of neighbouring keys meet different banks. */
const KEY_STRIDE = CHUNK | 1u;
var<workgroup> queryTile: array<vec4<f32>, max(QUERIES * CHUNK, STEP * COLUMNS * QUERY_LANES)>;
var<workgroup> keyTile: array<vec4<f32>, max(KEYS * KEY_STRIDE, STEP * COLUMNS * KEY_LANES)>;
/** Weights of a tile, four keys a vector. */
var<workgroup> weightTile: array<vec4<f32>, QUERIES * KEY_LANES>;
/** Head h of batch element b, queries from t0 and keys from s0 on. */
struct Tile { b: u32, h: u32, t0: u32, s0: u32 }
struct Lane { local: u32, key: u32, query: u32 }
fn laneOf(local: u32) -> Lane { return Lane(local, local % KEY_LANES, local / KEY_LANES); }
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
export function tileProducts(query: string, key: string): WgslSnippet {
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
      if (t < params.queries && column < headColumns()) {
        x = ${query}4(headAt(tile.b, params.queries, t, tile.h), column);
      }
      queryTile[i] = x;
    }
    for (var i = lane.local; i < KEYS * CHUNK; i += WG) {
      let j = i / CHUNK;
      let column = first + i % CHUNK;
      var x = vec4<f32>(0.0);
      if (tile.s0 + j < params.keys && column < headColumns()) {
        x = ${key}4(headAt(tile.b, params.keys, tile.s0 + j, tile.h), column);
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
export function weightedKeys(key: string): WgslSnippet {
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
      if (s < params.keys && column < headColumns()) {
        x = ${key}4(headAt(tile.b, params.keys, s, tile.h), column);
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
export function weightedQueries(query: string): WgslSnippet {
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
      if (t < params.queries && column < headColumns()) {
        x = ${query}4(headAt(tile.b, params.queries, t, tile.h), column);
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

// ---------------------------------------------------------------------------------------------
// Scores

/** `scoresOf` and what it takes; wants `keepsKey(b, s)`, the padding mask, where MASK is 1. */
export const tileScores: WgslSnippet = {
  uses: [safeExp, philox],
  source: /* wgsl */ `
/** Score of a dropped key: the lowest finite number. */
const DROPPED = -3.4028234663852886e38f;
fn safeExp4(x: vec4<f32>) -> vec4<f32> {
  return select(exp(x), vec4<f32>(0.0), x < vec4<f32>(EXP_UNDERFLOW));
}
fn keysFrom(s: u32) -> vec4<u32> { return vec4<u32>(s, s + 1u, s + 2u, s + 3u); }
/** Scores of query t and keys s .. s + 3 from their products; DROPPED outside the matrix, too. */
fn scoresOf(products: vec4<f32>, tile: Tile, t: u32, s: u32) -> vec4<f32> {
  let at = keysFrom(s);
  var keep = at < vec4<u32>(select(0u, params.keys, t < params.queries));
  if (CAUSAL == 1u) { keep = keep & (at + params.queries <= vec4<u32>(params.keys + t)); }
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
  return select(vec4<f32>(DROPPED), scores, keep);
}
/** Row of the probabilities, 0 .. B*H*T - 1. */
fn rowOf(tile: Tile, t: u32) -> u32 { return (tile.b * params.heads + tile.h) * params.queries + t; }
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
 * `visibleKeys(t1)`: keys that some query before t1 may attend to. In a causal row without padding the rest has no
 * weight. With padding, or with queries before the first key, a row may have nothing but dropped keys: it is uniform over all.
 */
export const visibleKeys: WgslSnippet = {
  source: /* wgsl */ `
fn visibleKeys(t1: u32) -> u32 {
  if (CAUSAL == 0u || MASK == 1u || params.keys < params.queries) { return params.keys; }
  return min(params.keys, params.keys - params.queries + t1);
}`,
};

// ---------------------------------------------------------------------------------------------
// Sizes

/** How a workgroup's invocations lie over a tile of scores. */
export interface TileShape {
  readonly KEY_LANES: number;
  readonly QUERY_LANES: number;
  readonly PER_LANE: number;
}

/** More vectors of a head in the tiles save few barriers and cost workgroups that a core could hold. */
const MOST_CHUNK = 8;
/** Vectors of a result's row that an invocation holds; wider heads are divided among workgroups. */
const MOST_COLUMNS = 4;

/** Shapes of tiles whose rows of queries a workgroup owns, as for y and dq; the first are for few queries. */
export const queryTiles: readonly TileShape[] = [
  { KEY_LANES: 8, QUERY_LANES: 8, PER_LANE: 1 },
  { KEY_LANES: 8, QUERY_LANES: 8, PER_LANE: 4 },
  { KEY_LANES: 8, QUERY_LANES: 16, PER_LANE: 4 },
];

/** Shapes of tiles whose keys a workgroup owns, as for dk and dv, for heads up to 64 wide. */
const keyTiles: readonly TileShape[] = [
  { KEY_LANES: 8, QUERY_LANES: 8, PER_LANE: 4 },
  { KEY_LANES: 16, QUERY_LANES: 8, PER_LANE: 4 },
];

/** For wider heads: two sums of 4 keys a lane take 8 vectors for each column, so there are more lanes to share the columns. */
const wideKeyTiles: readonly TileShape[] = [
  { KEY_LANES: 8, QUERY_LANES: 16, PER_LANE: 2 },
  { KEY_LANES: 16, QUERY_LANES: 16, PER_LANE: 2 },
];

export interface TilePlan {
  readonly constants: TileConstants;
  /** Workgroups that divide the columns of a result among them. */
  readonly columnBlocks: number;
  readonly workgroupSize: number;
  /** Bytes of workgroup memory. */
  readonly bytes: number;
}

/**
 * The constants for a width of heads.
 * @param across lanes that the columns of the result lie over
 */
export function planTile(
  shape: TileShape,
  width: number,
  across: "KEY_LANES" | "QUERY_LANES",
): TilePlan {
  const { KEY_LANES, QUERY_LANES, PER_LANE } = shape;
  const vectors = Math.max(1, Math.ceil(width / 4));
  const CHUNK = Math.min(MOST_CHUNK, 2 ** Math.ceil(Math.log2(vectors)));
  const COLUMNS = Math.min(MOST_COLUMNS, Math.ceil(vectors / shape[across]));
  const rows = QUERY_LANES * PER_LANE;
  const keys = 4 * KEY_LANES;
  const [queryTile, keyTile] = [rows * CHUNK, keys * (CHUNK | 1)];
  // As many rows as the tile holds anyway.
  const [tile, length] = across === "KEY_LANES" ? [keyTile, keys] : [queryTile, rows];
  const fitting = 2 ** Math.floor(Math.log2(tile / (COLUMNS * shape[across])));
  const STEP = Math.min(length, Math.max(4, fitting));
  const vectorsHeld =
    Math.max(queryTile, STEP * COLUMNS * QUERY_LANES) +
    Math.max(keyTile, STEP * COLUMNS * KEY_LANES) +
    rows * KEY_LANES;
  return {
    constants: { ...shape, CHUNK, STEP, COLUMNS },
    columnBlocks: Math.ceil(vectors / (COLUMNS * shape[across])),
    workgroupSize: KEY_LANES * QUERY_LANES,
    // The forward pass has a number for each query and lane beside the tiles.
    bytes: 16 * vectorsHeld + 4 * rows * KEY_LANES,
  };
}

/** The smallest tile that holds all queries, or the largest that the adapter has memory for. */
export function planQueryTile(
  { queries, width }: { readonly queries: number; readonly width: number },
  { workgroupBytes }: AdapterFacts,
): TilePlan {
  const plans = queryTiles.map((shape) => planTile(shape, width, "KEY_LANES"));
  const fitting = plans.filter(({ bytes }) => bytes <= workgroupBytes);
  const enough = fitting.find(({ constants }) => queriesOf(constants) >= queries);
  return enough ?? fitting.at(-1) ?? plans[0]!;
}

/** As planQueryTile, for workgroups that own keys. */
export function planKeyTile(
  { keys, width }: { readonly keys: number; readonly width: number },
  { workgroupBytes }: AdapterFacts,
): TilePlan {
  const shapes = width <= 64 ? keyTiles : wideKeyTiles;
  const plans = shapes.map((shape) => planTile(shape, width, "QUERY_LANES"));
  const fitting = plans.filter(({ bytes }) => bytes <= workgroupBytes);
  const enough = fitting.find(({ constants }) => keysOf(constants) >= keys);
  return enough ?? fitting.at(-1) ?? plans[0]!;
}

export function keysOf({ KEY_LANES }: TileShape): number {
  return 4 * KEY_LANES;
}

export function queriesOf({ QUERY_LANES, PER_LANE }: TileShape): number {
  return QUERY_LANES * PER_LANE;
}

/** The pass of a shader over `blocks` workgroups for each block of columns. */
export function tilePass(
  { vector, scalar }: HeadShaders,
  { constants, columnBlocks, workgroupSize }: TilePlan,
  width: number,
  blocks: number,
): WgslPass {
  const shader = width % 4 === 0 ? vector : scalar;
  const workgroups = blocks * columnBlocks;
  return { shader, constants, workgroupSize, workgroups, params: { columnBlocks } };
}
