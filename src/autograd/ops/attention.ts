// Multi-head attention with its gradient; the composition from small ops is its oracle.

import { attentionForward } from "../../kernels/attention/forward.ts";
import { attentionBackward } from "../../kernels/attention/backward.ts";
import { maskWords } from "../../kernels/attention/options.ts";
import type { PackedRows } from "../../kernels/attention/packedRows.ts";
import { dropoutParams, type Dropout } from "../../kernels/pointwise/dropout.ts";
import { requireTensors } from "../../tensor/requireTensors.ts";
import { tensor, type Tensor } from "../../tensor/tensor.ts";
import { holdCopy, keptDtype, type KeepOptions } from "../keptCopies.ts";
import { record } from "../tape.ts";
import { cast } from "./cast.ts";
import { dropout as applyDropout } from "./dropout.ts";
import { matmul } from "./matmul.ts";
import { add, addScalar, mul, mulScalar } from "./pointwise.ts";
import { permute, reshape } from "./shape.ts";
import { softmax } from "./softmax.ts";

/** How `attention` splits heads and what it adds to, hides from and drops of the scores; only `heads` is required. */
export interface AttentionOptions extends KeepOptions {
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
  /**
   * Of packed rows, [tokens, H*D]: how many queries and keys each has. Without it rows are of one length, [B, T, H*D]. There is
   * no mask beside it; bias [H, T, S] is that of the longest row, and shorter ones read its beginning. Dropout's element of P
   * is then (H (queries of rows before b) + h T_b + i) S + j, with S of the longest row.
   */
  readonly rows?: PackedRows | null;
  /** Lets a GPU's matrix units round the operands of all products to 11 bits, scaled, as `matmul` does. Default false. */
  readonly roundToF16?: boolean;
}

/**
 * y = dropout(softmax(scale q k^T + bias)) v, head by head. Scores of masked keys are replaced by the
 * lowest finite number: a row with every key masked attends to all S keys alike, never NaN, and passes
 * a gradient to v only.
 * @param q [B, T, H*D], or [tokens, H*D] of packed rows
 * @param k [B, S, H*D], S >= 1, or [tokens, H*D]
 * @param v as k
 * @returns as q
 * @throws {ShapeError} when shapes do not fit
 * @throws {DtypeError} for a mask of floats
 * @throws {ArgumentError} for heads below 1, a dropout probability outside 0..1, a mask beside rows, or a row of queries
 *   without keys
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  requireTensors("attention", { q, k, v });
  const given = (options as AttentionOptions | undefined) ?? ({} as AttentionOptions); // of callers without types
  const { heads, bias = null, mask: givenMask = null, causal = false, scale = 1 } = given;
  const { dropout = null, roundToF16 = false, rows = null } = given;
  const params = dropout && dropoutParams("attention", dropout);
  const settings = {
    heads,
    causal,
    scale,
    roundToF16,
    rows,
    dropout: dropout && dropout.p > 0 ? params : null,
  };
  const mask = givenMask && maskWords(givenMask);
  const keepAs = keptDtype(given.keepAs, [q, k, v, bias]);
  const inputs = { ...settings, bias, mask };
  const { y, lse, offsets, kept } = attentionForward(q, k, v, inputs, keepAs);
  const result = record({
    name: "attention",
    inputs: [q, k, v, bias],
    output: y,
    saved: { ...(kept ?? { q, k, v, y }), bias, mask, lse, offsets },
    backward(dy, saved, { needs, onto }) {
      const [needsQ = false, needsK = false, needsV = false, needsBias = false] = needs;
      const wanted = { q: needsQ, k: needsK, v: needsV, bias: needsBias };
      const sum = needsBias ? onto(3) : null;
      const { dq, dk, dv, dbias } = attentionBackward(dy, saved, settings, wanted, sum);
      return [dq, dk, dv, dbias];
    },
  });
  for (const saved of [lse, offsets]) saved?.dispose(); // the tape has handles of its own
  if (kept) {
    holdCopy(result, kept.y);
    for (const copy of [kept.q, kept.k, kept.v]) copy.dispose();
  }
  return result;
}

const LARGEST = 3.4028234663852886e38;

/** The same from unfused ops: documentation and test oracle of `attention`. */
export function attentionComposed(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttentionOptions,
): Tensor {
  const { heads, dropout = null } = options;
  let probabilities = attentionWeightsComposed(q, k, options);
  if (dropout) probabilities = applyDropout(probabilities, dropout.p, dropout);
  const y = matmul(probabilities, splitHeads(v, heads));
  return reshape(permute(y, [0, 2, 1, 3]), q.shape);
}

/**
 * How much each query looks at each key, which `attention` never writes down: [B, H, T, S], rows sum to 1, without dropout.
 * @param q [B, T, H*D]
 * @param k [B, S, H*D]
 */
export function attentionWeightsComposed(q: Tensor, k: Tensor, options: AttentionOptions): Tensor {
  const { heads, bias = null, mask = null, causal = false, scale = 1 } = options;
  const [B, T] = q.shape as [number, number, number];
  const S = k.shape[1]!;
  const products = matmul(splitHeads(q, heads), splitHeads(k, heads), { transposeB: true });
  let scores = mulScalar(products, scale);
  if (bias) scores = add(scores, bias);
  if (mask) scores = replaceMasked(scores, reshape(cast(mask, q.dtype), [B, 1, 1, S]));
  if (causal) scores = replaceMasked(scores, visibleKeys(T, S, q));
  return softmax(scores);
}

/** [B, length, H*D] -> [B, H, length, D] */
function splitHeads(x: Tensor, heads: number): Tensor {
  const [B, length, columns] = x.shape as [number, number, number];
  return permute(reshape(x, [B, length, heads, columns / heads]), [0, 2, 1, 3]);
}

/** scores where keep is 1; the lowest finite number, without a gradient, where it is 0. */
function replaceMasked(scores: Tensor, keep: Tensor): Tensor {
  return add(mul(scores, keep), addScalar(mulScalar(keep, LARGEST), -LARGEST));
}

/** [T, S], 1 up to the position S - T + t of query t and 0 after it. */
function visibleKeys(T: number, S: number, like: Tensor): Tensor {
  const values = Float64Array.from({ length: T * S }, (_, i) =>
    i % S <= S - T + Math.floor(i / S) ? 1 : 0,
  );
  return tensor(values, [T, S], { device: like.device, dtype: like.dtype });
}
