// Backward pass of attention. Probabilities are computed again from the saved L; no [T, S] is kept.
//
//   dP_ij = M_ij dy_i . v_j        delta_i = sum_j P_ij dP_ij = dy_i . y_i
//   dS_ij = P_ij (dP_ij - delta_i), 0 where key j is masked
//   dq_i = scale sum_j dS_ij k_j          dk_j = scale sum_i dS_ij q_i          dv_j = sum_i M_ij P_ij dy_i
//   dbias_hij = sum_b dS_bhij                added to what dbias holds where `accumulate` is 1
//
// Dao et al. 2022, arXiv 2205.14135, appendix B.2 (delta also holds with dropout). Two passes, split by
// what they sum over, compute S and dP each for themselves: neither adds into what another thread
// holds, and either can be left out. stats.ts has L and delta; q, k and v may be kept in 16 bits beside f32.

import type { FloatArray } from "../../tensor/dtype.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import type { WasmCall, WasmPass, WasmPlan, WasmPlannedFunction } from "../../tensor/wasm.ts";
import { innerProduct, maskRule, scoreRow, type ScoreInputs } from "./forward.ts";
import { placesIn, rowsOf, type Row } from "./packedRows.ts";
import { keyValuePasses, queryPasses, type GradientVariant } from "./backwardShaders.ts";
import { attentionBackwardStats } from "./stats.ts";
import {
  attentionScratch,
  constantTypes,
  constantsOf,
  paramTypes,
  paramsOf,
  SCORE_BLOCK,
  type AttentionConstants,
  type AttentionOptions,
  type AttentionParams,
  MASKED,
  varyingParams,
} from "./options.ts";
import { keepFactors } from "../pointwise/dropout.ts";
import { readingFloats, suffixOfKept, withReadable } from "../pointwise/keptCopies.ts";
import { defineKernel, launch } from "../kernel.ts";
import { perStoredFloat, storedAs, storedFloats } from "../storedFloats.ts";

// ---------------------------------------------------------------------------------------------
// Gradients

interface GradientInputs {
  readonly q: FloatArray;
  readonly k: FloatArray;
  readonly v: FloatArray;
  readonly bias: FloatArray | null;
  readonly dy: FloatArray;
  readonly stats: FloatArray;
}

/** M P and dS of one row at a time, by one function for both kernels. */
function rowGradients(x: GradientInputs, p: AttentionParams, constants: AttentionConstants) {
  const rows = p.heads * p.allQueries;
  const keeps =
    constants.MASK === 1
      ? (b: number, s: number) => x.stats[2 * rows + b * p.keys + s] !== 0
      : null;
  const scores: ScoreInputs = { ...x, masked: maskRule(keeps, constants) };
  const keep = constants.DROPOUT === 1 ? keepFactors(p) : () => 1;
  const weights = new Float64Array(p.keys);
  const ds = new Float64Array(p.keys);
  return (at: Row): { weights: Float64Array; ds: Float64Array } => {
    const { row, span } = at;
    const places = placesIn(at, p);
    const lse = x.stats[row]!;
    const delta = x.stats[rows + row]!;
    scoreRow(scores, p, at, weights);
    for (let s = 0; s < span.keys; s++) {
      const score = weights[s]!;
      // Next to the score of a masked key the logarithm of the row's length was rounded away.
      const probability = lse === MASKED ? 1 / span.keys : Math.exp(score - lse);
      const factor = keep(row * p.keys + s);
      const dp = factor * innerProduct(x.dy, places.query(at.t), x.v, places.key(s), p.headDim);
      weights[s] = factor * probability;
      ds[s] = score === MASKED ? 0 : probability * (dp - delta);
    }
    return { weights, ds };
  };
}

// The WebAssembly functions. Heads by blocks of queries, because an element of the bias gradient is a sum over the batch:
const byQueries: WasmPlannedFunction = {
  name: "attentionBackwardQuery",
  writes: ["dq", "dbias"],
  takesScratch: true,
};
const byKeys: WasmPlannedFunction = {
  name: "attentionBackwardKeyValue",
  writes: ["dk", "dv"],
  takesScratch: true,
};
/**
 * Both at once, where one thread owns whatever a head adds to: each row's P and dS are computed once instead of twice.
 * byHead: a thread takes a head through the whole batch, as dbias needs; otherwise a head of one batch element.
 */
const atOnce: WasmPlannedFunction = {
  name: "attentionBackwardAll",
  params: ["byHead"],
  takesScratch: true,
};

function planFunctions({ params, tensors, threads }: WasmCall<AttentionParams>): WasmPlan {
  const { batch, heads, queries } = params;
  const scratchBytes = attentionScratch(params, 2);
  const [wantsQueries, wantsKeys] = [Boolean(tensors["dq"]), Boolean(tensors["dk"])];
  const byHead = tensors["dbias"] ? 1 : 0;
  const owned = byHead === 1 ? heads : batch * heads;
  if (wantsQueries && wantsKeys && owned >= 2 * threads) {
    return { passes: [{ function: atOnce, units: owned, params: { byHead }, scratchBytes }] };
  }
  const blocks = heads * Math.ceil(queries / SCORE_BLOCK);
  const passes: WasmPass[] = [];
  if (wantsQueries) passes.push({ function: byQueries, units: blocks, scratchBytes });
  if (wantsKeys) passes.push({ function: byKeys, units: batch * heads, scratchBytes });
  return { passes };
}

