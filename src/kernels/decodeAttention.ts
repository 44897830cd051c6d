// Attention of one new position per row over cached keys and values: the decoding step.
//
//   s_rhj = q_rh . k_bhj + bias_hj     b = floor(r / rowsPerKey), j < length
//   y_rh  = sum_j softmax_j(s_rh)_j v_bhj
//
// Caches are [B, capacity, H*D] with `length` positions filled. `rowsPerKey` beams share the encoder's
// keys. A masked key gets the finite minimum, so a fully masked row is uniform (hf-semantics 1.6).

import { invariant } from "../tensor/errors.ts";
import { empty, type Tensor } from "../tensor/tensor.ts";
import { defineKernel, launch } from "./kernel.ts";

const MASKED = -3.4028234663852886e38;

export const decodeAttentionKernel = defineKernel({
  name: "decodeAttention",
  inputs: { q: "float", k: "float", v: "float", bias: "float?", mask: "i32?" },
  outputs: { y: "float" },
  params: {
    rows: "u32",
    rowsPerKey: "u32",
    heads: "u32",
    headDim: "u32",
    length: "u32",
    capacity: "u32",
  },
  wasm: {
    name: "decodeAttention",
    range: ({ rows, heads }) => rows! * heads!,
    scratch: ({ length }) => 4 * length!,
  },
  cpu({ q, k, v, bias, mask, y }, { rows, rowsPerKey, heads, headDim, length, capacity }) {
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
export function decodeAttention(
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
