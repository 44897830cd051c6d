// Layer norm: rows brought to mean 0 and variance 1, then scaled and moved column by column.
//
//   mean_i = mean_j(x_ij)     rstd_i = 1 / sqrt( mean_j((x_ij - mean_i)^2) + eps )
//   y_ij = (x_ij - mean_i) rstd_i weight_j + bias_j
//
// Ba, Kiros & Hinton 2016, arXiv 1607.06450, eq. 4; eps inside the root as in torch.nn.LayerNorm. The variance is that of
// differences: mean(x^2) - mean^2 would cancel where the mean is large.

import { ShapeError } from "../../tensor/errors.ts";
import { formatShape } from "../../tensor/shape.ts";
import { empty, zeros, type Tensor } from "../../tensor/tensor.ts";
import { defineKernel, launch } from "../kernel.ts";
import { workgroupSum } from "../wgsl/reduce.ts";
import { alongRows, rowShaders } from "./rowSnippets.ts";
import { weightGradient } from "./weightGradient.ts";

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
  var total = 0.0;
  for (var j = local; j < parts; j += WG) { total += sumOf(x[begin + j]); }
  let center = workgroupSum(local, total) / f32(params.cols);
  var squares = 0.0;
  for (var j = local; j < parts; j += WG) {
    let d = x[begin + j] - center;
    squares += sumOf(d * d);
  }
  let scale = inverseSqrt(workgroupSum(local, squares) / f32(params.cols) + params.eps);
  for (var j = local; j < parts; j += WG) {
    y[begin + j] = (x[begin + j] - center) * scale * weight[j] + bias[j];
  }
  if (local == 0u) {
    mean[row] = center;
    rstd[row] = scale;
  }
}`,
  },
  ["x", "weight", "bias", "y"],
);

export const layerNormForwardKernel = defineKernel({
  name: "layerNormForward",
  inputs: { x: "float", weight: "float", bias: "float" },
  outputs: { y: "float", mean: "float", rstd: "float" },
  params: { rows: "u32", cols: "u32", eps: "f32" },
  wasm: { name: "layerNormForward", units: ({ rows }) => rows! },
  wgsl: alongRows(forwardShaders),
  plain({ x, weight, bias, y, mean, rstd }, { rows, cols, eps }) {
    for (let i = 0; i < rows; i++) {
      const row = i * cols;
      let total = 0;
      for (let j = 0; j < cols; j++) total += x[row + j]!;
      const center = total / cols;
      let squares = 0;
      for (let j = 0; j < cols; j++) squares += (x[row + j]! - center) ** 2;
      const scale = 1 / Math.sqrt(squares / cols + eps);
      for (let j = 0; j < cols; j++) {
        y[row + j] = (x[row + j]! - center) * scale * weight[j]! + bias[j]!;
      }
      mean[i] = center;
      rstd[i] = scale;
    }
  },
});

/** What the backward pass reads again: [rows] each. */
export interface RowMoments {
  readonly mean: Tensor;
  readonly rstd: Tensor;
}

/**
 * Normalises the last axis.
 * @param x [..., C]
 * @param weight [C], of x's dtype
 * @param bias [C], of x's dtype
 * @param eps added to the variance, > 0
 * @returns y [..., C], and mean and reciprocal standard deviation of each row
 * @throws {ShapeError} unless weight and bias are [C]
 */
export function layerNormForward(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  eps: number,
): RowMoments & { readonly y: Tensor } {
  const cols = x.shape.at(-1);
  for (const [name, { rank, shape }] of Object.entries({ weight, bias })) {
    if (cols === undefined || rank !== 1 || shape[0] !== cols) {
      throw new ShapeError(
        `layerNorm: ${name} must be [${cols ?? "C"}], the last axis of x ${formatShape(x.shape)}, got ${formatShape(shape)}`,
      );
    }
  }
  const rows = cols === 0 ? 0 : x.size / cols!;
  const y = empty(x.device, x.shape, x.dtype);
  const mean = empty(x.device, [rows], x.dtype);
  const rstd = empty(x.device, [rows], x.dtype);
  launch(layerNormForwardKernel, { x, weight, bias, y, mean, rstd }, { rows, cols: cols!, eps });
  return { y, mean, rstd };
}

// With n_ij = (x_ij - mean_i) r_i, r_i = rstd_i and g_ij = dy_ij weight_j:
//   dx_ij = r_i (g_ij - mean_k(g_ik) - n_ij mean_k(g_ik n_ik))
//   dweight_j = sum_i dy_ij n_ij        dbias_j = sum_i dy_ij

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
  let center = mean[row];
  let r = rstd[row];
  var total = 0.0;
  var products = 0.0;
  for (var j = local; j < parts; j += WG) {
    let g = dy[begin + j] * weight[j];
    total += sumOf(g);
    products += sumOf(g * (x[begin + j] - center));
  }
  let shift = workgroupSum(local, total) / f32(params.cols);
  let shrink = workgroupSum(local, products) * r * r / f32(params.cols);
  for (var j = local; j < parts; j += WG) {
    dx[begin + j] = r * (dy[begin + j] * weight[j] - shift - (x[begin + j] - center) * shrink);
  }
}`,
  },
  ["x", "weight", "dy", "dx"],
);

