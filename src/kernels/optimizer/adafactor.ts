// One Adafactor update of one parameter, in place (Shazeer & Stern 2018, arXiv 1804.04235, algorithms 4 and 5; transformers'
// optimization.py). A parameter is [B, R, C] here: B matrices of R rows and C columns. With g = scale gradient:
//
//   row = beta row + (1 - beta) (mean_c g^2 + eps)         [B, R]
//   col = beta col + (1 - beta) (mean_r g^2 + eps)         [B, C]
//   u   = g / sqrt(row / mean_r row) / sqrt(col)           over the whole parameter
//   u   = u rate / max(1, rms(u) / clip)                   rate is multiplied by max(leastScale, rms(p)) where asked
//   m   = beta1 m + (1 - beta1) u,  u = m                  where there is m
//   p   = p - weightDecay rate p - u
//
// A vector has no columns to share: it is [1, n, 1] without col, row its second moment, u = g / sqrt(row). All but p is kept in
// f32; a p of 16 bits is rounded once, when it is stored.

import { isFloat, isHalf, type FloatArray, type HalfDtype } from "../../tensor/dtype.ts";
import { DtypeError, ShapeError } from "../../tensor/errors.ts";
import { formatShape, sameShape } from "../../tensor/shape.ts";
import { alias, empty, type Tensor } from "../../tensor/tensor.ts";
import type { WgslSingle } from "../../tensor/wgsl.ts";
import { defineKernel, launch } from "../kernel.ts";
import { castForward } from "../pointwise/cast.ts";
import { codecs, storedFloats } from "../storedFloats.ts";
import { workgroupSum } from "../wgsl/reduce.ts";
import { sumsOfSquaresForward } from "./gradientNorm.ts";

/** Rows whose squares are summed into one number a column, so that f32 adds up few and threads have shares. */
const CHUNK = 64;

export const adafactorRowsKernel = defineKernel({
  name: "adafactorRows",
  inputs: { gradient: "float", scale: "float?" },
  outputs: { row: "float" },
  params: { rows: "u32", cols: "u32", beta: "f32", rest: "f32", eps: "f32" },
  varying: ["beta", "rest"],
  wasm: { name: "adafactorRows", units: ({ rows }) => rows! },
  wgsl: {
    uses: [workgroupSum],
    workgroupSize: 64,
    workgroups: ({ rows }) => rows,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let r = groupIndex(group);
  if (r >= params.rows) { return; }
  var factor = 1.0;
  if (HAS_SCALE) { factor = scale[0]; }
  var part = 0.0;
  for (var c = local; c < params.cols; c += WG) {
    let g = factor * gradient[r * params.cols + c];
    part += g * g;
  }
  let total = workgroupSum(local, part);
  if (local == 0u) {
    row[r] = params.beta * row[r] + params.rest * (total / f32(params.cols) + params.eps);
  }
}`,
  },
  plain({ gradient, scale, row }, { rows, cols, beta, rest, eps }) {
    const factor = scale?.[0] ?? 1;
    for (let r = 0; r < rows; r++) {
      let total = 0;
      for (let i = r * cols; i < (r + 1) * cols; i++) total += (factor * gradient[i]!) ** 2;
      row[r] = beta * row[r]! + rest * (total / cols + eps);
    }
  },
});

export const adafactorColumnSumsKernel = defineKernel({
  name: "adafactorColumnSums",
  inputs: { gradient: "float", scale: "float?" },
  outputs: { sums: "float" },
  // sums [batch, chunks, cols]: a row of it for each chunk of rows
  params: { batch: "u32", rows: "u32", cols: "u32", chunks: "u32", chunk: "u32" },
  wasm: {
    name: "adafactorColumnSums",
    units: ({ batch, chunks }) => batch! * chunks!,
  },
  wgsl: {
    invocations: ({ batch, chunks, cols }) => batch * chunks * cols,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i >= params.batch * params.chunks * params.cols) { return; }
  var factor = 1.0;
  if (HAS_SCALE) { factor = scale[0]; }
  let c = i % params.cols;
  let b = i / params.cols / params.chunks;
  let first = i / params.cols % params.chunks * params.chunk;
  var total = 0.0;
  for (var r = first; r < min(first + params.chunk, params.rows); r++) {
    let g = factor * gradient[(b * params.rows + r) * params.cols + c];
    total += g * g;
  }
  sums[i] = total;
}`,
  },
  plain({ gradient, scale, sums }, { batch, rows, cols, chunks, chunk }) {
    const factor = scale?.[0] ?? 1;
    for (let unit = 0; unit < batch * chunks; unit++) {
      const b = Math.floor(unit / chunks);
      const first = (unit % chunks) * chunk;
      for (let c = 0; c < cols; c++) {
        let total = 0;
        for (let r = first; r < Math.min(first + chunk, rows); r++) {
          total += (factor * gradient[(b * rows + r) * cols + c]!) ** 2;
        }
        sums[unit * cols + c] = total;
      }
    }
  },
});

