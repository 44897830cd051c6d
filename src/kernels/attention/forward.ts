// Attention of all heads at once, read in place from [B, T, H*D] and [B, S, H*D].
//
//   s_ij = scale q_i . k_j + bias_ij      or the lowest finite number where key j is masked
//   P_ij = exp(s_ij - L_i)                L_i = log sum_j exp(s_ij)
//   y_i  = sum_j M_ij P_ij v_j            M = dropout's mask, 0 or 1/(1-p); element ((b H + h) T + i) S + j
//
// Or from packed rows, [tokens, H*D] (packedRows.ts): row b's queries attend to row b's keys, T and S are the row's own. Row i
// of the probabilities is then H (queries before b) + h T + i, of as many elements of dropout's mask as the longest row has keys.
//
// Vaswani et al. 2017, arXiv 1706.03762, eq. 1, with T5's learned position bias and without its scaling
// (Raffel et al. 2020, arXiv 1910.10683, section 2.1). Dropped scores are replaced, not lowered: a row
// whose keys are all masked is uniform, as in transformers (docs/guide/hugging-face-semantics.md 1.6). Only L is kept for the
// backward pass, as in FlashAttention (Dao et al. 2022, arXiv 2205.14135, section 3).

import type { FloatArray } from "../../tensor/dtype.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import {
  attentionScratch,
  checkAttention,
  constantTypes,
  constantsOf,
  paramTypes,
  paramsOf,
  type AttentionConstants,
  type AttentionOptions,
  type AttentionParams,
  MASKED,
  varyingParams,
} from "./options.ts";
import { offsetsTensor, placesIn, rowsOf, type Row } from "./packedRows.ts";
import { planQueryTile, queriesOf, tileConstants, tilePass } from "./tileSizes.ts";
import { boundOffsets } from "./tileRows.ts";
import { tileScores, visibleKeys, type TileProducts } from "./tileSnippets.ts";
import { shadersByUnits, unitsOf } from "./units.ts";
import { keepFactors } from "../pointwise/dropout.ts";
import { defineKernel, launch } from "../kernel.ts";

export interface ScoreInputs {
  readonly q: FloatArray;
  readonly k: FloatArray;
  readonly bias: FloatArray | null;
  /** Whether key s is hidden from the row's query. */
  masked(row: Row, s: number): boolean;
}

/** Scores of one query against all keys of its row into `scores` [S]. */
export function scoreRow(x: ScoreInputs, p: AttentionParams, row: Row, scores: Float64Array): void {
  const { h, t, span } = row;
  const places = placesIn(row, p);
  const query = places.query(t);
  for (let s = 0; s < span.keys; s++) {
    if (x.masked(row, s)) {
      scores[s] = MASKED;
      continue;
    }
    const key = places.key(s);
    const bias = x.bias ? x.bias[(h * p.queries + t) * p.keys + s]! : 0;
    scores[s] = p.scale * innerProduct(x.q, query, x.k, key, p.headDim) + bias;
  }
}

export function innerProduct(
  a: FloatArray,
  atA: number,
  b: FloatArray,
  atB: number,
  size: number,
): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += a[atA + i]! * b[atB + i]!;
  return sum;
}

/** `keeps(b, s)`: whether the padding mask keeps key s. Query t sits at position S - T + t. */
export function maskRule(
  keeps: ((b: number, s: number) => boolean) | null,
  { CAUSAL }: AttentionConstants,
): ScoreInputs["masked"] {
  return ({ b, t, span }, s) =>
    (CAUSAL === 1 && s > span.keys - span.queries + t) || (keeps !== null && !keeps(b, s));
}

const forwardShaders = shadersByUnits(["q", "k", "v"], ["y"], (products: TileProducts) => ({
  reads: ["q", "k", "v", "bias", "mask", "offsets"],
  constants: tileConstants,
  params: { columnBlocks: "u32" },
  uses: [
    products.tileProducts("q", "k"),
    tileScores,
    visibleKeys,
    boundOffsets,
    products.weightedKeys("v"),
    {
      source: /* wgsl */ `
fn keepsKey(b: u32, s: u32) -> bool { return mask[b * params.keys + s] != 0; }`,
    },
  ],
  source: /* wgsl */ `
/** A number for each query and lane: what reduces over the lanes of a query. */
var<workgroup> laneTile: array<f32, QUERIES * KEY_LANES>;
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
  // Largest score so far, the lane's part of the sum of exp(score - most), and of the weighted values.
  var most: array<f32, PER_LANE>;
  var total: array<f32, PER_LANE>;
  var sums: array<vec4<f32>, PER_LANE * COLUMNS>;
  for (var m = 0u; m < PER_LANE; m++) { most[m] = MASKED; }
  let end = visibleKeys(tile, tile.t0 + QUERIES);
  for (var s0 = 0u; s0 < end; s0 += KEYS) {
    tile.s0 = s0;
    let s = s0 + 4u * lane.key;
    var scores: array<vec4<f32>, PER_LANE>;
    qDotK(&scores, tile, lane);
    for (var m = 0u; m < PER_LANE; m++) {
      let i = lane.query * PER_LANE + m;
      let x = scoresOf(scores[m], tile, tile.t0 + i, s);
      scores[m] = x;
      laneTile[i * KEY_LANES + lane.key] = max(max(x.x, x.y), max(x.z, x.w));
    }
    workgroupBarrier();
    for (var m = 0u; m < PER_LANE; m++) {
      let i = lane.query * PER_LANE + m;
      var highest = most[m];
      for (var j = 0u; j < KEY_LANES; j++) { highest = max(highest, laneTile[i * KEY_LANES + j]); }
      let shrink = safeExp(most[m] - highest);
      most[m] = highest;
      // A row of masked keys has weights of 1; keys that do not exist have none.
      let isKey = keysFrom(s) < vec4<u32>(tile.keys);
      var weights = select(vec4<f32>(0.0), safeExp4(scores[m] - highest), isKey);
      total[m] = total[m] * shrink + weights.x + weights.y + weights.z + weights.w;
      for (var c = 0u; c < COLUMNS; c++) { sums[m * COLUMNS + c] *= shrink; }
      if (DROPOUT == 1u) { weights *= keepFactors(rowOf(tile, tile.t0 + i), s); }
      putWeights(lane, m, weights);
    }
    addWeightedV(&sums, tile, lane, firstColumn);
  }
  for (var m = 0u; m < PER_LANE; m++) {
    laneTile[(lane.query * PER_LANE + m) * KEY_LANES + lane.key] = total[m];
  }
  workgroupBarrier();
  for (var m = 0u; m < PER_LANE; m++) {
    let i = lane.query * PER_LANE + m;
    let t = tile.t0 + i;
    if (t >= tile.queries) { continue; }
    var sum = 0.0;
    for (var j = 0u; j < KEY_LANES; j++) { sum += laneTile[i * KEY_LANES + j]; }
    let at = queryAt(tile, t);
    for (var c = 0u; c < COLUMNS; c++) {
      let column = firstColumn + c * KEY_LANES + lane.key;
      if (column < headColumns()) { storeY4(at, column, sums[m * COLUMNS + c] / sum); }
    }
    if (lane.key == 0u && firstColumn == 0u) {
      // Left to the adapter's rounding, the backward pass might not know a row of masked keys again.
      lse[rowOf(tile, t)] = select(most[m] + log(sum), MASKED, most[m] == MASKED);
    }
  }
}`,
}));

