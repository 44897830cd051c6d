// Copies that walk through x in another order: permuted axes, or repeated ones (broadcasting).
//
//   y[i, j, k, l] = x[i s0 + j s1 + k s2 + l s3]        a stride of 0 repeats

import { ShapeError } from "../../tensor/errors.ts";
import {
  broadcastShapes,
  broadcastStrides,
  formatShape,
  resolveAxis,
  sameShape,
  stridesOf,
  type Shape,
} from "../../tensor/shape.ts";
import { alias, empty, type Tensor } from "../../tensor/tensor.ts";
import { defineKernel, launch } from "../kernel.ts";
import { isPacked, movedName, movedType, moveShader, perMovedType } from "./moveKernel.ts";
import { axisParams, axisValues, collapseAxes } from "../stridedAxes.ts";

const permuteKernels = perMovedType((type) =>
  defineKernel({
    name: movedName("permute", type),
    inputs: { x: type },
    outputs: { y: type },
    // y is [n0, n1, n2, n3], row-major
    params: { ...axisParams("n"), ...axisParams("s") },
    wasm: {
      name: "permute",
      selector: isPacked(type) ? 1 : 2, // log2 of an element's bytes
      units: ({ n0, n1, n2 }) => n0! * n1! * n2!,
    },
    wgsl: moveShader(type, {
      size: ({ n0, n1, n2, n3 }) => n0 * n1 * n2 * n3,
      wgslSize: "params.n0 * params.n1 * params.n2 * params.n3",
      source: /* wgsl */ `
fn sourceOf(i: u32) -> u32 {
  let l = i % params.n3;
  let k = i / params.n3 % params.n2;
  let j = i / (params.n3 * params.n2) % params.n1;
  let outermost = i / (params.n3 * params.n2 * params.n1);
  return outermost * params.s0 + j * params.s1 + k * params.s2 + l * params.s3;
}`,
    }),
    plain({ x, y }, p) {
      let out = 0;
      for (let i = 0; i < p.n0; i++) {
        for (let j = 0; j < p.n1; j++) {
          for (let k = 0; k < p.n2; k++) {
            let at = i * p.s0 + j * p.s1 + k * p.s2;
            for (let l = 0; l < p.n3; l++, at += p.s3) y[out++] = x[at]!;
          }
        }
      }
    },
  }),
);

/** y of `shape`, read from x with one stride for each axis; a view of x where that is its own order. */
function strided(op: string, x: Tensor, shape: Shape, strides: readonly number[]): Tensor {
  const ownStrides = stridesOf(shape);
  if (shape.every((dim, i) => dim <= 1 || strides[i] === ownStrides[i])) return alias(x, shape);
  const axes = collapseAxes(op, shape, [strides]);
  const y = empty(x.device, shape, x.dtype);
  launch(
    permuteKernels[movedType(x.dtype)],
    { x, y },
    { ...axisValues("n", axes.shape), ...axisValues("s", axes.strides[0]!) },
  );
  return y;
}

/**
 * Axis i of the result is axis `axes[i]` of x.
 * @throws {ShapeError} unless axes names every axis once, or when more than four axes stay apart
 */
export function permuteForward(x: Tensor, axes: readonly number[]): Tensor {
  const order = permutation("permute", axes, x.rank);
  const strides = stridesOf(x.shape);
  const shape = order.map((axis) => x.shape[axis]!);
  const walked = order.map((axis) => strides[axis]!);
  return strided("permute", x, shape, walked);
}

/** Axes of 0..rank-1. @throws {ShapeError} unless each is named once */
export function permutation(op: string, axes: readonly number[], rank: number): number[] {
  const order = axes.map((axis) => resolveAxis(op, axis, rank));
  if (order.length !== rank || new Set(order).size !== rank) {
    throw new ShapeError(`${op}: axes must name all ${rank} axes once, got ${formatShape(axes)}`);
  }
  return order;
}

/**
 * x repeated to `shape`, by NumPy's rule.
 * @throws {ShapeError} when x does not broadcast to it
 */
export function broadcastToForward(x: Tensor, shape: Shape): Tensor {
  if (x.rank > shape.length || !sameShape(broadcastShapes("broadcastTo", x.shape, shape), shape)) {
    throw new ShapeError(
      `broadcastTo: x must be 1 or equal on every axis of ${formatShape(shape)} counted from the last, got ${formatShape(x.shape)}`,
    );
  }
  return strided("broadcastTo", x, shape, broadcastStrides(x.shape, shape));
}
