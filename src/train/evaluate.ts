// The loss over an evaluation set.

import { noGrad } from "../autograd/tape.ts";
import { addToSum } from "../kernels/runningSum.ts";
import { keep, scope } from "../tensor/scope.ts";
import { zeros } from "../tensor/tensor.ts";
import { batches, type Collator, type TrainDataset } from "./batches.ts";
import { batchLoss } from "./loss.ts";
import { nextTurn } from "./nextTurn.ts";
import type { TrainableModel } from "./trainableModel.ts";

export interface EvaluationOptions {
  readonly batchSize: number;
  readonly collate: Collator;
  readonly labelSmoothing: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Mean of the batches' losses, each weighted by its number of rows (hf-semantics 3.6), with dropout off and in the
 * dataset's own order. The model is left in the mode it was in.
 * @returns loss, and the number of rows seen
 * @throws the signal's reason when it is raised
 */
export async function evaluationLoss(
  model: TrainableModel,
  dataset: TrainDataset,
  { batchSize, collate, labelSmoothing, signal }: EvaluationOptions,
): Promise<{ loss: number; samples: number }> {
  const wasTraining = model.training;
  const sum = keep(zeros([1], { device: model.device }));
  let samples = 0;
  model.eval();
  try {
    for await (const batch of batches(dataset, { batchSize, collate })) {
      signal?.throwIfAborted();
      const rows = batch.inputIds.length;
      scope(() => noGrad(() => addToSum(sum, batchLoss(model, batch, labelSmoothing), rows)));
      samples += rows;
      await nextTurn();
    }
    return { loss: (await sum.item()) / samples, samples };
  } finally {
    sum.dispose();
    if (wasTraining) model.train();
  }
}
