// Evaluation: the mean loss over a dataset, dropout off, nothing recorded.

import { noGrad } from "../autograd/tape.ts";
import { scope } from "../tensor/scope.ts";
import type { TrainingArguments } from "./arguments.ts";
import { batches, rowCount, type Collator, type TrainDataset } from "./batches.ts";
import { nextTurn } from "./nextTurn.ts";
import { speedMetrics, type Metrics } from "./speed.ts";
import type { TrainableModel } from "./trainableModel.ts";
import { batchLoss } from "./update.ts";

/**
 * eval_loss, weighted by samples and not by tokens as transformers does (hf-semantics 3.6), and speed.
 * @throws {DatasetError} for an empty dataset
 */
export async function evaluateLoss(
  model: TrainableModel,
  dataset: TrainDataset,
  args: TrainingArguments,
  collate: Collator,
  signal: AbortSignal | undefined,
): Promise<Metrics> {
  rowCount("evalDataset", dataset);
  const wasTraining = model.training;
  const begun = performance.now();
  let sum = 0;
  let samples = 0;
  let steps = 0;
  model.eval();
  try {
    for await (const batch of batches(dataset, { batchSize: args.perDeviceEvalBatchSize, collate })) {
      const loss = scope(() => noGrad(() => batchLoss(model, batch, args.labelSmoothingFactor)));
      sum += (await loss.item()) * batch.inputIds.length;
      loss.dispose();
      samples += batch.inputIds.length;
      steps++;
      await nextTurn();
      signal?.throwIfAborted();
    }
  } finally {
    if (wasTraining) model.train();
  }
  const seconds = (performance.now() - begun) / 1000;
  return { eval_loss: sum / samples, ...speedMetrics("eval", seconds, samples, steps) };
}
