// How long a training run is, from its arguments and the number of rows (transformers' set_initial_training_values).

import { ArgumentError } from "../tensor/errors.ts";
import type { TrainingArguments } from "./arguments/arguments.ts";
import { batchCount } from "../data/batches.ts";

export interface RunPlan {
  /** Batches of an epoch; of the whole run when the data is a stream. */
  readonly batchesPerEpoch: number;
  /** Updates of an epoch; the last one may have fewer batches. */
  readonly stepsPerEpoch: number;
  /** Updates in all. */
  readonly maxSteps: number;
  /** Epochs begun at most; for a stream there is no limit. */
  readonly epochs: number;
  /** Rows that train_samples_per_second counts: full batches times steps, when maxSteps was given. */
  readonly samples: number;
}

/**
 * @param rows of the training data; null for a stream
 * @param ranks processes that train together: each takes a batch of its own, and batches count per rank
 * @throws {ArgumentError} for a stream without maxSteps, or when no batch is full and partial ones are dropped
 */
export function planRun(args: TrainingArguments, rows: number | null, ranks = 1): RunPlan {
  const { perDeviceTrainBatchSize: batchSize, gradientAccumulationSteps } = args;
  const allBatches = batchSize * ranks;
  const samples = args.maxSteps * allBatches * gradientAccumulationSteps;
  const batchesPerEpoch = batchCount(rows, allBatches, args.dataloaderDropLast);
  if (rows === null || batchesPerEpoch === null) {
    if (args.maxSteps < 1) {
      throw new ArgumentError(
        `maxSteps: must be at least 1 when trainDataset is a stream, got ${args.maxSteps}. Set it.`,
      );
    }
    return {
      batchesPerEpoch: args.maxSteps * gradientAccumulationSteps,
      stepsPerEpoch: args.maxSteps,
      maxSteps: args.maxSteps,
      epochs: Number.MAX_SAFE_INTEGER,
      samples,
    };
  }
  if (batchesPerEpoch === 0) {
    throw new ArgumentError(
      `dataloaderDropLast: needs at least one full batch of ${allBatches} rows, got ${rows} rows. ` +
        "Set it to false, or use a smaller batch.",
    );
  }
  const stepsPerEpoch = Math.ceil(batchesPerEpoch / gradientAccumulationSteps);
  const shape = { batchesPerEpoch, stepsPerEpoch };
  return args.maxSteps > 0
    ? {
        ...shape,
        maxSteps: args.maxSteps,
        epochs: Math.ceil(args.maxSteps / stepsPerEpoch),
        samples,
      }
    : {
        ...shape,
        maxSteps: Math.ceil(args.numTrainEpochs * stepsPerEpoch),
        epochs: Math.ceil(args.numTrainEpochs),
        samples: rows * args.numTrainEpochs,
      };
}
