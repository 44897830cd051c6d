import { describe, expect, it } from "vitest";
import {
  trainingArguments,
  type TrainingArgumentsInput,
} from "../../src/train/arguments/arguments.ts";
import { ArgumentError } from "../../src/tensor/errors.ts";

describe("trainingArguments", () => {
  it("has transformers' defaults", () => {
    expect(trainingArguments()).toMatchObject({
      perDeviceTrainBatchSize: 8,
      perDeviceEvalBatchSize: 8,
      gradientAccumulationSteps: 1,
      numTrainEpochs: 3,
      maxSteps: -1,
      learningRate: 5e-5,
      lrSchedulerType: "linear",
      warmupSteps: 0,
      weightDecay: 0,
      adamBeta1: 0.9,
      adamBeta2: 0.999,
      adamEpsilon: 1e-8,
      maxGradNorm: 1,
      loggingStrategy: "steps",
      loggingSteps: 500,
      loggingNanInfFilter: true,
      evalStrategy: "no",
      evalSteps: null,
      saveStrategy: "steps",
      saveSteps: 500,
      saveTotalLimit: null,
      loadBestModelAtEnd: false,
      metricForBestModel: null,
      greaterIsBetter: null,
      seed: 42,
      dataSeed: null,
    });
  });

  it("takes undefined for a default", () => {
    expect(trainingArguments({ seed: undefined, learningRate: 1e-3 })).toMatchObject({
      seed: 42,
      learningRate: 1e-3,
    });
  });

  it("derives evalSteps, the metric and its direction", () => {
    expect(trainingArguments({ evalStrategy: "steps", loggingSteps: 20 }).evalSteps).toBe(20);
    const steps = {
      evalStrategy: "steps",
      evalSteps: 5,
      saveSteps: 10,
      loadBestModelAtEnd: true,
    } as const;
    expect(trainingArguments(steps)).toMatchObject({
      metricForBestModel: "loss",
      greaterIsBetter: false,
    });
    expect(trainingArguments({ ...steps, metricForBestModel: "rouge1" }).greaterIsBetter).toBe(
      true,
    );
    expect(trainingArguments({ ...steps, metricForBestModel: "eval_loss" }).greaterIsBetter).toBe(
      false,
    );
    const forced = { ...steps, metricForBestModel: "rouge1", greaterIsBetter: false };
    expect(trainingArguments(forced).greaterIsBetter).toBe(false);
  });

  it.each([
    [
      { perDeviceTrainBatchSize: 0 },
      "perDeviceTrainBatchSize: must be a whole number of at least 1, got 0",
    ],
    [
      { perDeviceEvalBatchSize: 2.5 },
      "perDeviceEvalBatchSize: must be a whole number of at least 1, got 2.5",
    ],
    [{ learningRate: -1 }, "learningRate: must be a number of at least 0, got -1"],
    [{ learningRate: NaN }, "learningRate: must be a number of at least 0, got NaN"],
    [{ learningRate: "1e-3" }, 'learningRate: must be a number of at least 0, got "1e-3"'],
    [{ numTrainEpochs: 0 }, "numTrainEpochs: must be a number above 0, got 0"],
    [{ maxSteps: 0 }, "maxSteps: must be a whole number of at least 1, or -1 for none, got 0"],
    [
      { warmupSteps: 1.5 },
      "warmupSteps: must be a whole number of at least 0, or a share of all steps below 1, got 1.5",
    ],
    [{ warmupRatio: 1.1 }, "warmupRatio: must be a number of at least 0 and at most 1, got 1.1"],
    [{ adamBeta2: 1 }, "adamBeta2: must be a number of at least 0 and below 1, got 1"],
    [{ adamEpsilon: 0 }, "adamEpsilon: must be a number above 0, got 0"],
    [
      { loggingSteps: 0 },
      "loggingSteps: must be a whole number of at least 1, or a share of all steps above 0 and below 1, got 0",
    ],
    [{ saveTotalLimit: 0 }, "saveTotalLimit: must be a whole number of at least 1, or null, got 0"],
    [
      { evalStrategy: "epochs" },
      'evalStrategy: must be one of "no", "steps", "epoch", got "epochs"',
    ],
    [
      { lrSchedulerType: "polynomial" },
      'lrSchedulerType: must be one of "linear", "cosine", "constant", "constant_with_warmup", got "polynomial"',
    ],
    [{ seed: -1 }, "seed: must be a whole number of at least 0, got -1"],
    [{ outputDir: "" }, 'outputDir: must be a text that is not empty, got ""'],
    [{ loadBestModelAtEnd: 1 }, "loadBestModelAtEnd: must be true or false, got 1"],
    [
      { reportTo: "wandb" },
      'reportTo: must be one of "none", "all", "jsonl", "tensorboard", or a list of them, got "wandb". ' +
        "Weights & Biases has no client for JavaScript that logs without its server. " +
        'Write "tensorboard"; "wandb sync FOLDER" reads the event files',
    ],
    [
      { reportTo: ["jsonl", "mlflow"] },
      'reportTo: must be one of "none", "all", "jsonl", "tensorboard", or a list of them, got ["jsonl","mlflow"]. ' +
        'Its client is for Python. Write "tensorboard", or "jsonl"',
    ],
    [
      { reportTo: ["jsonl", "paper"] },
      'reportTo: must be one of "none", "all", "jsonl", "tensorboard", or a list of them, got ["jsonl","paper"]',
    ],
  ])("refuses %j", (input, message) => {
    expect(() => trainingArguments(input as TrainingArgumentsInput)).toThrow(
      new ArgumentError(message),
    );
  });

  it.each([
    ["learning_rate", "learningRate"],
    ["evaluationStrategy", "evalStrategy"],
    ["weightdecay", "weightDecay"],
    ["saveTotalLimits", "saveTotalLimit"],
  ])("refuses the unknown name %s and says what was meant", (name, suggestion) => {
    expect(() => trainingArguments({ [name]: 1 } as TrainingArgumentsInput)).toThrow(
      new ArgumentError(
        `TrainingArguments: every name must be known, got ${name}. Did you mean ${suggestion}?`,
      ),
    );
  });

  it.each(["toString", "lr", "torchCompile"])("refuses %s and lists the known names", (name) => {
    const attempt = () => trainingArguments({ [name]: 1 } as TrainingArgumentsInput);
    expect(attempt).toThrow(ArgumentError);
    expect(attempt).toThrow(`every name must be known, got ${name}. Known: outputDir, perDevice`);
  });

  it.each([
    [{ loadBestModelAtEnd: true }, "evalStrategy and saveStrategy must be equal"],
    [{ loadBestModelAtEnd: true, saveStrategy: "no" }, "needs evaluations"],
    [
      { loadBestModelAtEnd: true, evalStrategy: "epoch" },
      "evalStrategy and saveStrategy must be equal",
    ],
    [
      { loadBestModelAtEnd: true, evalStrategy: "steps", evalSteps: 4, saveSteps: 10 },
      "saveSteps must be a multiple of evalSteps, got 10 and 4",
    ],
    [
      { loadBestModelAtEnd: true, evalStrategy: "steps", evalSteps: 0.1, saveSteps: 10 },
      "saveSteps must be a multiple of evalSteps, got 10 and 0.1",
    ],
    [{ saveStrategy: "best" }, '"best" needs metricForBestModel'],
    [{ fp16: true, bf16: true }, "fp16: must be false beside bf16, got true for both"],
  ])("refuses the combination %j", (input, message) => {
    expect(() => trainingArguments(input as TrainingArgumentsInput)).toThrow(message);
  });

  it("accepts shares whose quotient is whole", () => {
    const input = {
      loadBestModelAtEnd: true,
      evalStrategy: "steps",
      evalSteps: 0.1,
      saveSteps: 0.3,
    } as const;
    expect(trainingArguments(input).saveSteps).toBe(0.3);
  });
});
