// Root-mean-square layer norm (T5LayerNorm): no mean is subtracted and there is no bias.
//
//   rrms_i = 1 / sqrt( mean_j(x_ij^2) + eps )          y_ij = weight_j * x_ij * rrms_i
//
// Zhang & Sennrich 2019, arXiv 1910.07467, eq. 4; eps inside the root as in transformers' T5LayerNorm. The weight may be
// stored in 16 bits beside f32 activations: it is widened where it is read, which saves a cast for each norm.

import { isHalf, type FloatArray } from "../../tensor/dtype.ts";
import { ShapeError } from "../../tensor/errors.ts";
import { formatShape } from "../../tensor/shape.ts";
import { empty, zeros, type Tensor } from "../../tensor/tensor.ts";
import { defineKernel, launch } from "../kernel.ts";
import { perStoredFloat, storedFloats, type StoredFloat } from "../storedFloats.ts";
import { workgroupSum } from "../wgsl/reduce.ts";
import { alongRows, rowShaders, withWeightRow } from "./rowSnippets.ts";
import { weightGradient } from "./weightGradient.ts";

/** How a weight's kernel is found. */
export function storedAs({ dtype }: Tensor): StoredFloat {
  return isHalf(dtype) ? dtype : "f32";
}

const forwardShaders = rowShaders(
  {
    uses: [workgroupSum],
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = groupIndex(group);
  if (row >= params.rows) { return; }
  let parts = params.cols / PART;
  let begin = row * parts;
  var squares = 0.0;
  for (var j = local; j < parts; j += WG) { squares += sumOf(x[begin + j] * x[begin + j]); }
  let scale = inverseSqrt(workgroupSum(local, squares) / f32(params.cols) + params.eps);
  for (var j = local; j < parts; j += WG) { y[begin + j] = weightAt(j) * x[begin + j] * scale; }
  if (local == 0u) { rrms[row] = scale; }
}`,
  },
  ["x", "y"],
);

function defineForward(stored: StoredFloat) {
  const { binding, suffix, selector, widen } = storedFloats[stored];
  return defineKernel({
    name: `rmsNormForward${suffix}`,
    inputs: { x: "float", weight: binding },
    outputs: { y: "float", rrms: "float" },
    params: { rows: "u32", cols: "u32", eps: "f32" },
    wasm: { name: "rmsNormForward", selector, units: ({ rows }) => rows! },
    wgsl: alongRows(withWeightRow(forwardShaders, stored)),
    plain({ x, weight, y, rrms }, { rows, cols, eps }) {
      const w = widen(weight);
      for (let i = 0; i < rows; i++) {
        const row = i * cols;
        let squares = 0;
        for (let j = 0; j < cols; j++) squares += x[row + j]! * x[row + j]!;
        const scale = 1 / Math.sqrt(squares / cols + eps);
        for (let j = 0; j < cols; j++) y[row + j] = w[j]! * x[row + j]! * scale;
        rrms[i] = scale;
      }
    },
  });
}

const forwardKernels = perStoredFloat(defineForward);

/**
 * Normalises the last axis.
 * @param x [..., C]
 * @param weight [C], of x's dtype, or in 16 bits beside f32
 * @param eps added to the mean square, > 0
 * @returns y [..., C] and rrms [rows], one reciprocal root mean square a row, for the backward pass
 * @throws {ShapeError} unless weight is [C]
 */
export function rmsNormForward(
  x: Tensor,
  weight: Tensor,
  eps: number,
): { y: Tensor; rrms: Tensor } {
  const cols = x.shape.at(-1);
  if (cols === undefined || weight.rank !== 1 || weight.shape[0] !== cols) {
    throw new ShapeError(
      `rmsNorm: weight must be [${cols ?? "C"}], the last axis of x ${formatShape(x.shape)}, got ${formatShape(weight.shape)}`,
    );
  }
  const rows = cols === 0 ? 0 : x.size / cols;
  const y = empty(x.device, x.shape, x.dtype);
  const rrms = empty(x.device, [rows], x.dtype);
  const kernel = forwardKernels[storedAs(weight)];
  launch(kernel, { x, weight, y, rrms }, { rows, cols, eps });
  return { y, rrms };
}

// With g_ij = dy_ij weight_j and r = rrms_i:
//   dx_ij = r g_ij - x_ij r^3 / C * sum_k(g_ik x_ik)           added to what dx holds with ACCUMULATE
//   dweight_j = sum_i dy_ij x_ij r_i
//
// Where both are wanted, rmsNormBackwardBoth.ts has them from one kernel.

type Arrays<K extends string> = Readonly<Record<K, FloatArray>>;
type Sizes = Readonly<Record<"rows" | "cols", number>>;

/** The plain body of dx. */
export function rowGradients(
  { x, weight, rrms, dy, dx }: Arrays<"x" | "weight" | "rrms" | "dy" | "dx">,
  { rows, cols }: Sizes,
  accumulate: boolean,
): void {
  for (let i = 0; i < rows; i++) {
    const row = i * cols;
    const r = rrms[i]!;
    let dot = 0;
    for (let j = 0; j < cols; j++) dot += dy[row + j]! * weight[j]! * x[row + j]!;
    const shrink = (dot * r * r) / cols;
    for (let j = 0; j < cols; j++) {
      const part = r * (dy[row + j]! * weight[j]! - x[row + j]! * shrink);
      dx[row + j] = accumulate ? dx[row + j]! + part : part;
    }
  }
}

/** The plain body of dweight. */
export function addWeightGradient(
  { x, rrms, dy, dweight }: Arrays<"x" | "rrms" | "dy" | "dweight">,
  { rows, cols }: Sizes,
): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      dweight[j] = dweight[j]! + dy[i * cols + j]! * x[i * cols + j]! * rrms[i]!;
    }
  }
}

const backwardShaders = rowShaders(
  {
    uses: [workgroupSum],
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = groupIndex(group);
  if (row >= params.rows) { return; }
  let parts = params.cols / PART;
  let begin = row * parts;
  var products = 0.0;
  for (var j = local; j < parts; j += WG) {
    products += sumOf(dy[begin + j] * weightAt(j) * x[begin + j]);
  }
  let r = rrms[row];
  let shrink = workgroupSum(local, products) * r * r / f32(params.cols);
  for (var j = local; j < parts; j += WG) {
    let part = r * (dy[begin + j] * weightAt(j) - x[begin + j] * shrink);
    if (ACCUMULATE == 1u) { dx[begin + j] += part; } else { dx[begin + j] = part; }
  }
}`,
  },
  ["x", "dy", "dx"],
);

