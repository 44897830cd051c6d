// Sum and mean over axes.

import { broadcastToForward } from "../../kernels/moves/permute.ts";
import { scalarForward } from "../../kernels/pointwise/pointwise.ts";
import { sumAxesForward } from "../../kernels/rows/reduce.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import { resolveAxis } from "../../tensor/shape.ts";
import { requireTensors } from "../../tensor/requireTensors.ts";
import { alias, type Tensor } from "../../tensor/tensor.ts";
import { record } from "../tape.ts";

/**
 * Sum over `axes`, all of them when left out, none when empty.
 * @param axes each in -rank..rank-1
 * @param keepDims leaves summed axes in the shape as 1
 * @throws {ShapeError} for an axis out of range or named twice
 */
export function sum(x: Tensor, axes?: readonly number[], keepDims = false): Tensor {
  requireTensors("sum", { x });
  return recordSum("sum", x, axes, keepDims);
}

/** Mean over `axes`, NaN where there is nothing to average; arguments as `sum`. */
export function mean(x: Tensor, axes?: readonly number[], keepDims = false): Tensor {
  requireTensors("mean", { x });
  return recordSum("mean", x, axes, keepDims);
}

function recordSum(
  name: "sum" | "mean",
  x: Tensor,
  axes: readonly number[] | undefined,
  keepDims: boolean,
): Tensor {
  if (axes !== undefined && !Array.isArray(axes)) {
    throw new ArgumentError(`${name}: axes must be an array as [0, -1], got ${String(axes)}`);
  }
  const { shape } = x;
  const summed = (axes ?? shape.map((_, i) => i)).map((axis) => resolveAxis(name, axis, x.rank));
  const count = name === "sum" ? 1 : summed.reduce((size, axis) => size * shape[axis]!, 1);
  const keptShape = shape.map((dim, i) => (summed.includes(i) ? 1 : dim));
  return record({
    name,
    inputs: [x],
    output: divided(sumAxesForward(x, summed, keepDims, name), count),
    saved: {},
    backward: (dy) => [broadcastToForward(divided(alias(dy, keptShape), count), shape)],
  });
}

/** x / count; takes x over. */
function divided(x: Tensor, count: number): Tensor {
  if (count === 1) return x;
  const y = scalarForward("mulScalar", x, 1 / count);
  x.dispose();
  return y;
}
