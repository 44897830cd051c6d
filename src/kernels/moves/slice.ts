// Cutting along an axis, and its reverse. A range of an axis of x [outer, dim, inner] lies in `outer`
// runs of neighbouring elements, at equal distances: one kernel copies such runs from tensor to tensor.
//
//   y[yBegin + r yStride + i] = x[xBegin + r xStride + i]        r < runs, i < run

import { ShapeError } from "../../tensor/errors.ts";
import { formatShape, resolveAxis, sizeOf, type Shape } from "../../tensor/shape.ts";
import { empty, zeros, type Tensor } from "../../tensor/tensor.ts";
import type { WgslPlanned, WgslShader } from "../../tensor/wgsl.ts";
import { defineKernel, launch } from "../kernel.ts";
import { isPacked, movedName, movedType, perMovedType, type MovedType } from "./moveKernel.ts";

interface CopyParams {
  readonly runs: number;
  readonly run: number;
  readonly yBegin: number;
  readonly yStride: number;
}

/** One invocation for each element that is copied. */
const copyElements: WgslShader = {
  name: "elements",
  views: { x: "u32", y: "u32" },
  source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i >= params.runs * params.run) { return; }
  let r = i / params.run;
  let at = i % params.run;
  y[params.yBegin + r * params.yStride + at] = x[params.xBegin + r * params.xStride + at];
}`,
};

/**
 * One invocation for each word of y from the first element copied to the last: halves of it may belong to
 * two runs, or keep what they hold.
 */
const copyHalves: WgslShader = {
  name: "halves",
  source: /* wgsl */ `
fn element(i: u32, old: u32) -> u32 {
  if (i < params.yBegin) { return old; }
  let offset = i - params.yBegin;
  let r = offset / params.yStride;
  let at = offset % params.yStride;
  if (r >= params.runs || at >= params.run) { return old; }
  let source = params.xBegin + r * params.xStride + at;
  return (x[source >> 1u] >> ((source & 1u) * 16u)) & 0xffffu;
}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let word = (params.yBegin >> 1u) + globalIndex(group, local);
  if (2u * word >= params.yBegin + (params.runs - 1u) * params.yStride + params.run) { return; }
  let old = y[word];
  y[word] = element(2u * word, old & 0xffffu) | (element(2u * word + 1u, old >> 16u) << 16u);
}`,
};

function copyRunsBody(type: MovedType): WgslPlanned<CopyParams> {
  const packed = isPacked(type);
  return {
    plan({ params: { runs, run, yBegin, yStride } }) {
      if (runs * run === 0) return { passes: [] };
      if (!packed) return { passes: [{ shader: copyElements, invocations: runs * run }] };
      const end = yBegin + (runs - 1) * yStride + run;
      const words = Math.ceil(end / 2) - Math.floor(yBegin / 2);
      return { passes: [{ shader: copyHalves, invocations: words }] };
    },
  };
}

const copyRunsKernels = perMovedType((type) =>
  defineKernel({
    name: movedName("copyRuns", type),
    inputs: { x: type },
    outputs: { y: type }, // what is not copied to stays as it is
    params: {
      runs: "u32",
      run: "u32",
      xBegin: "u32",
      xStride: "u32",
      yBegin: "u32",
      yStride: "u32",
    },
    wgsl: copyRunsBody(type),
    plain({ x, y }, { runs, run, xBegin, xStride, yBegin, yStride }) {
      for (let r = 0; r < runs; r++) {
        const from = xBegin + r * xStride;
        y.set(x.subarray(from, from + run), yBegin + r * yStride);
      }
    },
  }),
);

/** A range of an axis: `length` steps from `begin` on. */
export interface AxisRange {
  readonly axis: number;
  readonly begin: number;
  readonly length: number;
}

/** Copies a range of x's axis over the range of y's that begins at `yBegin`. Other axes are equal. */
export function copyRangeInto(x: Tensor, range: AxisRange, y: Tensor, yBegin: number): void {
  const { axis, begin, length } = range;
  const inner = sizeOf(x.shape.slice(axis + 1));
  launch(
    copyRunsKernels[movedType(x.dtype)],
    { x, y },
    {
      runs: sizeOf(x.shape.slice(0, axis)),
      run: length * inner,
      xBegin: begin * inner,
      xStride: x.shape[axis]! * inner,
      yBegin: yBegin * inner,
      yStride: y.shape[axis]! * inner,
    },
  );
}

/** `shape` with another dimension on `axis`. */
export function withDim(shape: Shape, axis: number, dim: number): number[] {
  return shape.map((old, i) => (i === axis ? dim : old));
}

/**
 * Steps begin..end-1 of an axis.
 * @throws {ShapeError} unless 0 <= begin <= end <= the axis' dimension
 */
export function sliceForward(x: Tensor, axis: number, begin: number, end: number): Tensor {
  const at = resolveAxis("slice", axis, x.rank);
  const dim = x.shape[at]!;
  if (
    !Number.isInteger(begin) ||
    !Number.isInteger(end) ||
    !(0 <= begin && begin <= end && end <= dim)
  ) {
    throw new ShapeError(
      `slice: must be 0 <= begin <= end <= ${dim} on axis ${axis} of ${formatShape(x.shape)}, got ${begin}..${end}`,
    );
  }
  const y = empty(x.device, withDim(x.shape, at, end - begin), x.dtype);
  copyRangeInto(x, { axis: at, begin, length: end - begin }, y, 0);
  return y;
}

/** Gradient of x `shape` from that of its slice: zeros around dy. `axis` counts from 0. */
export function sliceBackward(dy: Tensor, shape: Shape, axis: number, begin: number): Tensor {
  const dx = zeros(shape, { device: dy.device, dtype: dy.dtype });
  copyRangeInto(dy, { axis, begin: 0, length: dy.shape[axis]! }, dx, begin);
  return dx;
}
