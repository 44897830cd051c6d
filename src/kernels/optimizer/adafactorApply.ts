// How far Adafactor goes, by the size of u and of the parameter, and the step itself (formulas in adafactor.ts).

import { isHalf, type FloatArray, type HalfDtype } from "../../tensor/dtype.ts";
import { alias, empty, type Tensor } from "../../tensor/tensor.ts";
import type { WgslSingle } from "../../tensor/wgsl.ts";
import { defineKernel, launch } from "../kernel.ts";
import { castForward } from "../pointwise/cast.ts";
import { codecs, plainCodec, storedFloats, type ElementCodec } from "../storedFloats.ts";
import { workgroupSum } from "../wgsl/reduce.ts";
import type { AdafactorFactors, Matrices } from "./adafactorMoments.ts";
import { sumsOfSquaresForward } from "./gradientNorm.ts";

export const adafactorSquaresKernel = defineKernel({
  name: "adafactorSquares",
  inputs: { gradient: "float", scale: "float?", rowFactor: "float", colFactor: "float?" },
  outputs: { squares: "float" },
  // squares [all rows]: of u
  params: { allRows: "u32", rows: "u32", cols: "u32" },
  wasm: { name: "adafactorSquares", units: ({ allRows }) => allRows! },
  wgsl: {
    uses: [workgroupSum],
    workgroupSize: 64,
    workgroups: ({ allRows }) => allRows,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let r = groupIndex(group);
  if (r >= params.allRows) { return; }
  var factor = rowFactor[r];
  if (HAS_SCALE) { factor *= scale[0]; }
  let b = r / params.rows;
  var part = 0.0;
  for (var c = local; c < params.cols; c += WG) {
    var u = factor * gradient[r * params.cols + c];
    if (HAS_COL_FACTOR) { u *= colFactor[b * params.cols + c]; }
    part += u * u;
  }
  let total = workgroupSum(local, part);
  if (local == 0u) { squares[r] = total; }
}`,
  },
  plain({ gradient, scale, rowFactor, colFactor, squares }, { allRows, rows, cols }) {
    for (let r = 0; r < allRows; r++) {
      const factor = rowFactor[r]! * (scale?.[0] ?? 1);
      const first = Math.floor(r / rows) * cols;
      let total = 0;
      for (let c = 0; c < cols; c++) {
        total += (factor * gradient[r * cols + c]! * (colFactor?.[first + c] ?? 1)) ** 2;
      }
      squares[r] = total;
    }
  },
});

export const adafactorRateKernel = defineKernel({
  name: "adafactorRate",
  inputs: { squares: "float", weights: "float?" },
  // rate [2]: what u is multiplied by, and the rate itself, which decay is multiplied by
  outputs: { rate: "float" },
  params: {
    ...({ count: "u32", weightCount: "u32", size: "f32" } as const),
    ...({ clip: "f32", step: "f32", leastScale: "f32" } as const),
  },
  varying: ["step"],
  wgsl: {
    uses: [workgroupSum],
    workgroups: () => 1,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  var part = 0.0;
  for (var i = local; i < params.count; i += WG) { part += squares[i]; }
  let rms = sqrt(workgroupSum(local, part) / params.size);
  var scaled = params.step;
  if (HAS_WEIGHTS) {
    var weightPart = 0.0;
    for (var i = local; i < params.weightCount; i += WG) { weightPart += weights[i]; }
    scaled *= max(params.leastScale, sqrt(workgroupSum(local, weightPart) / params.size));
  }
  if (local == 0u) {
    rate[0] = scaled / max(1.0, rms / params.clip);
    rate[1] = scaled;
  }
}`,
  },
  plain({ squares, weights, rate }, { count, weightCount, size, clip, step, leastScale }) {
    const rootMean = (values: FloatArray, length: number): number => {
      let total = 0;
      for (let i = 0; i < length; i++) total += values[i]!;
      return Math.sqrt(total / size);
    };
    const scaled =
      weights === null ? step : step * Math.max(leastScale, rootMean(weights, weightCount));
    rate[0] = scaled / Math.max(1, rootMean(squares, count) / clip);
    rate[1] = scaled;
  },
});

const applyInputs = {
  ...({ gradient: "float", scale: "float?", rowFactor: "float" } as const),
  ...({ colFactor: "float?", rate: "float" } as const),
};
const applyParams = {
  ...({ allRows: "u32", rows: "u32", cols: "u32" } as const),
  ...({ beta1: "f32", rest1: "f32", weightDecay: "f32" } as const),
} as const;
type ApplyParams = { readonly [K in keyof typeof applyParams]: number };

/** The next value of element i, whose value is `old`; changes m. */
const APPLY = /* wgsl */ `
fn applied(i: u32, old: f32) -> f32 {
  let r = i / params.cols;
  var u = gradient[i] * rowFactor[r] * rate[0];
  if (HAS_SCALE) { u *= scale[0]; }
  if (HAS_COL_FACTOR) { u *= colFactor[r / params.rows * params.cols + i % params.cols]; }
  if (HAS_M) {
    u = params.beta1 * m[i] + params.rest1 * u;
    m[i] = u;
  }
  return old - params.weightDecay * rate[1] * old - u;
}`;

