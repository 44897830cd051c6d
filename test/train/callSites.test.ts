// Arguments as programs for transformers pass them: 37 calls of Seq2SeqTrainingArguments, with the names and the kinds of values
// that public programs use, as often as they use them. What does not pass is refused with a reason.

import { describe, expect, it } from "vitest";
import { setWarningHandler } from "../../src/tensor/warnings.ts";
import {
  trainingArguments,
  type TrainingArgumentsInput,
} from "../../src/train/arguments/arguments.ts";

const usual = {
  ...{ outputDir: "out", perDeviceTrainBatchSize: 8, learningRate: 2e-5, numTrainEpochs: 3 },
  ...{ perDeviceEvalBatchSize: 8, evalStrategy: "epoch", predictWithGenerate: true },
};
const old = { outputDir: "results", evaluationStrategy: "steps", evalSteps: 200, saveSteps: 200 };
const best = { loadBestModelAtEnd: true, saveStrategy: "epoch", evalStrategy: "epoch" };

const SITES: readonly Readonly<Record<string, unknown>>[] = [
  { ...usual, weightDecay: 0.01, saveTotalLimit: 3, fp16: true, reportTo: "none" },
  { ...usual, weightDecay: 0.01, saveTotalLimit: 3, fp16: true, pushToHub: false },
  { ...usual, gradientAccumulationSteps: 4, warmupSteps: 500, loggingSteps: 100, fp16: true },
  { ...usual, gradientAccumulationSteps: 2, dataloaderNumWorkers: 4, bf16: true },
  { ...usual, ...best, metricForBestModel: "rouge1", greaterIsBetter: true, saveTotalLimit: 2 },
  { ...usual, ...best, metricForBestModel: "eval_loss", greaterIsBetter: false, reportTo: "none" },
  { ...usual, loggingDir: "logs", loggingStrategy: "steps", loggingSteps: 500, reportTo: "none" },
  { ...usual, loggingDir: "out/logs", loggingSteps: 10, overwriteOutputDir: true },
  { ...usual, generationMaxLength: 128, generationNumBeams: 4, labelSmoothingFactor: 0.1 },
  { ...usual, optim: "adafactor", lrSchedulerType: "constant", learningRate: 1e-3 },
  { ...usual, optim: "adafactor", lrSchedulerType: "inverse_sqrt", warmupSteps: 1000 },
  { ...usual, optim: "adamw_torch", lrSchedulerType: "cosine", warmupRatio: 0.1 },
  { ...usual, optim: "adamw_torch_fused", tf32: true, bf16: true, torchCompile: false },
  { ...usual, gradientCheckpointing: true, gradientCheckpointingKwargs: { use_reentrant: false } },
  {
    ...usual,
    gradientCheckpointing: true,
    maxGradNorm: 0.3,
    optim: "adafactor",
    groupByLength: true,
  },
  { ...usual, removeUnusedColumns: false, labelNames: ["labels"], saveOnlyModel: true },
  { ...usual, removeUnusedColumns: false, ddpFindUnusedParameters: false, seed: 42, dataSeed: 1 },
  {
    ...usual,
    ddpFindUnusedParameters: false,
    fsdp: "",
    fsdpConfig: null,
    dataloaderPinMemory: false,
  },
  {
    ...usual,
    ddpFindUnusedParameters: null,
    deepspeed: null,
    localRank: -1,
    doTrain: true,
    doEval: true,
  },
  { ...usual, dataloaderNumWorkers: 8, dataloaderPinMemory: true, evalAccumulationSteps: 10 },
  { ...usual, dataloaderNumWorkers: 2, disableTqdm: false, loggingFirstStep: true, useCpu: false },
  { ...old, maxSteps: 4000, warmupSteps: 500, gradientAccumulationSteps: 1, fp16: false },
  { ...old, maxSteps: 100, perDeviceTrainBatchSize: 1, noCuda: true, overwriteOutputDir: true },
  {
    ...old,
    numTrainEpochs: 5,
    weightDecay: 0.01,
    loggingSteps: 50,
    pushToHub: false,
    hubModelId: null,
  },
  {
    ...old,
    saveStrategy: "steps",
    loadBestModelAtEnd: true,
    metricForBestModel: "loss",
    fp16: true,
  },
  { ...old, overwriteOutputDir: true, doTrain: true, doEval: true, dataloaderNumWorkers: 0 },
  {
    ...old,
    loggingDir: "runs",
    loggingStrategy: "epoch",
    saveTotalLimit: 1,
    predictionLossOnly: true,
  },
  { ...old, warmupRatio: 0.05, lrSchedulerType: "linear", learningRate: 3e-4, adamEpsilon: 1e-6 },
  { outputDir: "out", overwriteOutputDir: true, numTrainEpochs: 1, saveStrategy: "no" },
  { outputDir: "out", maxSteps: 20, loggingSteps: 1, reportTo: "none", dataloaderNumWorkers: 4 },
  {
    outputDir: "out",
    evalStrategy: "no",
    saveSteps: 1000,
    saveTotalLimit: 2,
    dataloaderNumWorkers: 1,
  },
  {
    outputDir: "out",
    perDeviceTrainBatchSize: 16,
    weightDecay: 0.1,
    reportTo: "none",
    torchCompile: true,
  },
  { outputDir: "out", bf16: true, evalOnStart: true, evalStrategy: "steps", evalSteps: 0.2 },
  { ...usual, reportTo: "wandb", runName: "flan-t5", loggingSteps: 10 },
  { ...usual, reportTo: ["wandb"], pushToHub: true, hubModelId: "me/model" },
  { ...usual, reportTo: "wandb", pushToHub: true, hubPrivateRepo: true, dataloaderNumWorkers: 4 },
  { ...usual, reportTo: "wandb", runName: "t5", pushToHub: true, ddpFindUnusedParameters: false },
];

describe("37 calls", () => {
  const outcomes = SITES.map((site) => {
    const before = setWarningHandler(() => undefined);
    try {
      trainingArguments(site as TrainingArgumentsInput);
      return null;
    } catch (error) {
      return (error as Error).message;
    } finally {
      setWarningHandler(before);
    }
  });

  it("pass whole but for a few", () => {
    expect(SITES).toHaveLength(37);
    const refused = outcomes.filter((message) => message !== null);
    expect(refused.length, refused.join("\n")).toBeLessThanOrEqual(4);
  });

  it("say why where they do not", () => {
    for (const message of outcomes) {
      if (message !== null)
        expect(message).toMatch(/^(reportTo|runName|pushToHub|hub\w+): must be /);
    }
  });
});
