// Attention of one new position per row over cached keys and values: the decoding step.
//
//   s_rhj = q_rh . k_shj + bias_h(last - j)     j = 0..last, the keys of row r; s its slot
//   y_rh  = sum_j softmax_j(s_rh)_j v_shj
//
// Caches are [slots, H, capacity, D]: the keys of one head lie side by side, and nothing past a row's last key is read. A
// row says where its keys are by `places` [R, 2]: slot and last position, so that rows of a batch may be of any lengths and
// come and go. Beams that had the same past share it: `origins` [R, capacity] names the slot of each position.

import { invariant } from "../../tensor/errors.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import type { AdapterFacts, WgslShader } from "../../tensor/wgsl.ts";
import { MASKED } from "./options.ts";
import { defineKernel, launch } from "../kernel.ts";
import { headShaders } from "./headSnippets.ts";
import { safeExp } from "../wgsl/math.ts";
import { subgroupMaxima, subgroupSums, workgroupMax, workgroupSum } from "../wgsl/reduce.ts";

/**
 * A workgroup for each row and head. It takes as many keys at a time as it has invocations: each scores a key, then all
 * weigh the values, COLUMN_LANES side by side along a head's columns and the rest along the keys.
 */
const whole: WgslShader = {
  uses: [safeExp, workgroupMax, workgroupSum],
  constants: { COLUMN_LANES: "u32" },
  params: { columnBlocks: "u32" },
  source: /* wgsl */ `
const LEAST = ${MASKED}f;
const KEY_LANES = WG / COLUMN_LANES;
var<workgroup> weights: array<f32, WG>;
var<workgroup> parts: array<vec4<f32>, WG>;
fn headColumns() -> u32 { return (params.headDim + 3u) / 4u; }
fn keyAt(row: u32, slot: u32, h: u32, j: u32) -> u32 {
  var owner = slot;
  if (HAS_ORIGINS) { owner = u32(origins[row * params.capacity + j]); }
  return ((owner * params.heads + h) * params.capacity + j) * params.headDim;
}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = groupIndex(group) / params.columnBlocks / params.heads;
  let h = groupIndex(group) / params.columnBlocks % params.heads;
  if (row >= params.rows) { return; }
  let slot = u32(places[2u * row]);
  let length = u32(places[2u * row + 1u]) + 1u;
  let column = groupIndex(group) % params.columnBlocks * COLUMN_LANES + local % COLUMN_LANES;
  let query = (row * params.heads + h) * params.headDim;
  var most = LEAST;
  var total = 0.0;
  var sum = vec4<f32>(0.0);
  for (var first = 0u; first < length; first += WG) {
    let j = first + local;
    var score = LEAST;
    if (j < length) { score = scoreOf(query, keyAt(row, slot, h, j), h, length, j); }
    let highest = max(most, workgroupMax(local, score));
    let shrink = safeExp(most - highest);
    most = highest;
    let weight = select(0.0, safeExp(score - highest), j < length);
    total = total * shrink + weight;
    weights[local] = weight;
    workgroupBarrier();
    sum *= shrink;
    if (column < headColumns()) {
      let count = min(WG, length - first);
      for (var i = local / COLUMN_LANES; i < count; i += KEY_LANES) {
        sum += weights[i] * v4(keyAt(row, slot, h, first + i), column);
      }
    }
  }
  let denominator = workgroupSum(local, total);
  parts[local] = sum;
  workgroupBarrier();
  if (local >= COLUMN_LANES || column >= headColumns()) { return; }
  for (var i = 1u; i < KEY_LANES; i++) { sum += parts[i * COLUMN_LANES + local]; }
  storeY4(query, column, sum / denominator);
}
fn scoreOf(query: u32, key: u32, h: u32, length: u32, j: u32) -> f32 {
  var score = 0.0;
  for (var c = 0u; c < headColumns(); c++) { score += dot(q4(query, c), k4(key, c)); }
  if (HAS_BIAS) { score += bias[(h + 1u) * params.capacity - length + j]; }
  return score;
}`,
};

/** Neighbours reduce by subgroup shuffles. */
const subgrouped: WgslShader = {
  ...whole,
  name: "subgroups",
  directives: ["enable subgroups;"],
  uses: [safeExp, subgroupMaxima, subgroupSums],
  constants: { ...whole.constants, LANES: "u32" },
};

const tensors = { reads: ["q", "k", "v"], writes: ["y"] };
const shaders = headShaders(whole, tensors);
const subgroupShaders = headShaders(subgrouped, tensors);

