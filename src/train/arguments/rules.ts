// What each training argument must be, and how its text on a command line is read.

import { ArgumentError } from "../../tensor/errors.ts";
import type { TrainingArguments } from "./arguments.ts";

export type Field = keyof TrainingArguments;

/** What a value must be, in words, the test for it, and the value that a text stands for. */
export interface Rule {
  readonly must: string;
  holds(value: unknown): boolean;
  /** A text that stands for nothing of this kind comes back as it is, and fails the test. */
  read(text: string): unknown;
}

const readText = (text: string): unknown => text;
const readNumber = (text: string): unknown =>
  text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text);
const readFlag = (text: string): unknown => {
  const lower = text.toLowerCase();
  return lower === "true" || lower === "false" ? lower === "true" : text;
};

const isNumber = (value: unknown): value is number => Number.isFinite(value);

const flag: Rule = {
  must: "true or false",
  holds: (value) => typeof value === "boolean",
  read: readFlag,
};
const text: Rule = {
  must: "a text that is not empty",
  holds: (value) => typeof value === "string" && value !== "",
  read: readText,
};

function number(must: string, holds: (value: number) => boolean): Rule {
  return { must, holds: (value) => isNumber(value) && holds(value), read: readNumber };
}

function whole(least: number): Rule {
  return number(
    `a whole number of at least ${least}`,
    (value) => Number.isSafeInteger(value) && value >= least,
  );
}

const atLeast = (least: number): Rule =>
  number(`a number of at least ${least}`, (value) => value >= least);
const above = (least: number): Rule => number(`a number above ${least}`, (value) => value > least);
const shareBelow1 = number(
  "a number of at least 0 and below 1",
  (value) => value >= 0 && value < 1,
);
const shareUpTo1 = number(
  "a number of at least 0 and at most 1",
  (value) => value >= 0 && value <= 1,
);
const steps = number(
  "a whole number of at least 1, or a share of all steps above 0 and below 1",
  (value) => value > 0 && (value < 1 || Number.isInteger(value)),
);

function oneOf(...values: readonly string[]): Rule {
  const must = `one of ${values.map((value) => `"${value}"`).join(", ")}`;
  return { must, holds: (value) => values.includes(value as string), read: readText };
}

function orNull(rule: Rule): Rule {
  return {
    must: `${rule.must}, or null`,
    holds: (value) => value === null || rule.holds(value),
    read: (text) => (text === "null" || text === "none" ? null : rule.read(text)),
  };
}

export const argumentRules: Readonly<Record<Field, Rule>> = {
  outputDir: text,
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
  metricForBestModel: orNull(text),
  greaterIsBetter: orNull(flag),
  seed: whole(0),
  dataSeed: orNull(whole(0)),
  reportTo: oneOf("none", "all", "jsonl", "tensorboard"),
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
  throw new ArgumentError(`${name}: must be ${rule.must}, got ${JSON.stringify(text)}`);
}