export const layerNormBackwardKernel = defineKernel({
  name: "layerNormBackward",
  inputs: { x: "float", weight: "float", mean: "float", rstd: "float", dy: "float" },
  outputs: { dx: "float" },
  params: { rows: "u32", cols: "u32" },
  wasm: { name: "layerNormBackward", units: ({ rows }) => rows! },
  wgsl: alongRows(backwardShaders),
  plain({ x, weight, mean, rstd, dy, dx }, { rows, cols }) {
    for (let i = 0; i < rows; i++) {
      const row = i * cols;
      const [center, r] = [mean[i]!, rstd[i]!];
      let total = 0;
      let products = 0;
      for (let j = 0; j < cols; j++) {
        const g = dy[row + j]! * weight[j]!;
        total += g;
        products += g * (x[row + j]! - center);
      }
      const [shift, shrink] = [total / cols, (products * r * r) / cols];
      for (let j = 0; j < cols; j++) {
        dx[row + j] = r * (dy[row + j]! * weight[j]! - shift - (x[row + j]! - center) * shrink);
      }
    }
  },
});

/** Gradient of x [..., C] from dy [..., C] and the saved moments. */
export function layerNormBackward(
  x: Tensor,
  weight: Tensor,
  { mean, rstd }: RowMoments,
  dy: Tensor,
): Tensor {
  const dx = empty(x.device, x.shape, x.dtype);
  launch(
    layerNormBackwardKernel,
    { x, weight, mean, rstd, dy, dx },
    { rows: rstd.size, cols: weight.size },
  );
  return dx;
}

export const layerNormBackwardWeightKernel = defineKernel({
  name: "layerNormBackwardWeight",
  inputs: { x: "float", mean: "float", rstd: "float", dy: "float" },
  outputs: { dweight: "float" }, // is added to
  params: { rows: "u32", cols: "u32" },
  // Units are columns, so that two threads never add into one element.
  wasm: { name: "layerNormBackwardWeight", units: ({ cols }) => cols! },
  wgsl: weightGradient("(x[i * params.cols + j] - mean[i]) * rstd[i]"),
  plain({ x, mean, rstd, dy, dweight }, { rows, cols }) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < cols; j++) {
        const at = i * cols + j;
        dweight[j] = dweight[j]! + dy[at]! * (x[at]! - mean[i]!) * rstd[i]!;
      }
    }
  },
});

/**
 * Gradient of weight [C]; that of bias is the sum of dy over its rows.
 * @param onto [C]: adds the gradient there and returns it
 */
export function layerNormBackwardWeight(
  x: Tensor,
  { mean, rstd }: RowMoments,
  dy: Tensor,
  onto: Tensor | null = null,
): Tensor {
  const cols = x.shape.at(-1)!;
  const dweight = onto ?? zeros([cols], { device: x.device, dtype: x.dtype });
  launch(layerNormBackwardWeightKernel, { x, mean, rstd, dy, dweight }, { rows: rstd.size, cols });
  return dweight;
}
