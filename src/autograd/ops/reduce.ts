// Sum and mean over axes.

import { scalar, add as addBroadcast } from "../../kernels/pointwise.ts";
import { sumAxes } from "../../kernels/reduce.ts";
import { resolveAxis } from "../../tensor/shape.ts";
import { alias, zeros, type Tensor } from "../../tensor/tensor.ts";
import { record } from "../tape.ts";

/**
 * Sum over `axes`, all of them when left out.
 * @param axes each in -rank..rank-1
 * @param keepDims leaves summed axes in the shape as 1
 * @throws {ShapeError} for an axis out of range or named twice
 */
export function sum(x: Tensor, axes?: readonly number[], keepDims = false): Tensor {
  return recordSum("sum", x, axes, keepDims, 1);
}

/** Mean over `axes`; arguments as `sum`. */
export function mean(x: Tensor, axes?: readonly number[], keepDims = false): Tensor {
  const averaged = (axes ?? x.shape.map((_, i) => i)).map((a) => resolveAxis("mean", a, x.rank));
  const count = averaged.reduce((product, axis) => product * x.shape[axis]!, 1);
  return recordSum("mean", x, axes, keepDims, 1 / count);
}

function recordSum(
  name: string,
  x: Tensor,
  axes: readonly number[] | undefined,
  keepDims: boolean,
  factor: number,
): Tensor {
  const total = sumAxes(x, axes, keepDims);
  const output = factor === 1 ? total : scalar("mulScalar", total, factor);
  const { shape } = x;
  const summed = (axes ?? shape.map((_, i) => i)).map((a) => resolveAxis(name, a, shape.length));
  const keptShape = shape.map((dim, i) => (summed.includes(i) ? 1 : dim));
  return record({
    name,
    inputs: [x],
    output,
    saved: {},
    backward(dy) {
      const scaled = factor === 1 ? dy : scalar("mulScalar", dy, factor);
      // Repeating along the summed axes is adding to zeros of the full shape.
      return [addBroadcast(zeros(shape, { device: dy.device, dtype: dy.dtype }), alias(scaled, keptShape))];
    },
  });
}
