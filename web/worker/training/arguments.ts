// The form's fields as TrainingArguments.

import type { TrainingArgumentsInput } from "gradloom";
import type { TrainSettings } from "../../protocol/training.ts";

/** Longest summary that evaluations write, in tokens. */
export const MOST_NEW_TOKENS = 64;

/** @param outputDir in the browser's private files */
export function argumentsOf(
  settings: TrainSettings,
  outputDir: string,
  evalOnStart: boolean,
): TrainingArgumentsInput {
  const { maxSteps, epochs, evalSteps, saveSteps, batchSize, scheduler } = settings;
  const { learningRate, gradientAccumulationSteps, warmupRatio, weightDecay, seed } = settings;
  const { loggingSteps, gradientCheckpointing } = settings;
  return {
    ...{ learningRate, gradientAccumulationSteps, warmupRatio, weightDecay, seed },
    ...{ loggingSteps, gradientCheckpointing },
    ...(maxSteps > 0 ? { maxSteps } : { numTrainEpochs: epochs }),
    perDeviceTrainBatchSize: batchSize,
    perDeviceEvalBatchSize: batchSize,
    lrSchedulerType: scheduler,
    ...(evalSteps > 0 ? { evalStrategy: "steps", evalSteps } : { evalStrategy: "no" }),
    evalOnStart,
    predictWithGenerate: true,
    generationMaxLength: MOST_NEW_TOKENS,
    ...{ outputDir, saveStrategy: "steps", saveSteps, saveTotalLimit: 1 },
    includeNumInputTokensSeen: "all",
    reportTo: "none",
    disableTqdm: true,
  };
}
