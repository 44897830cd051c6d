// Dropout with its gradient, and its fusion with a residual connection.

import type { Dropout } from "../../kernels/pointwise/dropout.ts";
import {
  checkResidual,
  dropoutForward,
  dropoutAddForward,
  dropoutParams,
} from "../../kernels/pointwise/dropout.ts";
import type { RandomStream } from "../../tensor/philox.ts";
import { requireTensors } from "../../tensor/requireTensors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../tape.ts";
import { add } from "./pointwise.ts";

export type { Dropout, RandomStream };

/**
 * Zeroes elements with probability p and divides the others by 1 - p. Nothing is saved: backward draws
 * the mask again.
 * @param x any shape
 * @param p 0..1; 0 returns x itself
 * @param stream from `Generator.next()`
 * @throws {ArgumentError} for p outside 0..1
 */
export function dropout(x: Tensor, p: number, stream: RandomStream): Tensor {
  requireTensors("dropout", { x });
  const params = dropoutParams("dropout", { p, ...stream });
  if (p === 0) return x;
  return record({
    name: "dropout",
    inputs: [x],
    output: dropoutForward(x, params),
    saved: {},
    backward: (dy) => [dropoutForward(dy, params)],
  });
}

/**
 * residual + dropout(x), in one pass.
 * @param residual of x's shape
 * @param p 0..1
 * @param stream from `Generator.next()`
 * @throws {ShapeError} unless both have one shape
 * @throws {ArgumentError} for p outside 0..1
 */
export function dropoutAdd(residual: Tensor, x: Tensor, p: number, stream: RandomStream): Tensor {
  requireTensors("dropoutAdd", { residual, x });
  const params = dropoutParams("dropoutAdd", { p, ...stream });
  checkResidual(residual, x);
  if (p === 0) return add(residual, x);
  return record({
    name: "dropoutAdd",
    inputs: [residual, x],
    output: dropoutAddForward(residual, x, params),
    saved: {},
    backward: (dy, _saved, { needs }) => [
      needs[0] ? dy : null,
      needs[1] ? dropoutForward(dy, params) : null,
    ],
  });
}

/** The same from two ops: documentation and test oracle of `dropoutAdd`. */
export function dropoutAddComposed(
  residual: Tensor,
  x: Tensor,
  p: number,
  stream: RandomStream,
): Tensor {
  return add(residual, dropout(x, p, stream));
}
