// Root-mean-square layer norm (T5LayerNorm): no mean is subtracted and there is no bias.
//
//   rrms_i = 1 / sqrt( mean_j(x_ij^2) + eps )          y_ij = weight_j * x_ij * rrms_i
//
// Zhang & Sennrich 2019, arXiv 1910.07467, eq. 4; eps inside the root as in transformers' T5LayerNorm.

import { ShapeError } from "../tensor/errors.ts";
import { formatShape } from "../tensor/shape.ts";
import { empty, zeros, type Tensor } from "../tensor/tensor.ts";
import { defineKernel, launch } from "./kernel.ts";

export const rmsNormForwardKernel = defineKernel({
  name: "rmsNormForward",
  inputs: { x: "float", weight: "float" },
  outputs: { y: "float", rrms: "float" },
  params: { rows: "u32", cols: "u32", eps: "f32" },
  wasm: { name: "rmsNormForward", range: ({ rows }) => rows! },
  cpu({ x, weight, y, rrms }, { rows, cols, eps }) {
    for (let i = 0; i < rows; i++) {
      const row = i * cols;
      let squares = 0;
      for (let j = 0; j < cols; j++) squares += x[row + j]! * x[row + j]!;
      const scale = 1 / Math.sqrt(squares / cols + eps);
      for (let j = 0; j < cols; j++) y[row + j] = weight[j]! * x[row + j]! * scale;
      rrms[i] = scale;
    }
  },
});

/**
 * Normalises the last axis.
 * @param x [..., C]
 * @param weight [C]
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
  launch(rmsNormForwardKernel, { x, weight, y, rrms }, { rows, cols, eps });
  return { y, rrms };
}

// With g_ij = dy_ij weight_j and r = rrms_i:
//   dx_ij = r g_ij - x_ij r^3 / C * sum_k(g_ik x_ik)           added to what dx holds with ACCUMULATE
//   dweight_j = sum_i dy_ij x_ij r_i

export const rmsNormBackwardKernel = defineKernel({
  name: "rmsNormBackward",
  inputs: { x: "float", weight: "float", rrms: "float", dy: "float" },
  outputs: { dx: "float" },
  params: { rows: "u32", cols: "u32" },
  constants: { ACCUMULATE: "u32" },
  wasm: { name: "rmsNormBackward", range: ({ rows }) => rows! },
  cpu({ x, weight, rrms, dy, dx }, { rows, cols }, { ACCUMULATE }) {
    for (let i = 0; i < rows; i++) {
      const row = i * cols;
      const r = rrms[i]!;
      let dot = 0;
      for (let j = 0; j < cols; j++) dot += dy[row + j]! * weight[j]! * x[row + j]!;
      const shrink = (dot * r * r) / cols;
      for (let j = 0; j < cols; j++) {
        const part = r * (dy[row + j]! * weight[j]! - x[row + j]! * shrink);
        dx[row + j] = ACCUMULATE === 1 ? dx[row + j]! + part : part;
      }
    }
  },
});

export const rmsNormBackwardWeightKernel = defineKernel({
  name: "rmsNormBackwardWeight",
  inputs: { x: "float", rrms: "float", dy: "float" },
  outputs: { dweight: "float" }, // zeroed before
  params: { rows: "u32", cols: "u32" },
  // Pieces are columns, so that two threads never add into one element.
  wasm: { name: "rmsNormBackwardWeight", range: ({ cols }) => cols! },
  cpu({ x, rrms, dy, dweight }, { rows, cols }) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < cols; j++) {
        dweight[j] = dweight[j]! + dy[i * cols + j]! * x[i * cols + j]! * rrms[i]!;
      }
    }
  },
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
    rmsNormBackwardKernel,
    { x, weight, rrms, dy, dx },
    { rows: rrms.size, cols: weight.size },
    { ACCUMULATE: onto ? 1 : 0 },
  );
  return dx;
}

/** Gradient of weight [C]. */
export function rmsNormBackwardWeight(x: Tensor, rrms: Tensor, dy: Tensor): Tensor {
  const cols = x.shape.at(-1)!;
  const dweight = zeros([cols], { device: x.device, dtype: x.dtype });
  launch(rmsNormBackwardWeightKernel, { x, rrms, dy, dweight }, { rows: rrms.size, cols });
  return dweight;
}
