// The WGSL of backward.ts; formulas are there, tiles in tileSnippets.ts.
//
// Three shaders compute a tile's M P and dS again and sum dS along different axes: over keys (dq), over queries (dk, and
// M P for dv), over the batch (dbias). Each sum has one workgroup, so there are no atomics and every run gives the same bits.

import type { AdapterFacts, WgslPass, WgslShader, WgslSnippet } from "../../tensor/wgsl.ts";
import type { StoredFloat } from "../storedFloats.ts";
import type { AttentionParams } from "./options.ts";
import {
  keysOf,
  planKeyTile,
  planQueryTile,
  queriesOf,
  tileConstants,
  tilePass,
} from "./tileSizes.ts";
import { tileScores, visibleKeys, type TileProducts } from "./tileSnippets.ts";
import { shadersByUnits, unitsOf } from "./units.ts";

// ---------------------------------------------------------------------------------------------
// Gradients of a tile

const gradientTile = ({ tileProducts }: TileProducts): WgslSnippet => ({
  uses: [tileProducts("q", "k"), tileProducts("dy", "v"), tileScores],
  source: /* wgsl */ `
fn keepsKey(b: u32, s: u32) -> bool {
  return stats[2u * params.heads * params.allQueries + b * params.keys + s] != 0.0;
}
fn rowOffset(i: u32) -> u32 { return u32(stats[2u * params.heads * params.allQueries + i]); }
/** M P and dS of the lane's queries and keys. Has barriers. */
fn gradientTile(
  weights: ptr<function, array<vec4<f32>, PER_LANE>>, ds: ptr<function, array<vec4<f32>, PER_LANE>>,
  tile: Tile, lane: Lane,
) {
  qDotK(weights, tile, lane);
  dyDotV(ds, tile, lane);
  let s = tile.s0 + 4u * lane.key;
  for (var m = 0u; m < PER_LANE; m++) {
    let t = tile.t0 + lane.query * PER_LANE + m;
    if (t >= tile.queries) {
      (*weights)[m] = vec4<f32>(0.0);
      (*ds)[m] = vec4<f32>(0.0);
      continue;
    }
    let row = rowOf(tile, t);
    let lse = stats[row];
    let delta = stats[params.heads * params.allQueries + row];
    let scores = scoresOf((*weights)[m], tile, t, s);
    // Next to the score of a masked key the logarithm of the row's length was rounded away.
    let share = vec4<f32>(1.0 / f32(tile.keys));
    var p = select(safeExp4(scores - lse), share, lse == MASKED);
    p = select(vec4<f32>(0.0), p, keysFrom(s) < vec4<u32>(tile.keys));
    var factors = vec4<f32>(1.0);
    if (DROPOUT == 1u) { factors = keepFactors(row, s); }
    (*weights)[m] = factors * p;
    (*ds)[m] = select(p * (factors * (*ds)[m] - delta), vec4<f32>(0.0), scores == vec4<f32>(MASKED));
  }
}`,
});

const reads = ["q", "k", "v", "bias", "dy", "stats"] as const;
const heads = ["q", "k", "v", "dy"];
/** Those that may be kept in 16 bits. */
const kept = ["q", "k", "v"];

// ---------------------------------------------------------------------------------------------
// dq: a workgroup owns queries and goes through the keys

const queryShaders = shadersByUnits({ reads: heads, writes: ["dq"], kept }, (products) => ({
  name: "query",
  reads,
  writes: ["dq"],
  constants: tileConstants,
  params: { columnBlocks: "u32" },
  uses: [gradientTile(products), visibleKeys, products.weightedKeys("k")],
  source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let blocks = (params.queries + QUERIES - 1u) / QUERIES;
  let firstColumn = groupIndex(group) % params.columnBlocks * COLUMNS * KEY_LANES;
  let block = groupIndex(group) / params.columnBlocks;
  let head = block / blocks;
  if (head >= params.batch * params.heads) { return; }
  var tile = tileOf(head / params.heads, head % params.heads, block % blocks * QUERIES, 0u);
  if (tile.t0 >= tile.queries) { return; }
  let lane = laneOf(local);
  var sums: array<vec4<f32>, PER_LANE * COLUMNS>;
  let end = visibleKeys(tile, tile.t0 + QUERIES);
  for (var s0 = 0u; s0 < end; s0 += KEYS) {
    tile.s0 = s0;
    var weights: array<vec4<f32>, PER_LANE>;
    var ds: array<vec4<f32>, PER_LANE>;
    gradientTile(&weights, &ds, tile, lane);
    for (var m = 0u; m < PER_LANE; m++) {
      putWeights(lane, m, ds[m]);
    }
    addWeightedK(&sums, tile, lane, firstColumn);
  }
  for (var m = 0u; m < PER_LANE; m++) {
    let t = tile.t0 + lane.query * PER_LANE + m;
    if (t >= tile.queries) { continue; }
    let at = queryAt(tile, t);
    for (var c = 0u; c < COLUMNS; c++) {
      let column = firstColumn + c * KEY_LANES + lane.key;
      if (column < headColumns()) { storeDq4(at, column, params.scale * sums[m * COLUMNS + c]); }
    }
  }
}`,
}));

// ---------------------------------------------------------------------------------------------
// dbias: a workgroup owns a tile of scores and goes through the batch

const biasShaders = shadersByUnits({ reads: heads, writes: [], kept }, (products): WgslShader => ({
  name: "bias",
  reads,
  writes: ["dbias"],
  constants: tileConstants,
  params: { columnBlocks: "u32" },
  uses: [gradientTile(products)],
  source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let across = (params.keys + KEYS - 1u) / KEYS;
  let down = (params.queries + QUERIES - 1u) / QUERIES;
  let block = groupIndex(group);
  let h = block / across / down;
  if (h >= params.heads) { return; }
  let t0 = block / across % down * QUERIES;
  let s0 = block % across * KEYS;
  let lane = laneOf(local);
  var sums: array<vec4<f32>, PER_LANE>;
  for (var b = 0u; b < params.batch; b++) {
    let tile = tileOf(b, h, t0, s0);
    if (t0 >= tile.queries || s0 >= tile.keys) { continue; }
    var weights: array<vec4<f32>, PER_LANE>;
    var ds: array<vec4<f32>, PER_LANE>;
    gradientTile(&weights, &ds, tile, lane);
    for (var m = 0u; m < PER_LANE; m++) { sums[m] += ds[m]; }
  }
  for (var m = 0u; m < PER_LANE; m++) {
    let t = t0 + lane.query * PER_LANE + m;
    for (var i = 0u; i < 4u; i++) {
      let s = s0 + 4u * lane.key + i;
      if (t >= params.queries || s >= params.keys) { continue; }
      let at = (h * params.queries + t) * params.keys + s;
      if (params.accumulate == 1u) { dbias[at] += sums[m][i]; } else { dbias[at] = sums[m][i]; }
    }
  }
}`,
}));

