// Training arguments as a run has them: given fields over the defaults, checked.

import { checkArguments, checkCombinations } from "./checks.ts";
import { trainingDefaults, type TrainingArguments, type TrainingArgumentsInput } from "./fields.ts";

export {
  trainingDefaults,
  type HubStrategy,
  type IntervalStrategy,
  type ReporterName,
  type SaveStrategy,
  type TrainingArguments,
  type TrainingArgumentsInput,
} from "./fields.ts";

/**
 * Fills in the defaults, as transformers' TrainingArguments does.
 * @throws {ArgumentError} for an unknown field, a value out of its range, or fields that contradict each other
 */
export function trainingArguments(input: TrainingArgumentsInput = {}): TrainingArguments {
  const { hubToken } = input; // of arguments that are given on, it is not among the entries
  const given = Object.entries({ ...input, hubToken }).filter(([, value]) => value !== undefined);
  const merged = { ...trainingDefaults, ...Object.fromEntries(given) } as TrainingArguments;
  checkArguments(merged);
  const metric = merged.metricForBestModel ?? (merged.loadBestModelAtEnd ? "loss" : null);
  const args: TrainingArguments = {
    ...merged,
    evalSteps: merged.evalSteps ?? (merged.evalStrategy === "steps" ? merged.loggingSteps : null),
    metricForBestModel: metric,
    greaterIsBetter: merged.greaterIsBetter ?? (metric === null ? null : !metric.endsWith("loss")),
  };
  checkCombinations(args);
  // What prints, copies or saves arguments does not see it.
  Object.defineProperty(args, "hubToken", { enumerable: false });
  return Object.freeze(args);
}

/** Number of warmup updates in a run of `totalSteps` (get_warmup_steps). */
export function warmupSteps(args: TrainingArguments, totalSteps: number): number {
  if (args.warmupSteps >= 1) return args.warmupSteps;
  return Math.ceil(totalSteps * (args.warmupSteps > 0 ? args.warmupSteps : args.warmupRatio));
}

/** A number of steps that may be given as a share of all (below 1). */
export function absoluteSteps(steps: number, totalSteps: number): number {
  return steps < 1 ? Math.ceil(totalSteps * steps) : steps;
}
