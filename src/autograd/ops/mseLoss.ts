// The mean squared error, from small ops: they are few, and no model of this library trains with it.

import { ShapeError } from "../../tensor/errors.ts";
import { formatShape, sameShape } from "../../tensor/shape.ts";
import { requireTensors } from "../../tensor/requireTensors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { mul, sub } from "./pointwise.ts";
import { mean } from "./reduce.ts";

/**
 * mean((prediction - target)^2) over all elements, as torch.nn.functional.mse_loss with reduction "mean".
 * @param prediction any shape
 * @param target of prediction's shape; broadcasting would average over pairs that nobody meant
 * @returns [], NaN without elements
 * @throws {ShapeError} unless both have one shape
 */
export function mseLoss(prediction: Tensor, target: Tensor): Tensor {
  requireTensors("mseLoss", { prediction, target });
  if (!sameShape(prediction.shape, target.shape)) {
    throw new ShapeError(
      `mseLoss: target must be ${formatShape(prediction.shape)} as the prediction, got ${formatShape(target.shape)}. Use reshape().`,
    );
  }
  const error = sub(prediction, target);
  return mean(mul(error, error));
}
