// Attention of one new position per row over cached keys and values: the decoding step.
//
//   s_rhj = q_rh . k_bhj + bias_hj     b = floor(r / rowsPerKey), j < length
//   y_rh  = sum_j softmax_j(s_rh)_j v_bhj
//
// Caches are [B, capacity, H*D] with `length` positions filled. `rowsPerKey` beams share the encoder's
// keys. A masked key gets the finite minimum, so a fully masked row is uniform (docs/guide/hugging-face-semantics.md 1.6).

import { invariant } from "../../tensor/errors.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { MASKED } from "./options.ts";
import { defineKernel, launch } from "../kernel.ts";
import { headPlaces, headShaders } from "./headSnippets.ts";
import { safeExp } from "../wgsl/math.ts";
import { workgroupMax, workgroupSum } from "../wgsl/reduce.ts";

/**
 * A workgroup for each row and head. It takes as many keys at a time as it has invocations: each scores a key, then all
 * weigh the values, COLUMN_LANES side by side along a head's columns and the rest along the keys.
 */
const shaders = headShaders(
  {
    uses: [headPlaces, safeExp, workgroupMax, workgroupSum],
    constants: { COLUMN_LANES: "u32" },
    params: { columnBlocks: "u32" },
    source: /* wgsl */ `
const MASKED = ${MASKED}f;
const KEY_LANES = WG / COLUMN_LANES;
var<workgroup> weights: array<f32, WG>;
var<workgroup> parts: array<vec4<f32>, WG>;
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = groupIndex(group) / params.columnBlocks / params.heads;
  let h = groupIndex(group) / params.columnBlocks % params.heads;
  if (row >= params.rows) { return; }
  let item = row / params.rowsPerKey;
  let column = groupIndex(group) % params.columnBlocks * COLUMN_LANES + local % COLUMN_LANES;
  let query = headAt(row, 1u, 0u, h);
  var most = MASKED;
  var total = 0.0;
  var sum = vec4<f32>(0.0);
  for (var first = 0u; first < params.length; first += WG) {
    let score = scoreOf(query, item, h, first + local);
    let highest = max(most, workgroupMax(local, score));
    let shrink = safeExp(most - highest);
    most = highest;
    let weight = select(0.0, safeExp(score - highest), first + local < params.length);
    total = total * shrink + weight;
    weights[local] = weight;
    workgroupBarrier();
    sum *= shrink;
    if (column < headColumns()) {
      let count = min(WG, params.length - first);
      for (var i = local / COLUMN_LANES; i < count; i += KEY_LANES) {
        sum += weights[i] * v4(headAt(item, params.capacity, first + i, h), column);
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
fn scoreOf(query: u32, item: u32, h: u32, j: u32) -> f32 {
  if (j >= params.length) { return MASKED; }
  if (HAS_MASK) {
    if (mask[item * params.length + j] == 0) { return MASKED; }
  }
  let key = headAt(item, params.capacity, j, h);
  var score = 0.0;
  for (var c = 0u; c < headColumns(); c++) { score += dot(q4(query, c), k4(key, c)); }
  if (HAS_BIAS) { score += bias[h * params.length + j]; }
  return score;
}`,
  },
  ["q", "k", "v"],
  ["y"],
);

export const decodeAttentionKernel = defineKernel({
  name: "decodeAttention",
  inputs: { q: "float", k: "float", v: "float", bias: "float?", mask: "i32?" },
  outputs: { y: "float" },
  params: {
    rows: "u32",
    rowsPerKey: "u32",
    heads: "u32",
    /** Of one head. */
    headDim: "u32",
    length: "u32",
    capacity: "u32",
  },
  flops: ({ rows, heads, headDim, length }) => 4 * rows * heads * headDim * length,
  wasm: {
    name: "decodeAttention",
    units: ({ rows, heads }) => rows! * heads!,
    scratch: ({ length }) => 4 * length!,
  },
  wgsl: {
    plan({ params: { rows, heads, headDim, length } }) {
      const workgroupSize = length <= 64 ? 64 : 128;
      const vectors = Math.ceil(headDim / 4);
      const COLUMN_LANES = Math.min(workgroupSize, 2 ** Math.ceil(Math.log2(vectors)));
      const columnBlocks = Math.ceil(vectors / COLUMN_LANES);
      return {
        passes: [
          {
            shader: headDim % 4 === 0 ? shaders.vector : shaders.scalar,
            constants: { COLUMN_LANES },
            params: { columnBlocks },
            workgroupSize,
            workgroups: rows * heads * columnBlocks,
          },
        ],
      };
    },
  },
  plain({ q, k, v, bias, mask, y }, { rows, rowsPerKey, heads, headDim, length, capacity }) {
    const width = heads * headDim;
    const scores = new Float64Array(length);
    for (let r = 0; r < rows; r++) {
      const item = Math.floor(r / rowsPerKey);
      for (let h = 0; h < heads; h++) {
        const at = r * width + h * headDim;
        let most = -Infinity;
        for (let j = 0; j < length; j++) {
          const key = (item * capacity + j) * width + h * headDim;
          let score = bias ? bias[h * length + j]! : 0;
          for (let d = 0; d < headDim; d++) score += q[at + d]! * k[key + d]!;
          if (mask && mask[item * length + j] === 0) score = MASKED;
          scores[j] = score;
          most = Math.max(most, score);
        }
        let total = 0;
        for (let j = 0; j < length; j++) total += scores[j] = Math.exp(scores[j]! - most);
        for (let d = 0; d < headDim; d++) {
          let sum = 0;
          for (let j = 0; j < length; j++) {
            sum += scores[j]! * v[(item * capacity + j) * width + h * headDim + d]!;
          }
          y[at + d] = sum / total;
        }
      }
    }
  },
});

export interface DecodeAttentionOptions {
  readonly heads: number;
  /** Filled positions of the caches, 1..capacity. */
  readonly length: number;
  /** [H, length], added to the scores. */
  readonly bias?: Tensor;
  /** i32 [B, length]; 1 keeps, 0 hides. */
  readonly mask?: Tensor | undefined;
}

/**
 * @param q [R, H*D], R a multiple of B
 * @param k [B, capacity, H*D]
 * @param v [B, capacity, H*D]
 * @returns [R, H*D]
 */
export function decodeAttentionForward(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { heads, length, bias, mask }: DecodeAttentionOptions,
): Tensor {
  const [rows, width] = [q.shape[0]!, q.shape[1]!];
  const [items, capacity] = [k.shape[0]!, k.shape[1]!];
  invariant(rows % items === 0 && length <= capacity, () => "decodeAttention: caches do not fit");
  const y = empty(q.device, q.shape, q.dtype);
  launch(
    decodeAttentionKernel,
    { q, k, v, bias: bias ?? null, mask: mask ?? null, y },
    { rows, rowsPerKey: rows / items, heads, headDim: width / heads, length, capacity },
  );
  return y;
}
