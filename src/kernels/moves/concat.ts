// Joining along an axis: y = [x_0, x_1, ...]. Each tensor is copied to its range of the axis.

import { ArgumentError, ShapeError } from "../../tensor/errors.ts";
import { formatShape, resolveAxis, sameShape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { copyRangeInto, withDim } from "./slice.ts";

/**
 * @param list at least one tensor; shapes are equal except on `axis`
 * @throws {ArgumentError} for an empty list
 * @throws {ShapeError} when shapes differ elsewhere
 */
export function concatForward(list: readonly Tensor[], axis: number): Tensor {
  const [first] = list;
  if (first === undefined) throw new ArgumentError("concat: needs at least one tensor, got none");
  const at = resolveAxis("concat", axis, first.rank);
  const shape = withDim(
    first.shape,
    at,
    list.reduce((sum, x) => sum + (x.shape[at] ?? 0), 0),
  );
  for (const x of list) {
    if (x.rank === first.rank && sameShape(withDim(x.shape, at, shape[at]!), shape)) continue;
    throw new ShapeError(
      `concat: shapes must be equal except on axis ${axis}, got ${formatShape(first.shape)} and ${formatShape(x.shape)}`,
    );
  }
  const y = empty(first.device, shape, first.dtype);
  let begin = 0;
  for (const x of list) {
    const length = x.shape[at]!;
    copyRangeInto(x, { axis: at, begin: 0, length }, y, begin);
    begin += length;
  }
  return y;
}