/** Which of the shaders: how q, k and v are stored, and whether matrix units may round what they multiply. */
export interface GradientVariant {
  readonly stored: StoredFloat;
  readonly rounds: boolean;
}

/** @param wantsBias whether dbias is asked for, too */
export function queryPasses(
  params: AttentionParams,
  adapter: AdapterFacts,
  wantsBias: boolean,
  { stored, rounds }: GradientVariant,
): WgslPass[] {
  const { batch, heads, queries, keys, headDim } = params;
  const units = unitsOf(adapter, params, rounds);
  const tile = planQueryTile(params, adapter, units);
  const rows = Math.ceil(queries / queriesOf(tile.constants));
  const passes = [tilePass(queryShaders(units, stored), tile, headDim, batch * heads * rows)];
  if (!wantsBias) return passes;
  const square = { ...planKeyTile(params, adapter, units), columnBlocks: 1 };
  const down = Math.ceil(queries / queriesOf(square.constants));
  const across = Math.ceil(keys / keysOf(square.constants));
  return [...passes, tilePass(biasShaders(units, stored), square, headDim, heads * down * across)];
}

// ---------------------------------------------------------------------------------------------
// dk and dv: a workgroup owns keys and goes through the queries

const keyValueShaders = shadersByUnits(
  { reads: heads, writes: ["dk", "dv"], kept },
  (products) => ({
    name: "keyValue",
    reads,
    writes: ["dk", "dv"],
    constants: tileConstants,
    params: { columnBlocks: "u32" },
    uses: [gradientTile(products), products.weightedQueries("q"), products.weightedQueries("dy")],
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let blocks = (params.keys + KEYS - 1u) / KEYS;
  let firstColumn = groupIndex(group) % params.columnBlocks * COLUMNS * QUERY_LANES;
  let block = groupIndex(group) / params.columnBlocks;
  let head = block / blocks;
  if (head >= params.batch * params.heads) { return; }
  let s0 = block % blocks * KEYS;
  var tile = tileOf(head / params.heads, head % params.heads, 0u, s0);
  if (s0 >= tile.keys) { return; }
  let lane = laneOf(local);
  var keySums: array<vec4<f32>, 4u * COLUMNS>;
  var valueSums: array<vec4<f32>, 4u * COLUMNS>;
  for (var t0 = firstBlock(tile); t0 < tile.queries; t0 += QUERIES) {
    tile.t0 = t0;
    var weights: array<vec4<f32>, PER_LANE>;
    var ds: array<vec4<f32>, PER_LANE>;
    gradientTile(&weights, &ds, tile, lane);
    for (var m = 0u; m < PER_LANE; m++) {
      putWeights(lane, m, weights[m]);
    }
    addWeightedDy(&valueSums, tile, lane, firstColumn);
    workgroupBarrier(); // the weights have been read
    for (var m = 0u; m < PER_LANE; m++) {
      putWeights(lane, m, ds[m]);
    }
    addWeightedQ(&keySums, tile, lane, firstColumn);
  }
  for (var i = 0u; i < 4u; i++) {
    let s = s0 + 4u * lane.key + i;
    if (s >= tile.keys) { continue; }
    let at = keyAt(tile, s);
    for (var c = 0u; c < COLUMNS; c++) {
      let column = firstColumn + c * QUERY_LANES + lane.query;
      if (column >= headColumns()) { continue; }
      storeDk4(at, column, params.scale * keySums[i * COLUMNS + c]);
      storeDv4(at, column, valueSums[i * COLUMNS + c]);
    }
  }
}
/** Queries before it give the tile's keys no weight: the counterpart of visibleKeys. */
fn firstBlock(tile: Tile) -> u32 {
  if (CAUSAL == 0u || MASK == 1u || tile.keys < tile.queries) { return 0u; }
  let shift = tile.keys - tile.queries;
  return (tile.s0 - min(tile.s0, shift)) / QUERIES * QUERIES;
}`,
  }),
);

export function keyValuePasses(
  params: AttentionParams,
  adapter: AdapterFacts,
  { stored, rounds }: GradientVariant,
): WgslPass[] {
  const units = unitsOf(adapter, params, rounds);
  const { batch, heads, keys, headDim } = params;
  const tile = planKeyTile(params, adapter, units);
  const blocks = batch * heads * Math.ceil(keys / keysOf(tile.constants));
  return [tilePass(keyValueShaders(units, stored), tile, headDim, blocks)];
}
