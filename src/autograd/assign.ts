// In-place update of a leaf, for optimizers of one's own.

import { copyRangeInto } from "../kernels/moves/slice.ts";
import { AutogradError, ShapeError } from "../tensor/errors.ts";
import { requireTensors } from "../tensor/requireTensors.ts";
import { scope } from "../tensor/scope.ts";
import { formatShape, sameShape } from "../tensor/shape.ts";
import type { TensorData } from "../tensor/nested.ts";
import { alias, Tensor, tensor } from "../tensor/tensor.ts";

/**
 * Writes the elements of `source` over those of `target`, as torch's `target.copy_(source)` does under `no_grad`: `target`
 * stays the same object, with its `requiresGrad`; tensors that view it (`reshape`) change with it, and no gradient flows to
 * `source`. Call it between `backward` and the next forward pass: a `backward` through an op that read `target` before
 * would see the new elements.
 * @param target a leaf: made by `tensor`, `zeros` and the like, or by an op that recorded nothing
 * @param source a tensor of target's shape, dtype and device, or numbers as `tensor` takes them, as many as target has
 * @returns target
 * @throws {AutogradError} when target is the result of an op that `backward` would go through
 * @throws {ShapeError} when the shapes differ
 * @throws {DtypeError} when the dtypes differ
 */
export function assign(target: Tensor, source: Tensor | TensorData): Tensor {
  requireTensors("assign", { target });
  if (target.node !== null) {
    throw new AutogradError(
      "assign: target must be a leaf, got the result of an op. Make it with tensor(), or compute it in noGrad().",
    );
  }
  scope(() => {
    const { shape, device, dtype } = target;
    const x = source instanceof Tensor ? source : tensor(source, shape, { device, dtype });
    if (!sameShape(x.shape, shape)) {
      throw new ShapeError(
        `assign: source must be ${formatShape(shape)} as target, got ${formatShape(x.shape)}`,
      );
    }
    const flat = [x.size];
    const range = { axis: 0, begin: 0, length: x.size };
    copyRangeInto(alias(x, flat), range, alias(target, flat), 0);
  });
  return target;
}