/** Invocations whose numbers shuffles can bring together: as many as any subgroup of the adapter has; 1 without subgroups. */
function lanesOf({ features, subgroupSize }: AdapterFacts, workgroupSize: number): number {
  return features.has("subgroups") ? Math.min(subgroupSize?.min ?? 1, workgroupSize) : 1;
}

export const decodeAttentionKernel = defineKernel({
  name: "decodeAttention",
  inputs: { q: "float", k: "float", v: "float", bias: "float?", places: "i32", origins: "i32?" },
  outputs: { y: "float" },
  params: {
    rows: "u32",
    heads: "u32",
    /** Of one head. */
    headDim: "u32",
    capacity: "u32",
    /** Of all rows: what a call reads, for the debug ladder. */
    keys: "u32",
  },
  varying: ["keys"],
  flops: ({ heads, headDim, keys }) => 4 * heads * headDim * keys,
  wasm: {
    name: "decodeAttention",
    units: ({ rows, heads }) => rows! * heads!,
    // The last group of four keys may stand over.
    scratch: ({ capacity }) => 4 * (capacity! + 4),
  },
  wgsl: {
    plan({ params: { rows, heads, headDim, capacity }, adapter }) {
      const workgroupSize = capacity <= 64 ? 64 : 128;
      const vectors = Math.ceil(headDim / 4);
      const COLUMN_LANES = Math.min(workgroupSize, 2 ** Math.ceil(Math.log2(vectors)));
      const columnBlocks = Math.ceil(vectors / COLUMN_LANES);
      const LANES = lanesOf(adapter, workgroupSize);
      const { vector, scalar } = LANES > 1 ? subgroupShaders : shaders;
      return {
        passes: [
          {
            shader: headDim % 4 === 0 ? vector : scalar,
            constants: { COLUMN_LANES, ...(LANES > 1 ? { LANES } : {}) },
            params: { columnBlocks },
            workgroupSize,
            workgroups: rows * heads * columnBlocks,
          },
        ],
      };
    },
  },
  plain({ q, k, v, bias, places, origins, y }, { rows, heads, headDim, capacity }) {
    const scores = new Float64Array(capacity);
    for (let r = 0; r < rows; r++) {
      const length = places[2 * r + 1]! + 1;
      for (let h = 0; h < heads; h++) {
        const at = (r * heads + h) * headDim;
        const keyAt = (j: number): number => {
          const slot = origins ? origins[r * capacity + j]! : places[2 * r]!;
          return ((slot * heads + h) * capacity + j) * headDim;
        };
        let most = -Infinity;
        for (let j = 0; j < length; j++) {
          const key = keyAt(j);
          let score = bias ? bias[(h + 1) * capacity - length + j]! : 0;
          for (let d = 0; d < headDim; d++) score += q[at + d]! * k[key + d]!;
          scores[j] = score;
          most = Math.max(most, score);
        }
        let total = 0;
        for (let j = 0; j < length; j++) total += scores[j] = Math.exp(scores[j]! - most);
        for (let d = 0; d < headDim; d++) {
          let sum = 0;
          for (let j = 0; j < length; j++) sum += scores[j]! * v[keyAt(j) + d]!;
          y[at + d] = sum / total;
        }
      }
    }
  },
});

export interface DecodeAttentionOptions {
  /** i32 [R, 2]: slot and last position of the keys of each row. */
  readonly places: Tensor;
  /** Keys of all rows together. */
  readonly keys: number;
  /** [H, capacity], added to the scores by distance: the last entry is that of a row's last key, the one before of the key before. */
  readonly bias?: Tensor | undefined;
  /** i32 [R, capacity]: the slot of each position of a row, instead of its own. */
  readonly origins?: Tensor | undefined;
}

/**
 * @param q [R, H*D]
 * @param k [slots, H, capacity, D]
 * @param v [slots, H, capacity, D]
 * @returns [R, H*D]
 */
export function decodeAttentionForward(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { places, keys, bias, origins }: DecodeAttentionOptions,
): Tensor {
  const rows = q.shape[0]!;
  const [, heads, capacity, headDim] = k.shape as readonly [number, number, number, number];
  const fits =
    q.shape[1] === heads * headDim &&
    places.size === 2 * rows &&
    (origins === undefined || origins.size === rows * capacity) &&
    (bias === undefined || bias.size === heads * capacity);
  invariant(fits, () => "decodeAttention: caches do not fit");
  const y = empty(q.device, q.shape, q.dtype);
  launch(
    decodeAttentionKernel,
    { q, k, v, bias: bias ?? null, places, origins: origins ?? null, y },
    { rows, heads, headDim, capacity, keys },
  );
  return y;
}
