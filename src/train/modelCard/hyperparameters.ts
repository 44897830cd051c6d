// The list of hyperparameters of a model card, in the words of transformers' extract_hyperparameters_from_trainer.

import type { TrainingArguments } from "../arguments/arguments.ts";
import { pythonFloat } from "./pythonNumbers.ts";

/**
 * Texts by transformers' names, in its order; what has its default and says nothing is left out.
 * @param processes that trained together
 */
export function hyperparameters(args: TrainingArguments, processes: number): Map<string, string> {
  const { perDeviceTrainBatchSize: batch, gradientAccumulationSteps: batches } = args;
  const found = new Map<string, string>([
    ["learning_rate", pythonFloat(args.learningRate)],
    ["train_batch_size", String(batch)],
    ["eval_batch_size", String(args.perDeviceEvalBatchSize)],
    ["seed", String(args.seed)],
  ]);
  if (processes > 1) {
    found.set("distributed_type", "MPI");
    found.set("num_devices", String(processes));
  }
  if (batches > 1) found.set("gradient_accumulation_steps", String(batches));
  if (batches * processes > 1) {
    found.set("total_train_batch_size", String(batch * batches * processes));
  }
  if (processes > 1) {
    found.set("total_eval_batch_size", String(args.perDeviceEvalBatchSize * processes));
  }
  found.set("optimizer", optimizer(args));
  found.set("lr_scheduler_type", args.lrSchedulerType);
  if (args.warmupSteps > 0) found.set("lr_scheduler_warmup_steps", count(args.warmupSteps));
  else if (args.warmupRatio > 0) {
    found.set("lr_scheduler_warmup_ratio", pythonFloat(args.warmupRatio));
  }
  if (args.maxSteps > 0) found.set("training_steps", String(args.maxSteps));
  else found.set("num_epochs", count(args.numTrainEpochs));
  if (args.fp16) found.set("mixed_precision_training", "Native AMP");
  if (args.labelSmoothingFactor > 0) {
    found.set("label_smoothing_factor", pythonFloat(args.labelSmoothingFactor));
  }
  return found;
}

function optimizer({ optim, optimArgs, ...args }: TrainingArguments): string {
  const own = optimArgs ?? "No additional optimizer arguments";
  if (!optim.includes("adam")) return `Use ${optim} and the args are:\n${own}`;
  const betas = `(${pythonFloat(args.adamBeta1)},${pythonFloat(args.adamBeta2)})`;
  return `Use ${optim} with betas=${betas} and epsilon=${pythonFloat(args.adamEpsilon)} and optimizer_args=${own}`;
}

/** A number that is mostly whole, which Python's users write without a point. */
function count(value: number): string {
  return Number.isInteger(value) ? String(value) : pythonFloat(value);
}