function defineBackward(stored: StoredFloat) {
  const { binding, suffix, selector, widen } = storedFloats[stored];
  return defineKernel({
    name: `rmsNormBackward${suffix}`,
    inputs: { x: "float", weight: binding, rrms: "float", dy: "float" },
    outputs: { dx: "float" },
    params: { rows: "u32", cols: "u32" },
    constants: { ACCUMULATE: "u32" },
    wasm: { name: "rmsNormBackward", selector, units: ({ rows }) => rows! },
    wgsl: alongRows(withWeightRow(backwardShaders, stored)),
    plain(arrays, sizes, { ACCUMULATE }) {
      rowGradients({ ...arrays, weight: widen(arrays.weight) }, sizes, ACCUMULATE === 1);
    },
  });
}

const backwardKernels = perStoredFloat(defineBackward);

export const rmsNormBackwardWeightKernel = defineKernel({
  name: "rmsNormBackwardWeight",
  inputs: { x: "float", rrms: "float", dy: "float" },
  outputs: { dweight: "float" }, // is added to
  params: { rows: "u32", cols: "u32" },
  // Units are columns, so that two threads never add into one element.
  wasm: { name: "rmsNormBackwardWeight", units: ({ cols }) => cols! },
  wgsl: weightGradient("x[i * params.cols + j] * rrms[i]"),
  plain: addWeightGradient,
});

/**
 * Gradient of x [..., C] from dy [..., C] and the saved rrms [rows].
 * @param onto of x's shape: adds the gradient there and returns it, as a residual stream wants
 */
export function rmsNormBackward(
  x: Tensor,
  weight: Tensor,
  rrms: Tensor,
  dy: Tensor,
  onto: Tensor | null = null,
): Tensor {
  const dx = onto ?? empty(x.device, x.shape, x.dtype);
  launch(
    backwardKernels[storedAs(weight)],
    { x, weight, rrms, dy, dx },
    { rows: rrms.size, cols: weight.size },
    { ACCUMULATE: onto ? 1 : 0 },
  );
  return dx;
}

/**
 * Gradient of weight [C].
 * @param onto [C]: adds the gradient there and returns it
 */
export function rmsNormBackwardWeight(
  x: Tensor,
  rrms: Tensor,
  dy: Tensor,
  onto: Tensor | null = null,
): Tensor {
  const cols = x.shape.at(-1)!;
  const dweight = onto ?? zeros([cols], { device: x.device, dtype: x.dtype });
  launch(rmsNormBackwardWeightKernel, { x, rrms, dy, dweight }, { rows: rrms.size, cols });
  return dweight;
}