/** @param rounds lets matrix units round q, k, v and the weights to 11 bits */
const defineForward = (rounds: boolean) =>
  defineKernel({
    name: `attentionForward${rounds ? "Rounding" : ""}`,
    inputs: {
      ...{ q: "float", k: "float", v: "float", bias: "float?", mask: "i32?" },
      offsets: "float?",
    },
    outputs: { y: "float", lse: "float" },
    params: paramTypes,
    varying: varyingParams,
    constants: constantTypes,
    // Two products, counted whole where a causal mask hides half of them or packed rows are shorter than the longest.
    flops: ({ batch, heads, queries, keys, headDim }) =>
      4 * batch * heads * queries * keys * headDim,
    wasm: {
      name: "attentionForward",
      units: ({ batch, heads }) => batch! * heads!,
      scratch: (params) => attentionScratch(params, 1),
    },
    wgsl: {
      plan({ params, adapter }) {
        const units = unitsOf(adapter, params, rounds);
        const tile = planQueryTile(params, adapter, units);
        const { batch, heads, queries, headDim } = params;
        const blocks = batch * heads * Math.ceil(queries / queriesOf(tile.constants));
        return { passes: [tilePass(forwardShaders(units), tile, headDim, blocks)] };
      },
    },
    plain({ q, k, v, bias, mask, offsets, y, lse }, p, constants) {
      const keeps = mask && ((b: number, s: number) => mask[b * p.keys + s] !== 0);
      const inputs = { q, k, bias, masked: maskRule(keeps, constants) };
      const keep = constants.DROPOUT === 1 ? keepFactors(p) : () => 1;
      const all = new Float64Array(p.keys);
      const sums = new Float64Array(p.headDim);
      for (const at of rowsOf(p, offsets)) {
        const { row, span } = at;
        const places = placesIn(at, p);
        const scores = all.subarray(0, span.keys);
        scoreRow(inputs, p, at, scores);
        const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
        const total = scores.reduce((sum, score) => sum + Math.exp(score - most), 0);
        sums.fill(0);
        for (let s = 0; s < span.keys; s++) {
          const weight = (Math.exp(scores[s]! - most) / total) * keep(row * p.keys + s);
          const value = places.key(s);
          for (let d = 0; d < p.headDim; d++) sums[d] = sums[d]! + weight * v[value + d]!;
        }
        y.set(sums, places.query(at.t));
        lse[row] = most + Math.log(total);
      }
    },
  });

export const attentionForwardKernel = defineForward(false);
const attentionForwardRoundingKernel = defineForward(true);

/**
 * @param q [B, T, H*D]
 * @param k [B, S, H*D], S >= 1
 * @param v [B, S, H*D]
 * @returns y [B, T, H*D] and lse [B*H*T], the logarithms of the softmax denominators; offsets of packed rows
 * @throws {ShapeError | DtypeError} when shapes or the mask's dtype do not fit
 */
export function attentionForward(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttentionOptions,
): { y: Tensor; lse: Tensor; offsets: Tensor | null } {
  checkAttention(q, k, v, options);
  const params = paramsOf(q, k, options);
  const y = empty(q.device, q.shape, q.dtype);
  const lse = empty(q.device, [params.heads * params.allQueries], q.dtype);
  const { bias, mask, rows } = options;
  const offsets = rows ? offsetsTensor(rows, q.device, q.dtype) : null;
  const kernel = options.roundToF16 ? attentionForwardRoundingKernel : attentionForwardKernel;
  launch(kernel, { q, k, v, bias, mask, offsets, y, lse }, params, constantsOf(options));
  return { y, lse, offsets };
}