const applySingle: WgslSingle<ApplyParams> = {
  uses: [{ source: APPLY }],
  invocations: ({ allRows, cols }) => allRows * cols,
  source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i >= params.allRows * params.cols) { return; }
  p[i] = applied(i, p[i]);
}`,
};

/** Two elements in a word of p; behind an odd number of them the word's rest stays as it is. */
function applyPairs(dtype: HalfDtype): WgslSingle<ApplyParams> {
  const { snippet, unpack, pack } = codecs[dtype];
  return {
    uses: [snippet, { source: APPLY }],
    invocations: ({ allRows, cols }) => Math.ceil((allRows * cols) / 2),
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  let size = params.allRows * params.cols;
  if (i * 2u >= size) { return; }
  var pair = ${unpack}(p[i]);
  pair.x = applied(i * 2u, pair.x);
  if (i * 2u + 1u < size) { pair.y = applied(i * 2u + 1u, pair.y); }
  p[i] = ${pack}(pair);
}`,
  };
}

interface ApplyArrays {
  readonly gradient: FloatArray;
  readonly scale: FloatArray | null;
  readonly rowFactor: FloatArray;
  readonly colFactor: FloatArray | null;
  readonly rate: FloatArray;
  readonly p: FloatArray | Uint16Array;
  readonly m: FloatArray | null;
}

function apply(arrays: ApplyArrays, params: ApplyParams, { widen, narrow }: ElementCodec): void {
  const { gradient, scale, rowFactor, colFactor, rate, p, m } = arrays;
  const { allRows, rows, cols, beta1, rest1, weightDecay } = params;
  for (let r = 0; r < allRows; r++) {
    const factor = rowFactor[r]! * rate[0]! * (scale?.[0] ?? 1);
    const first = Math.floor(r / rows) * cols;
    for (let c = 0; c < cols; c++) {
      const i = r * cols + c;
      let u = gradient[i]! * factor * (colFactor?.[first + c] ?? 1);
      if (m !== null) u = m[i] = beta1 * m[i]! + rest1 * u;
      const old = widen(p[i]!);
      p[i] = narrow(old - weightDecay * rate[1]! * old - u);
    }
  }
}

const applyWasm = (selector: number) => ({
  ...{ name: "adafactorApply", selector },
  units: ({ allRows }: Readonly<Record<string, number>>): number => allRows!,
});

export const adafactorApplyKernel = defineKernel({
  name: "adafactorApply",
  inputs: applyInputs,
  outputs: { p: "float", m: "float?" },
  params: applyParams,
  wasm: applyWasm(storedFloats.f32.selector),
  wgsl: applySingle,
  plain: (arrays, params) => apply(arrays, params, plainCodec),
});

function defineHalf(dtype: HalfDtype) {
  const { suffix, selector } = storedFloats[dtype];
  return defineKernel({
    name: `adafactorApply${suffix}`,
    inputs: applyInputs,
    outputs: { p: dtype, m: "float?" } as { readonly p: HalfDtype; readonly m: "float?" },
    params: applyParams,
    wasm: applyWasm(selector),
    wgsl: applyPairs(dtype),
    plain: (arrays, params) => apply(arrays, params, codecs[dtype]),
  });
}

const halfKernels = {
  bf16: defineHalf("bf16"),
  f16: defineHalf("f16"),
} satisfies Record<HalfDtype, unknown>;
export const { bf16: adafactorApplyBf16Kernel, f16: adafactorApplyF16Kernel } = halfKernels;

/** How far a step goes. */
export interface AdafactorStep {
  /** The rate, or with leastScale the share of rms(p) that it is; >= 0. */
  readonly rate: number;
  /** Of the first moment, read where there is one. */
  readonly beta1: number;
  /** Greatest rms of u that is left alone. */
  readonly clipThreshold: number;
  readonly weightDecay: number;
  /** Multiplies the rate by rms(p), at least this; null leaves it. */
  readonly leastScale: number | null;
}

/**
 * Takes the step that factors and gradient give, p and m in place.
 * @param tensors gradient, p and m [batch, rows, cols], m null for none; scale [1] or null
 */
export function adafactorStepInPlace(
  tensors: AdafactorFactors &
    Readonly<Record<"gradient" | "p", Tensor> & Record<"scale" | "m", Tensor | null>>,
  { batch, rows, cols }: Matrices,
  { rate: step, beta1, clipThreshold, weightDecay, leastScale }: AdafactorStep,
): void {
  const { p, m, ...factors } = tensors;
  const { device, dtype } = tensors.gradient;
  const allRows = batch * rows;
  const squares = empty(device, [allRows], dtype);
  launch(adafactorSquaresKernel, { ...factors, squares }, { allRows, rows, cols });
  const weights = leastScale === null ? null : squaresOf(p, tensors.gradient);
  const rate = empty(device, [2], dtype);
  launch(
    adafactorRateKernel,
    { squares, weights, rate },
    {
      ...{ count: allRows, weightCount: weights?.size ?? 0, size: p.size },
      ...{ clip: clipThreshold, step, leastScale: leastScale ?? 0 },
    },
  );
  const params = { allRows, rows, cols, beta1, rest1: 1 - beta1, weightDecay };
  const kernel = isHalf(p.dtype) ? halfKernels[p.dtype] : adafactorApplyKernel;
  launch(kernel as typeof adafactorApplyKernel, { ...factors, rate, p, m }, params);
  for (const x of [squares, weights, rate]) x?.dispose();
}

/** Sums of squares of blocks of p, in the gradient's dtype. */
function squaresOf(p: Tensor, { dtype }: Tensor): Tensor {
  const wide = p.dtype === dtype ? alias(p) : castForward(p, dtype);
  const sums = sumsOfSquaresForward([wide]);
  wide.dispose();
  return sums;
}
