// Training arguments as a run has them: given fields over the defaults, checked.

import { readJson } from "../../fields/rules.ts";
import { readsMetrics } from "../../optim/schedule.ts";
import { checkArguments, checkCombinations } from "./checks.ts";
import { trainingDefaults, type TrainingArguments, type TrainingArgumentsInput } from "./fields.ts";
import { takeOther } from "./takeOther.ts";

export {
  trainingDefaults,
  type HubStrategy,
  type IntervalStrategy,
  type ReporterName,
  type SamplingStrategy,
  type SaveStrategy,
  type TrainingArguments,
  type TrainingArgumentsInput,
} from "./fields.ts";

/** Fields whose default transformers writes None; null stands for it here, too. */
const NONE_IS_DEFAULT: ReadonlySet<string> = new Set(["outputDir", "disableTqdm"]);

/**
 * Fills in the defaults, as transformers' TrainingArguments does. Names of transformers without effect here are taken with a
 * warning.
 * @throws {ArgumentError} for an unknown field, a value out of its range, fields that contradict each other, or a name of
 *   transformers that asks for what is not done here
 */
export function trainingArguments(input: TrainingArgumentsInput = {}): TrainingArguments {
  const { hubToken } = input; // of arguments that are given on, it is not among the entries
  const given = Object.entries(takeOther({ ...input, hubToken })).filter(
    ([name, value]) => value !== undefined && !(value === null && NONE_IS_DEFAULT.has(name)),
  );
  const merged = inOwnForm({ ...trainingDefaults, ...Object.fromEntries(given) });
  checkArguments(merged);
  const needsMetric = merged.loadBestModelAtEnd || readsMetrics(merged.lrSchedulerType);
  const metric = merged.metricForBestModel ?? (needsMetric ? "loss" : null);
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

/** The forms that transformers' __post_init__ takes besides: true for "all" tokens, JSON for an object. */
function inOwnForm(input: Readonly<Record<string, unknown>>): TrainingArguments {
  const { includeNumInputTokensSeen: tokens, lrSchedulerKwargs: kwargs } = input;
  return {
    ...input,
    includeNumInputTokensSeen: typeof tokens === "boolean" ? (tokens ? "all" : "no") : tokens,
    lrSchedulerKwargs: typeof kwargs === "string" ? readJson(kwargs) : kwargs,
  } as TrainingArguments;
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
