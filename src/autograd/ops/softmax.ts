// Softmax and log-softmax over the last axis. Their gradients need the output only.

import {
  logSoftmaxBackward,
  logSoftmaxForward,
  softmaxBackward,
  softmaxForward,
} from "../../kernels/rows/softmax.ts";
import { requireTensors } from "../../tensor/requireTensors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../tape.ts";

/**
 * exp(x) / sum(exp(x)) over the last axis. Entries of any finite size are fine.
 * @param x [..., C]
 * @returns [..., C]
 * @throws {ShapeError} for a scalar
 */
export function softmax(x: Tensor): Tensor {
  requireTensors("softmax", { x });
  const y = softmaxForward(x);
  return record({
    name: "softmax",
    inputs: [x],
    output: y,
    saved: { y },
    backward: (dy, { y }) => [softmaxBackward(y, dy)],
  });
}

/**
 * Natural logarithm of `softmax`, finite where that underflows to 0.
 * @param x [..., C]
 * @returns [..., C]
 * @throws {ShapeError} for a scalar
 */
export function logSoftmax(x: Tensor): Tensor {
  requireTensors("logSoftmax", { x });
  const y = logSoftmaxForward(x);
  return record({
    name: "logSoftmax",
    inputs: [x],
    output: y,
    saved: { y },
    backward: (dy, { y }) => [logSoftmaxBackward(y, dy)],
  });
}