/** Those of dq with dbias, or dk with dv, or all: what is null is not computed. */
function defineBackward(variant: GradientVariant) {
  const { stored, rounds } = variant;
  const { binding, widen } = storedFloats[stored];
  return defineKernel({
    name: `attentionBackward${suffixOfKept(stored)}${rounds ? "Rounding" : ""}`,
    inputs: { q: binding, k: binding, v: binding, bias: "float?", dy: "float", stats: "float" },
    outputs: { dq: "float?", dbias: "float?", dk: "float?", dv: "float?" },
    params: { ...paramTypes, accumulate: "u32" },
    varying: varyingParams,
    constants: constantTypes,
    // Scores and their gradients, and a product for each gradient that is wanted.
    flops({ batch, heads, queries, keys, headDim }, { dq, dk, dv }) {
      const products = 2 + [dq, dk, dv].filter(Boolean).length;
      return 2 * products * batch * heads * queries * keys * headDim;
    },
    ...readingFloats(stored, { functions: [byQueries, byKeys, atOnce], plan: planFunctions }),
    wgsl: {
      plan: ({ params, tensors, adapter }) => ({
        passes: [
          ...(tensors["dq"]
            ? queryPasses(params, adapter, tensors["dbias"] !== null, variant)
            : []),
          ...(tensors["dk"] ? keyValuePasses(params, adapter, variant) : []),
        ],
      }),
    },
    plain({ dq, dbias, dk, dv, ...given }, p, constants) {
      const x = { ...given, q: widen(given.q), k: widen(given.k), v: widen(given.v) };
      const gradients = rowGradients(x, p, constants);
      for (const sums of [dq, dk, dv]) sums?.fill(0);
      if (p.accumulate === 0) dbias?.fill(0);
      const offsets = constants.PACKED === 1 ? x.stats.subarray(2 * p.heads * p.allQueries) : null;
      for (const at of rowsOf(p, offsets)) {
        const { weights, ds } = gradients(at);
        const places = placesIn(at, p);
        const query = places.query(at.t);
        for (let s = 0; s < at.span.keys; s++) {
          const key = places.key(s);
          if (dq) addScaled(dq, query, p.scale * ds[s]!, x.k, key, p.headDim);
          if (dk) addScaled(dk, key, p.scale * ds[s]!, x.q, query, p.headDim);
          if (dv) addScaled(dv, key, weights[s]!, x.dy, query, p.headDim);
        }
        if (dbias) addScaled(dbias, (at.h * p.queries + at.t) * p.keys, 1, ds, 0, at.span.keys);
      }
    },
  });
}

const kernels = perStoredFloat((stored) => ({
  exact: defineBackward({ stored, rounds: false }),
  rounding: defineBackward({ stored, rounds: true }),
}));

/** y += factor x over `size` elements. */
function addScaled(
  y: FloatArray,
  atY: number,
  factor: number,
  x: FloatArray,
  atX: number,
  size: number,
): void {
  for (let i = 0; i < size; i++) y[atY + i] = y[atY + i]! + factor * x[atX + i]!;
}

// ---------------------------------------------------------------------------------------------
// Launchers

/** What backward reads: all of dy's dtype, or q, k, v and y kept in 16 bits beside f32. */
export interface AttentionSaved {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly bias: Tensor | null;
  readonly mask: Tensor | null;
  readonly y: Tensor;
  readonly lse: Tensor;
  readonly offsets: Tensor | null;
}

export interface AttentionGradients {
  readonly dq: Tensor | null;
  readonly dk: Tensor | null;
  readonly dv: Tensor | null;
  readonly dbias: Tensor | null;
}

/**
 * Gradients of what `needs` asks for; each has the shape of its tensor and dy's dtype.
 * @param ontoBias of the bias' shape: adds its gradient there and returns it, as blocks that share a bias want
 */
export function attentionBackward(
  dy: Tensor,
  { q, k, v, bias, mask, y, lse, offsets }: AttentionSaved,
  settings: Omit<AttentionOptions, "bias" | "mask">,
  needs: { readonly [K in "q" | "k" | "v" | "bias"]: boolean },
  ontoBias: Tensor | null = null,
): AttentionGradients {
  const options = { ...settings, bias, mask };
  const params = paramsOf(q, k, options);
  const constants = constantsOf(options);
  const stats = attentionBackwardStats(dy, { y, lse, mask, offsets }, params, constants);
  const like = (wanted: boolean, z: Tensor | null) =>
    wanted && z ? empty(z.device, z.shape, dy.dtype) : null;
  const dbias = needs.bias && ontoBias ? ontoBias : like(needs.bias, bias);
  const dq = like(needs.q || needs.bias, q);
  const accumulate = dbias !== null && dbias === ontoBias ? 1 : 0;
  const dk = like(needs.k || needs.v, k);
  const dv = like(needs.k || needs.v, v);
  const precision = settings.roundToF16 ? "rounding" : "exact";
  withReadable(kernels[storedAs(q)][precision], { q, k, v }, (heads) =>
    launch(
      kernels[storedAs(heads.q)][precision],
      { ...heads, bias, dy, stats, dq, dbias, dk, dv },
      { ...params, accumulate },
      constants,
    ),
  );
  return { dq, dk, dv, dbias };
}
