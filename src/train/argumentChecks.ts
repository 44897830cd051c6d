// What each training argument must be, and which of them go together.

import { ArgumentError } from "../tensor/errors.ts";
import type { TrainingArguments } from "./arguments.ts";

type Field = keyof TrainingArguments;

/** What a value must be, in words, and the test for it. */
interface Rule {
  readonly must: string;
  holds(value: unknown): boolean;
}

const flag: Rule = { must: "true or false", holds: (value) => typeof value === "boolean" };
const text: Rule = {
  must: "a text that is not empty",
  holds: (value) => typeof value === "string" && value !== "",
};

const isNumber = (value: unknown): value is number => Number.isFinite(value);

function whole(least: number): Rule {
  return {
    must: `a whole number of at least ${least}`,
    holds: (value) => Number.isSafeInteger(value) && (value as number) >= least,
  };
}

function atLeast(least: number): Rule {
  return {
    must: `a number of at least ${least}`,
    holds: (value) => isNumber(value) && value >= least,
  };
}

function above(least: number): Rule {
  return { must: `a number above ${least}`, holds: (value) => isNumber(value) && value > least };
}

/** From 0 on and below 1, or up to 1 with `inclusive`. */
function share(inclusive: boolean): Rule {
  return {
    must: `a number of at least 0 and ${inclusive ? "at most" : "below"} 1`,
    holds: (value) => isNumber(value) && value >= 0 && (inclusive ? value <= 1 : value < 1),
  };
}

const steps: Rule = {
  must: "a whole number of at least 1, or a share of all steps above 0 and below 1",
  holds: (value) => isNumber(value) && value > 0 && (value < 1 || Number.isInteger(value)),
};

function oneOf(...values: readonly string[]): Rule {
  const must = `one of ${values.map((value) => `"${value}"`).join(", ")}`;
  return { must, holds: (value) => values.includes(value as string) };
}

function orNull(rule: Rule): Rule {
  return {
    must: `${rule.must}, or null`,
    holds: (value) => value === null || rule.holds(value),
  };
}

/** A flag of transformers that this version takes only as false. */
function notYet(cure: string): Rule {
  return { must: `false in this version (${cure})`, holds: (value) => value === false };
}

const computesInF32 =
  'arithmetic is f32; load the model with dtype "bfloat16" to store it in 16 bits';

const rules: Readonly<Record<Field, Rule>> = {
  outputDir: text,
  perDeviceTrainBatchSize: whole(1),
  perDeviceEvalBatchSize: whole(1),
  gradientAccumulationSteps: whole(1),
  dataloaderDropLast: flag,
  numTrainEpochs: above(0),
  maxSteps: {
    must: "a whole number of at least 1, or -1 for none",
    holds: (value) => value === -1 || whole(1).holds(value),
  },
  learningRate: atLeast(0),
  lrSchedulerType: oneOf("linear", "cosine", "constant", "constant_with_warmup"),
  warmupSteps: {
    must: "a whole number of at least 0, or a share of all steps below 1",
    holds: (value) => value === 0 || steps.holds(value),
  },
  warmupRatio: share(true),
  optim: oneOf("adamw_torch", "adamw_torch_fused"),
  weightDecay: atLeast(0),
  adamBeta1: share(false),
  adamBeta2: share(false),
  adamEpsilon: above(0),
  maxGradNorm: atLeast(0),
  labelSmoothingFactor: share(false),
  fp16: notYet(computesInF32),
  bf16: notYet(computesInF32),
  gradientCheckpointing: notYet("use a smaller batch and gradientAccumulationSteps"),
  loggingStrategy: oneOf("no", "steps", "epoch"),
  loggingSteps: steps,
  loggingFirstStep: flag,
  loggingNanInfFilter: flag,
  evalStrategy: oneOf("no", "steps", "epoch"),
  evalSteps: orNull(steps),
  evalDelay: atLeast(0),
  evalOnStart: flag,
  saveStrategy: oneOf("no", "steps", "epoch", "best"),
  saveSteps: steps,
  saveTotalLimit: orNull(whole(1)),
  saveOnlyModel: flag,
  loadBestModelAtEnd: flag,
  metricForBestModel: orNull(text),
  greaterIsBetter: orNull(flag),
  seed: whole(0),
  dataSeed: orNull(whole(0)),
  reportTo: oneOf("none", "all", "jsonl"),
  disableTqdm: flag,
};

/** @throws {ArgumentError} for the first field that is unknown or not what it must be */
export function checkFields(args: Readonly<Record<Field, unknown>>): void {
  for (const [name, value] of Object.entries(args)) {
    const rule: Rule | undefined = Object.hasOwn(rules, name) ? rules[name as Field] : undefined;
    if (rule === undefined) {
      throw new ArgumentError(
        `TrainingArguments: every name must be known, got ${name}. Did you mean ${nearest(name)}?`,
      );
    }
    if (!rule.holds(value)) {
      throw new ArgumentError(`${name}: must be ${rule.must}, got ${format(value)}`);
    }
  }
}

/** @throws {ArgumentError} for fields that contradict each other (transformers' __post_init__) */
export function checkCombinations(args: TrainingArguments): void {
  const { evalStrategy, evalSteps, saveStrategy, saveSteps } = args;
  if (args.loadBestModelAtEnd && saveStrategy !== "best") {
    if (evalStrategy !== saveStrategy) {
      throw new ArgumentError(
        `loadBestModelAtEnd: evalStrategy and saveStrategy must be equal, got "${evalStrategy}" and "${saveStrategy}". ` +
          "Set evalStrategy, so that every checkpoint has been evaluated.",
      );
    }
    if (evalStrategy === "steps" && !isMultiple(saveSteps, evalSteps!)) {
      throw new ArgumentError(
        `loadBestModelAtEnd: saveSteps must be a multiple of evalSteps, got ${saveSteps} and ${evalSteps}. ` +
          "Make them equal.",
      );
    }
  }
  if (args.loadBestModelAtEnd && evalStrategy === "no") {
    throw new ArgumentError(
      'loadBestModelAtEnd: needs evaluations, got evalStrategy "no". Set it to "steps" or "epoch".',
    );
  }
  if (saveStrategy === "best" && args.metricForBestModel === null) {
    throw new ArgumentError(
      'saveStrategy: "best" needs metricForBestModel, got null. Set it, for example to "loss".',
    );
  }
}

/** Both whole, or both shares of the run (whose quotient is whole up to rounding). */
function isMultiple(of: number, unit: number): boolean {
  if (of < 1 !== unit < 1) return false;
  return of >= 1 ? of % unit === 0 : Math.abs(of / unit - Math.round(of / unit)) < 1e-6;
}

function format(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

/** The known name that takes the fewest changed letters; learning_rate is nearest to learningRate. */
function nearest(name: string): string {
  const plain = (text: string): string => text.replaceAll("_", "").toLowerCase();
  const distances = Object.keys(rules).map((known) => ({
    known,
    distance: editDistance(plain(name), plain(known)),
  }));
  return distances.reduce((best, next) => (next.distance < best.distance ? next : best)).known;
}

/** Levenshtein distance: insertions, deletions and substitutions of letters. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
