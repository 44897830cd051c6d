// Ops that move elements or name their axes anew, and compute nothing.

import { concatForward } from "../../kernels/moves/concat.ts";
import {
  broadcastToForward as broadcastForward,
  permutation,
  permuteForward,
} from "../../kernels/moves/permute.ts";
import { sumToForward } from "../../kernels/rows/reduce.ts";
import { sliceForward, sliceBackward } from "../../kernels/moves/slice.ts";
import { inferShape, resolveAxis, type Shape } from "../../tensor/shape.ts";
import { requireTensors } from "../../tensor/requireTensors.ts";
import { alias, type Tensor } from "../../tensor/tensor.ts";
import { record } from "../tape.ts";

/**
 * The same elements in another shape, without a copy: the result shares x's storage.
 * @param shape may hold one -1, which is inferred
 * @throws {ShapeError} unless the shape holds as many elements as x
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  requireTensors("reshape", { x });
  const before = x.shape;
  return record({
    name: "reshape",
    inputs: [x],
    output: alias(x, inferShape("reshape", shape, x.size)),
    saved: {},
    backward: (dy) => [alias(dy, before)],
  });
}

/**
 * Axis i of the result is axis `axes[i]` of x. Permutations that move only axes of 1 share x's storage.
 * @param axes each of -rank..rank-1, every axis once
 * @throws {ShapeError} otherwise, or when more than four axes stay apart
 */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  requireTensors("permute", { x });
  const order = permutation("permute", axes, x.rank);
  const inverse = order.map((_, i) => order.indexOf(i));
  return record({
    name: "permute",
    inputs: [x],
    output: permuteForward(x, order),
    saved: {},
    backward: (dy) => [permuteForward(dy, inverse)],
  });
}

/** Swaps two axes. @throws {ShapeError} for an axis outside -rank..rank-1 */
export function transpose(x: Tensor, axisA: number, axisB: number): Tensor {
  requireTensors("transpose", { x });
  const a = resolveAxis("transpose", axisA, x.rank);
  const b = resolveAxis("transpose", axisB, x.rank);
  return permute(
    x,
    x.shape.map((_, i) => (i === a ? b : i === b ? a : i)),
  );
}

/**
 * Joins tensors along an axis.
 * @param list at least one tensor; shapes are equal except on `axis`
 * @throws {ArgumentError} for an empty list
 * @throws {ShapeError} when shapes differ elsewhere
 */
export function concat(list: readonly Tensor[], axis: number): Tensor {
  const output = concatForward(list, axis);
  const at = resolveAxis("concat", axis, output.rank);
  const lengths = list.map((x) => x.shape[at]!);
  return record({
    name: "concat",
    inputs: list,
    output,
    saved: {},
    backward(dy, _saved, { needs }) {
      let begin = 0;
      return lengths.map((length, i) => {
        begin += length;
        return needs[i] ? sliceForward(dy, at, begin - length, begin) : null;
      });
    },
  });
}

/**
 * Steps begin..end-1 of an axis, copied.
 * @throws {ShapeError} unless 0 <= begin <= end <= the axis' dimension
 */
export function slice(x: Tensor, axis: number, begin: number, end: number): Tensor {
  requireTensors("slice", { x });
  const { shape } = x;
  return record({
    name: "slice",
    inputs: [x],
    output: sliceForward(x, axis, begin, end),
    saved: {},
    backward: (dy) => [sliceBackward(dy, shape, resolveAxis("slice", axis, shape.length), begin)],
  });
}

/**
 * x repeated to `shape`, by NumPy's broadcasting rule.
 * @throws {ShapeError} when x does not broadcast to it
 */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  requireTensors("broadcastTo", { x });
  const before = x.shape;
  return record({
    name: "broadcastTo",
    inputs: [x],
    output: broadcastForward(x, shape),
    saved: {},
    backward: (dy) => [sumToForward(dy, before)],
  });
}
