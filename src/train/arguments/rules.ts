// What each training argument must be, and how its text on a command line is read.

import {
  above,
  atLeast,
  flag,
  formatValue,
  listOf,
  nonEmptyText,
  number,
  oneOf,
  orNull,
  readJson,
  shareBelow1,
  shareUpTo1,
  whole,
  type ReadableRule,
} from "../../fields/rules.ts";
import { SCHEDULER_TYPES } from "../../optim/schedule.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import { cureOf } from "./cures.ts";
import type { TrainingArguments } from "./fields.ts";

export type Field = keyof TrainingArguments;

const steps = number(
  "a whole number of at least 1, or a share of all steps above 0 and below 1",
  (value) => value > 0 && (value < 1 || Number.isInteger(value)),
);

const isObject = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const anObject: ReadableRule = { must: "an object", holds: isObject, read: readJson };
const generationConfig: ReadableRule = {
  must: "an object of options, or a path",
  holds: (value) => isObject(value) || nonEmptyText.holds(value),
  read: readJson,
};

const checkpoint: ReadableRule = {
  must: "the path of a checkpoint, or true for the newest",
  holds: (value) => typeof value === "boolean" || nonEmptyText.holds(value),
  read: readJson,
};

export const argumentRules: Readonly<Record<Field, ReadableRule>> = {
  outputDir: nonEmptyText,
  perDeviceTrainBatchSize: whole(1),
  perDeviceEvalBatchSize: whole(1),
  gradientAccumulationSteps: whole(1),
  dataloaderDropLast: flag,
  autoFindBatchSize: flag,
  trainSamplingStrategy: oneOf("random", "sequential", "group_by_length"),
  lengthColumnName: nonEmptyText,
  packBatches: flag,
  numTrainEpochs: above(0),
  maxSteps: number(
    "a whole number of at least 1, or -1 for none",
    (value) => value === -1 || (Number.isSafeInteger(value) && value >= 1),
  ),
  learningRate: atLeast(0),
  lrSchedulerType: oneOf(...SCHEDULER_TYPES),
  lrSchedulerKwargs: orNull(anObject),
  warmupSteps: number(
    "a whole number of at least 0, or a share of all steps below 1",
    (value) => value === 0 || steps.holds(value),
  ),
  warmupRatio: shareUpTo1,
  optim: oneOf("adamw_torch", "adamw_torch_fused", "adafactor"),
  optimArgs: orNull(nonEmptyText),
  weightDecay: atLeast(0),
  adamBeta1: shareBelow1,
  adamBeta2: shareBelow1,
  adamEpsilon: above(0),
  maxGradNorm: atLeast(0),
  labelSmoothingFactor: shareBelow1,
  neftuneNoiseAlpha: orNull(above(0)),
  fp16: flag,
  bf16: flag,
  gradientCheckpointing: flag,
  loggingStrategy: oneOf("no", "steps", "epoch"),
  loggingSteps: steps,
  loggingFirstStep: flag,
  loggingNanInfFilter: flag,
  includeNumInputTokensSeen: oneOf("no", "all", "non_padding"),
  evalStrategy: oneOf("no", "steps", "epoch"),
  evalSteps: orNull(steps),
  evalDelay: atLeast(0),
  evalOnStart: flag,
  predictionLossOnly: flag,
  predictWithGenerate: flag,
  generationMaxLength: orNull(whole(2)),
  generationNumBeams: orNull(whole(1)),
  generationConfig: orNull(generationConfig),
  saveStrategy: oneOf("no", "steps", "epoch", "best"),
  saveSteps: steps,
  saveTotalLimit: orNull(whole(1)),
  saveOnlyModel: flag,
  resumeFromCheckpoint: orNull(checkpoint),
  ignoreDataSkip: flag,
  loadBestModelAtEnd: flag,
  metricForBestModel: orNull(nonEmptyText),
  greaterIsBetter: orNull(flag),
  seed: whole(0),
  dataSeed: orNull(whole(0)),
  useCpu: flag,
  reportTo: listOf("none", "all", "jsonl", "tensorboard"),
  loggingDir: orNull(nonEmptyText),
  runName: orNull(nonEmptyText),
  pushToHub: flag,
  hubModelId: orNull(nonEmptyText),
  hubStrategy: oneOf("end", "every_save", "checkpoint", "all_checkpoints"),
  hubToken: orNull(nonEmptyText),
  hubPrivateRepo: orNull(flag),
  hubAlwaysPush: flag,
  hubRevision: orNull(nonEmptyText),
  disableTqdm: flag,
};

/**
 * The value that a text on a command line stands for: "true", "1e-3", "none" (where null is allowed).
 * @throws {ArgumentError} when the argument cannot be that
 */
export function readArgument<K extends Field>(name: K, text: string): TrainingArguments[K] {
  const rule = argumentRules[name];
  const value = rule.read(text);
  if (rule.holds(value)) return value as TrainingArguments[K];
  throw new ArgumentError(
    `${name}: must be ${rule.must}, got ${formatValue(text)}${cureOf(name, value)}`,
  );
}