export const adafactorColumnsKernel = defineKernel({
  name: "adafactorColumns",
  inputs: { sums: "float" },
  outputs: { col: "float", colFactor: "float" },
  params: {
    ...({ batch: "u32", rows: "u32", cols: "u32", chunks: "u32" } as const),
    ...({ beta: "f32", rest: "f32", eps: "f32" } as const),
  },
  varying: ["beta", "rest"],
  wgsl: {
    invocations: ({ batch, cols }) => batch * cols,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i >= params.batch * params.cols) { return; }
  let c = i % params.cols;
  let b = i / params.cols;
  var total = 0.0;
  for (var k = 0u; k < params.chunks; k++) {
    total += sums[(b * params.chunks + k) * params.cols + c];
  }
  let next = params.beta * col[i] + params.rest * (total / f32(params.rows) + params.eps);
  col[i] = next;
  colFactor[i] = inverseSqrt(next);
}`,
  },
  plain({ sums, col, colFactor }, { batch, rows, cols, chunks, beta, rest, eps }) {
    for (let i = 0; i < batch * cols; i++) {
      const b = Math.floor(i / cols);
      let total = 0;
      for (let k = 0; k < chunks; k++) total += sums[(b * chunks + k) * cols + (i % cols)]!;
      col[i] = beta * col[i]! + rest * (total / rows + eps);
      colFactor[i] = 1 / Math.sqrt(col[i]!);
    }
  },
});

export const adafactorRowFactorsKernel = defineKernel({
  name: "adafactorRowFactors",
  inputs: { row: "float" },
  outputs: { rowFactor: "float" },
  /** factored: 1 for matrices, whose rows are taken as shares of their mean; 0 for vectors. */
  params: { batch: "u32", rows: "u32", factored: "u32" },
  wgsl: {
    uses: [workgroupSum],
    workgroups: ({ batch }) => batch,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let b = groupIndex(group);
  if (b >= params.batch) { return; }
  let begin = b * params.rows;
  let end = begin + params.rows;
  var part = 0.0;
  for (var i = begin + local; i < end; i += WG) { part += row[i]; }
  let mean = select(1.0, workgroupSum(local, part) / f32(params.rows), params.factored == 1u);
  for (var i = begin + local; i < end; i += WG) { rowFactor[i] = inverseSqrt(row[i] / mean); }
}`,
  },
  plain({ row, rowFactor }, { batch, rows, factored }) {
    for (let b = 0; b < batch; b++) {
      let total = 0;
      for (let i = b * rows; i < (b + 1) * rows; i++) total += row[i]!;
      const mean = factored === 1 ? total / rows : 1;
      for (let i = b * rows; i < (b + 1) * rows; i++) rowFactor[i] = 1 / Math.sqrt(row[i]! / mean);
    }
  },
});

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

interface Codec {
  widen(stored: number): number;
  narrow(value: number): number;
}

const same = (value: number): number => value;
const plainCodec: Codec = { widen: same, narrow: same };

