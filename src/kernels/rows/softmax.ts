// Softmax and its logarithm over the last axis, from differences to the row's largest entry, so that
// no exponential overflows.
//
//   softmax      y_j = exp(x_j - L)        L = m + log sum_k exp(x_k - m),  m = max_k x_k
//   logSoftmax   y_j = x_j - L

import { ShapeError } from "../../tensor/errors.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { defineKernel, launch } from "../kernel.ts";
import { alongRows, expSums, rowShaders, type RowShaders } from "./rowSnippets.ts";

const params = { rows: "u32", cols: "u32" } as const;
const units = ({ rows }: Readonly<Record<string, number>>): number => rows!;

/** y_j = `result`, where sum.most and sum.total are m and sum_k exp(x_k - m). */
const forwardShaders = (result: string): RowShaders =>
  rowShaders(
    {
      uses: [expSums],
      source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = groupIndex(group);
  if (row >= params.rows) { return; }
  let parts = params.cols / PART;
  let begin = row * parts;
  var part = NO_TERMS;
  for (var j = local; j < parts; j += WG) { part = withTerms(part, x[begin + j]); }
  let sum = workgroupExpSum(local, part);
  for (var j = local; j < parts; j += WG) { y[begin + j] = ${result}; }
}`,
    },
    ["x", "y"],
  );

export const softmaxForwardKernel = defineKernel({
  name: "softmaxForward",
  inputs: { x: "float" },
  outputs: { y: "float" },
  params,
  wasm: { name: "softmaxForward", units },
  wgsl: alongRows(forwardShaders("safeExpOf(x[begin + j] - sum.most) / sum.total")),
  plain({ x, y }, { rows, cols }) {
    for (let row = 0; row < rows * cols; row += cols) {
      let most = -Infinity;
      for (let j = 0; j < cols; j++) most = Math.max(most, x[row + j]!);
      let total = 0;
      for (let j = 0; j < cols; j++) total += Math.exp(x[row + j]! - most);
      for (let j = 0; j < cols; j++) y[row + j] = Math.exp(x[row + j]! - most) / total;
    }
  },
});

export const logSoftmaxForwardKernel = defineKernel({
  name: "logSoftmaxForward",
  inputs: { x: "float" },
  outputs: { y: "float" },
  params,
  wasm: { name: "logSoftmaxForward", units },
  // As below: next to a large maximum the logarithm would be rounded away.
  wgsl: alongRows(forwardShaders("(x[begin + j] - sum.most) - log(sum.total)")),
  plain({ x, y }, { rows, cols }) {
    for (let row = 0; row < rows * cols; row += cols) {
      let most = -Infinity;
      for (let j = 0; j < cols; j++) most = Math.max(most, x[row + j]!);
      let total = 0;
      for (let j = 0; j < cols; j++) total += Math.exp(x[row + j]! - most);
      const log = Math.log(total);
      // Not x - (most + log): next to a large maximum the logarithm would be rounded away.
      for (let j = 0; j < cols; j++) y[row + j] = x[row + j]! - most - log;
    }
  },
});

/**
 * @param x [..., C]
 * @returns [..., C], rows that sum to 1
 * @throws {ShapeError} for a scalar
 */
export function softmaxForward(x: Tensor): Tensor {
  const y = empty(x.device, x.shape, x.dtype);
  launch(softmaxForwardKernel, { x, y }, rowsOf("softmax", x));
  return y;
}

/** Natural logarithm of `softmaxForward`, finite where that is 0. */
export function logSoftmaxForward(x: Tensor): Tensor {
  const y = empty(x.device, x.shape, x.dtype);
  launch(logSoftmaxForwardKernel, { x, y }, rowsOf("logSoftmax", x));
  return y;
}

function rowsOf(op: string, x: Tensor): { rows: number; cols: number } {
  const cols = x.shape.at(-1);
  if (cols === undefined) throw new ShapeError(`${op}: x must have an axis, got []`);
  return { rows: cols === 0 ? 0 : x.size / cols, cols };
}

// From the output alone:
//   softmax      dx_j = y_j (dy_j - sum_k dy_k y_k)
//   logSoftmax   dx_j = dy_j - exp(y_j) sum_k dy_k

/** dx_j = `result`, where `total` is the sum over the row of `term`. */
const backwardShaders = (term: string, result: string): RowShaders =>
  rowShaders(
    {
      uses: [expSums],
      source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = groupIndex(group);
  if (row >= params.rows) { return; }
  let parts = params.cols / PART;
  let begin = row * parts;
  var part = 0.0;
  for (var j = begin + local; j < begin + parts; j += WG) { part += sumOf(${term}); }
  let total = workgroupSum(local, part);
  for (var j = begin + local; j < begin + parts; j += WG) { dx[j] = ${result}; }
}`,
    },
    ["y", "dy", "dx"],
  );

export const softmaxBackwardKernel = defineKernel({
  name: "softmaxBackward",
  inputs: { y: "float", dy: "float" },
  outputs: { dx: "float" },
  params,
  wasm: { name: "softmaxBackward", units },
  wgsl: alongRows(backwardShaders("dy[j] * y[j]", "y[j] * (dy[j] - total)")),
  plain({ y, dy, dx }, { rows, cols }) {
    for (let row = 0; row < rows * cols; row += cols) {
      let dot = 0;
      for (let j = 0; j < cols; j++) dot += dy[row + j]! * y[row + j]!;
      for (let j = 0; j < cols; j++) dx[row + j] = y[row + j]! * (dy[row + j]! - dot);
    }
  },
});

export const logSoftmaxBackwardKernel = defineKernel({
  name: "logSoftmaxBackward",
  inputs: { y: "float", dy: "float" },
  outputs: { dx: "float" },
  params,
  wasm: { name: "logSoftmaxBackward", units },
  wgsl: alongRows(backwardShaders("dy[j]", "dy[j] - safeExpOf(y[j]) * total")),
  plain({ y, dy, dx }, { rows, cols }) {
    for (let row = 0; row < rows * cols; row += cols) {
      let total = 0;
      for (let j = 0; j < cols; j++) total += dy[row + j]!;
      for (let j = 0; j < cols; j++) dx[row + j] = dy[row + j]! - Math.exp(y[row + j]!) * total;
    }
  },
});

/** Gradient of x [..., C] from y and dy [..., C]. */
export function softmaxBackward(y: Tensor, dy: Tensor): Tensor {
  const dx = empty(y.device, y.shape, y.dtype);
  launch(softmaxBackwardKernel, { y, dy, dx }, rowsOf("softmax", y));
  return dx;
}

/** Gradient of x [..., C] from y and dy [..., C]. */
export function logSoftmaxBackward(y: Tensor, dy: Tensor): Tensor {
  const dx = empty(y.device, y.shape, y.dtype);
  launch(logSoftmaxBackwardKernel, { y, dy, dx }, rowsOf("logSoftmax", y));
  return dx;
}
