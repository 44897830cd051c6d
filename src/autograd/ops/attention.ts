// Multi-head attention with its gradient; the composition from small ops is its oracle.

import { attentionForward } from "../../kernels/attention.ts";
import { attentionBackward } from "../../kernels/attentionBackward.ts";
import { maskWords } from "../../kernels/attentionShapes.ts";
import { dropoutParams, type Dropout } from "../../kernels/dropout.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../tape.ts";

export interface AttentionOptions {
  readonly heads: number;
  /** [H, T, S] or [1, H, T, S], added to the scores of every batch element; learned. */
  readonly bias?: Tensor | null;
  /** i32, u32 or bool [B, S]: 1 keeps a key, 0 drops it (padding). */
  readonly mask?: Tensor | null;
  /** Drops the keys after each query; query i sits at position S - T + i. Default false. */
  readonly causal?: boolean;
  /** Factor on q . k. Default 1, as T5 has none; elsewhere 1 / sqrt(D). */
  readonly scale?: number;
  /** Of the probabilities; element ((b H + h) T + i) S + j of the stream belongs to P[b, h, i, j]. */
  readonly dropout?: Dropout | null;
}

/**
 * y = dropout(softmax(scale q k^T + bias)) v, head by head. Scores of dropped keys are replaced by the
 * lowest finite number: a row with every key dropped attends to all S keys alike, never NaN, and passes
 * a gradient to v only.
 * @param q [B, T, H*D]
 * @param k [B, S, H*D], S >= 1
 * @param v [B, S, H*D]
 * @returns [B, T, H*D]
 * @throws {ShapeError} when shapes do not fit
 * @throws {DtypeError} for a mask of floats
 * @throws {ArgumentError} for heads below 1 or a dropout probability outside 0..1
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  const { heads, bias = null, mask: givenMask = null, causal = false, scale = 1 } = options;
  const { dropout = null } = options;
  const params = dropout && dropoutParams("attention", dropout);
  const settings = { heads, causal, scale, dropout: dropout && dropout.p > 0 ? params : null };
  const mask = givenMask && maskWords(givenMask);
  const { y, lse } = attentionForward(q, k, v, { ...settings, bias, mask });
  return record({
    name: "attention",
    inputs: [q, k, v, bias],
    output: y,
    saved: { q, k, v, bias, mask, y, lse },
    backward(dy, saved, needs) {
      const [needsQ = false, needsK = false, needsV = false, needsBias = false] = needs;
      const wanted = { q: needsQ, k: needsK, v: needsV, bias: needsBias };
      const { dq, dk, dv, dbias } = attentionBackward(dy, saved, settings, wanted);
      return [dq, dk, dv, dbias];
    },
  });
}
