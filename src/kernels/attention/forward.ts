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

import { SLICE_ALIGNMENT } from "../../tensor/device.ts";
import { byteLength, dtypes, type FloatArray, type HalfDtype } from "../../tensor/dtype.ts";
import { empty, Tensor } from "../../tensor/tensor.ts";
import { narrowInto, writesCopies } from "../pointwise/keptCopies.ts";
import { castForward } from "../pointwise/cast.ts";
import { storedFloats } from "../storedFloats.ts";
import { forwardPasses } from "./forwardShaders.ts";
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

interface Arrays {
  readonly q: FloatArray;
  readonly k: FloatArray;
  readonly v: FloatArray;
  readonly bias: FloatArray | null;
  readonly mask: Int32Array | null;
  readonly offsets: FloatArray | null;
  readonly y: FloatArray;
  readonly lse: FloatArray;
}

/** The plain body. */
function attend(
  { q, k, v, bias, mask, offsets, y, lse }: Arrays,
  p: AttentionParams,
  constants: AttentionConstants,
): void {
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
}

const inputs = {
  q: "float",
  k: "float",
  v: "float",
  bias: "float?",
  mask: "i32?",
  offsets: "float?",
} as const;

const forward = {
  constants: constantTypes,
  // Two products, counted whole where a causal mask hides half of them or packed rows are shorter than the longest.
  flops: ({ batch, heads, queries, keys, headDim }: AttentionParams) =>
    4 * batch * heads * queries * keys * headDim,
};

/** @param rounds lets matrix units round q, k, v and the weights to 11 bits */
const defineForward = (rounds: boolean) =>
  defineKernel({
    name: `attentionForward${rounds ? "Rounding" : ""}`,
    inputs,
    outputs: { y: "float", lse: "float" },
    params: paramTypes,
    varying: varyingParams,
    ...forward,
    wasm: {
      name: "attentionForward",
      units: ({ batch, heads }) => batch! * heads!,
      scratch: (params) => attentionScratch(params, 1),
    },
    wgsl: {
      plan: ({ params, constants, adapter }) => ({
        passes: forwardPasses(params, constants, adapter, { rounds, keepAs: null }),
      }),
    },
    plain: attend,
  });

const kernels = { exact: defineForward(false), rounding: defineForward(true) };

/** Elements of `kept` at which q, k and v begin; y is in front. */
const keptParams = { firstQ: "u32", firstK: "u32", firstV: "u32" } as const;

/** The same in a GPU's pass with copies of y, q, k and v in one buffer, for a kernel may bind eight. Heads are whole vectors. */
const defineKeeping = (rounds: boolean, keepAs: HalfDtype) =>
  defineKernel({
    name: `attentionForwardKeeping${storedFloats[keepAs].suffix}${rounds ? "Rounding" : ""}`,
    inputs,
    outputs: { y: "float", lse: "float", kept: keepAs },
    params: { ...paramTypes, ...keptParams },
    varying: [...varyingParams, "firstQ", "firstK", "firstV"],
    ...forward,
    wgsl: {
      plan: ({ params, constants, adapter }) => ({
        passes: forwardPasses(params, constants, adapter, { rounds, keepAs }),
      }),
    },
    plain({ kept, ...arrays }, params, constants) {
      attend(arrays, params, constants);
      narrowInto(kept, arrays.y, keepAs);
      narrowInto(kept, arrays.q, keepAs, params.firstQ);
      narrowInto(kept, arrays.k, keepAs, params.firstK);
      narrowInto(kept, arrays.v, keepAs, params.firstV);
    },
  });

const keepingKernels = {
  bf16: { exact: defineKeeping(false, "bf16"), rounding: defineKeeping(true, "bf16") },
  f16: { exact: defineKeeping(false, "f16"), rounding: defineKeeping(true, "f16") },
};

/** What backward reads of an attention, in 16 bits. */
export interface KeptOfAttention {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  /** The result, which the layer behind it reads again. */
  readonly y: Tensor;
}

export interface Attended {
  /** As q. */
  readonly y: Tensor;
  /** [B*H*T], the logarithms of the softmax denominators. */
  readonly lse: Tensor;
  /** Of packed rows. */
  readonly offsets: Tensor | null;
  /** Copies as the dtype that was asked for; null where none was. */
  readonly kept: KeptOfAttention | null;
}

/**
 * @param q [B, T, H*D]
 * @param k [B, S, H*D], S >= 1
 * @param v [B, S, H*D]
 * @param keepAs gives copies in 16 bits for the backward pass, too, of f32 tensors
 * @throws {ShapeError | DtypeError} when shapes or the mask's dtype do not fit
 */
export function attentionForward(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttentionOptions,
  keepAs: HalfDtype | null = null,
): Attended {
  checkAttention(q, k, v, options);
  const params = paramsOf(q, k, options);
  const y = empty(q.device, q.shape, q.dtype);
  const lse = empty(q.device, [params.heads * params.allQueries], q.dtype);
  const { bias, mask, rows } = options;
  const offsets = rows ? offsetsTensor(rows, q.device, q.dtype) : null;
  const tensors = { q, k, v, bias, mask, offsets, y, lse };
  const precision = options.roundToF16 ? "rounding" : "exact";
  const kernel = keepAs && keepingKernels[keepAs][precision];
  if (kernel && writesCopies(kernel, q, params.headDim)) {
    const { kept, whole, starts } = roomForCopies({ y, q, k, v }, keepAs);
    launch(kernel, { ...tensors, kept: whole }, { ...params, ...starts }, constantsOf(options));
    whole.dispose();
    return { y, lse, offsets, kept };
  }
  launch(kernels[precision], tensors, params, constantsOf(options));
  if (keepAs === null) return { y, lse, offsets, kept: null };
  const copy = (x: Tensor): Tensor => castForward(x, keepAs);
  return { y, lse, offsets, kept: { q: copy(q), k: copy(k), v: copy(v), y: copy(y) } };
}

/** One buffer for copies, and the parts of it that are each tensor's. */
function roomForCopies({ y, q, k, v }: KeptOfAttention, dtype: HalfDtype) {
  const { bytes } = dtypes[dtype];
  const aligned = (size: number): number =>
    (Math.ceil((bytes * size) / SLICE_ALIGNMENT) * SLICE_ALIGNMENT) / bytes;
  const [queries, keys] = [aligned(q.size), aligned(k.size)];
  const [firstQ, firstK, firstV] = [queries, 2 * queries, 2 * queries + keys];
  const whole = empty(q.device, [firstV + keys], dtype);
  const part = (x: Tensor, first: number): Tensor => {
    const storage = whole.storage.slice(bytes * first, byteLength(dtype, x.size));
    return new Tensor(storage, x.shape, dtype, x.device);
  };
  const kept = { y: part(y, 0), q: part(q, firstQ), k: part(k, firstK), v: part(v, firstV) };
  return { whole, kept, starts: { firstQ, firstK, firstV } };
}
