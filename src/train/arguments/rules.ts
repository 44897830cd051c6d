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
  shareBelow1,
  shareUpTo1,
  whole,
  type ReadableRule,
} from "../../fields/rules.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import { cureOf } from "./cures.ts";
import type { TrainingArguments } from "./fields.ts";

export type Field = keyof TrainingArguments;

const steps = number(
  "a whole number of at least 1, or a share of all steps above 0 and below 1",
  (value) => value > 0 && (value < 1 || Number.isInteger(value)),
);

export const argumentRules: Readonly<Record<Field, ReadableRule>> = {
  outputDir: nonEmptyText,
  perDeviceTrainBatchSize: whole(1),
  perDeviceEvalBatchSize: whole(1),
  gradientAccumulationSteps: whole(1),
  dataloaderDropLast: flag,
  numTrainEpochs: above(0),
  maxSteps: number(
    "a whole number of at least 1, or -1 for none",
    (value) => value === -1 || (Number.isSafeInteger(value) && value >= 1),
  ),
  learningRate: atLeast(0),
  lrSchedulerType: oneOf("linear", "cosine", "constant", "constant_with_warmup"),
  warmupSteps: number(
    "a whole number of at least 0, or a share of all steps below 1",
    (value) => value === 0 || steps.holds(value),
  ),
  warmupRatio: shareUpTo1,
  optim: oneOf("adamw_torch", "adamw_torch_fused"),
  weightDecay: atLeast(0),
  adamBeta1: shareBelow1,
  adamBeta2: shareBelow1,
  adamEpsilon: above(0),
  maxGradNorm: atLeast(0),
  labelSmoothingFactor: shareBelow1,
  fp16: flag,
  bf16: flag,
  gradientCheckpointing: flag,
  loggingStrategy: oneOf("no", "steps", "epoch"),
  loggingSteps: steps,
  loggingFirstStep: flag,
  loggingNanInfFilter: flag,
  evalStrategy: oneOf("no", "steps", "epoch"),
  evalSteps: orNull(steps),
  evalDelay: atLeast(0),
  evalOnStart: flag,
  predictWithGenerate: flag,
  generationMaxLength: orNull(whole(2)),
  generationNumBeams: orNull(whole(1)),
  saveStrategy: oneOf("no", "steps", "epoch", "best"),
  saveSteps: steps,
  saveTotalLimit: orNull(whole(1)),
  saveOnlyModel: flag,
  loadBestModelAtEnd: flag,
  metricForBestModel: orNull(nonEmptyText),
  greaterIsBetter: orNull(flag),
  seed: whole(0),
  dataSeed: orNull(whole(0)),
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