function apply(arrays: ApplyArrays, params: ApplyParams, { widen, narrow }: Codec): void {
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

export interface AdafactorTensors {
  /** f32, f64, bf16 or f16. */
  readonly p: Tensor;
  /** Of p's shape; f32 when p is stored in 16 bits, else of p's dtype, which is that of all below. */
  readonly gradient: Tensor;
  /** [1], multiplied into the gradient; null for 1. */
  readonly scale: Tensor | null;
  /** Second moment: [..., R] of p [..., R, C]; of a vector its shape. */
  readonly row: Tensor;
  /** [..., C]; null of a vector. */
  readonly col: Tensor | null;
  /** First moment of p's shape, or null for none. */
  readonly m: Tensor | null;
}

export interface AdafactorSettings {
  /** The rate, or with leastScale the share of rms(p) that it is; >= 0. */
  readonly rate: number;
  /** Decay of the second moment at this update, in [0, 1). */
  readonly beta2: number;
  /** Of the first moment, read where there is one. */
  readonly beta1: number;
  readonly eps: number;
  /** Greatest rms of u that is left alone. */
  readonly clipThreshold: number;
  readonly weightDecay: number;
  /** Multiplies the rate by rms(p), at least this; null leaves it. */
  readonly leastScale: number | null;
}

/** Matrices, rows of each and columns of a shape; a vector or scalar is one column. */
function matrixOf(shape: readonly number[]): { batch: number; rows: number; cols: number } {
  const product = (sizes: readonly number[]): number => sizes.reduce((all, n) => all * n, 1);
  if (shape.length < 2) return { batch: 1, rows: product(shape), cols: 1 };
  return { batch: product(shape.slice(0, -2)), rows: shape.at(-2)!, cols: shape.at(-1)! };
}

/**
 * Updates p, row, col and m in place.
 * @throws {ShapeError} unless gradient and the moments have the shapes that {@link AdafactorTensors} says
 * @throws {DtypeError} for a dtype that is not as it says
 */
export function adafactorInPlace(tensors: AdafactorTensors, settings: AdafactorSettings): void {
  const { p, gradient, scale, row, col, m } = tensors;
  checkShapes(tensors);
  if (!isHalf(p.dtype) && !isFloat(p.dtype)) {
    throw new DtypeError(`adafactor: parameters must be floating-point, got ${p.dtype}`);
  }
  const { batch, rows, cols } = matrixOf(p.shape);
  const { beta2: beta, eps, clipThreshold, leastScale, rate: step } = settings;
  const allRows = batch * rows;
  const moments = { beta, rest: 1 - beta, eps };
  const temporaries: Tensor[] = [];
  const make = (size: number): Tensor => {
    const x = empty(p.device, [size], gradient.dtype);
    temporaries.push(x);
    return x;
  };

  launch(adafactorRowsKernel, { gradient, scale, row }, { rows: allRows, cols, ...moments });
  const rowFactor = make(allRows);
  const factored = col === null ? 0 : 1;
  launch(adafactorRowFactorsKernel, { row, rowFactor }, { batch, rows, factored });
  let colFactor: Tensor | null = null;
  if (col !== null) {
    const chunks = Math.ceil(rows / CHUNK);
    const sums = make(batch * chunks * cols);
    colFactor = make(batch * cols);
    const grid = { batch, rows, cols, chunks };
    launch(adafactorColumnSumsKernel, { gradient, scale, sums }, { ...grid, chunk: CHUNK });
    launch(adafactorColumnsKernel, { sums, col, colFactor }, { ...grid, ...moments });
  }
  const factors = { gradient, scale, rowFactor, colFactor };
  const squares = make(allRows);
  launch(adafactorSquaresKernel, { ...factors, squares }, { allRows, rows, cols });
  const weights = leastScale === null ? null : squaresOf(p, gradient);
  if (weights !== null) temporaries.push(weights);
  const rate = make(2);
  launch(
    adafactorRateKernel,
    { squares, weights, rate },
    {
      ...{ count: allRows, weightCount: weights?.size ?? 0, size: p.size },
      ...{ clip: clipThreshold, step, leastScale: leastScale ?? 0 },
    },
  );
  const { beta1, weightDecay } = settings;
  const params = { allRows, rows, cols, beta1, rest1: 1 - beta1, weightDecay };
  const kernel = isHalf(p.dtype) ? halfKernels[p.dtype] : adafactorApplyKernel;
  launch(kernel as typeof adafactorApplyKernel, { ...factors, rate, p, m }, params);
  for (const x of temporaries) x.dispose();
}

/** Sums of squares of blocks of p, in the gradient's dtype. */
function squaresOf(p: Tensor, { dtype }: Tensor): Tensor {
  const wide = p.dtype === dtype ? alias(p) : castForward(p, dtype);
  const sums = sumsOfSquaresForward([wide]);
  wide.dispose();
  return sums;
}

function checkShapes({ p, gradient, row, col, m }: AdafactorTensors): void {
  const isFactored = p.shape.length >= 2;
  const expected = {
    gradient: p.shape,
    row: isFactored ? p.shape.slice(0, -1) : p.shape,
    col: isFactored ? [...p.shape.slice(0, -2), p.shape.at(-1)!] : null,
    m: p.shape,
  };
  for (const [name, x] of Object.entries({ gradient, row, col, m })) {
    const shape = expected[name as keyof typeof expected];
    if (name === "m" && x === null) continue;
    if (x === null ? shape === null : shape !== null && sameShape(x.shape, shape)) continue;
    throw new ShapeError(
      `adafactor: ${name} must be ${shape === null ? "null" : formatShape(shape)} for a parameter ${formatShape(p.shape)}, ` +
        `got ${x === null ? "null" : formatShape(x.shape)}`,
    );
  }
}
