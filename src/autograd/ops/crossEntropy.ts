// Cross-entropy with its gradient.

import {
  checkLabels,
  crossEntropyBackward,
  crossEntropyForward,
  IGNORE_INDEX,
  type CrossEntropyOptions,
} from "../../kernels/rows/crossEntropy.ts";
import { requireTensors } from "../../tensor/requireTensors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../tape.ts";

export { checkLabels };

/**
 * Mean negative log-likelihood of the labels, over the rows whose label is not `ignoreIndex`. NaN when
 * every row is ignored, as in PyTorch. Keeps one number a row for backward, no probabilities.
 * @param logits [..., V]
 * @param labels i32 [...], each 0..V-1 or ignoreIndex; see `checkLabels`
 * @param options ignoreIndex, -100 by default; labelSmoothing of 0..1, 0 by default:
 *   (1 - e) nll + e mean over the vocabulary of -log p
 * @returns []
 * @throws {ShapeError} unless labels have logits' shape without its last axis
 * @throws {ArgumentError} for a smoothing outside 0..1
 */
export function crossEntropy(
  logits: Tensor,
  labels: Tensor,
  options: Partial<CrossEntropyOptions> = {},
): Tensor {
  requireTensors("crossEntropy", { logits, labels });
  const settings = { ignoreIndex: IGNORE_INDEX, labelSmoothing: 0, ...options };
  const { loss, lse, count } = crossEntropyForward(logits, labels, settings);
  const output = record({
    name: "crossEntropy",
    inputs: [logits],
    output: loss,
    saved: { logits, labels, lse, count },
    backward: (dloss, saved) => [crossEntropyBackward(dloss, saved, settings)],
  });
  for (const saved of [lse, count]) saved.dispose(); // the tape has handles of its own
  return output;
}
