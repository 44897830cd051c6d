// What each schedule can be told: transformers' lr_scheduler_kwargs, by their keys there or in camelCase.

import { didYouMean, toCamelCase, toSnakeCase } from "../fields/names.ts";
import {
  above,
  atLeast,
  flag,
  formatValue,
  oneOf,
  orNull,
  shareBelow1,
  shareUpTo1,
  whole,
  type Rule,
} from "../fields/rules.ts";
import { ArgumentError } from "../tensor/errors.ts";
import type { MetricOptions } from "./plateau.ts";

/** lr_scheduler_kwargs of the schedules that follow the count of updates; `scheduleFactor` says which has which. */
export interface ScheduleOptions {
  /** Waves of the cosine, or its restarts, > 0. */
  readonly numCycles?: number;
  /** Last rate of "polynomial", >= 0. */
  readonly lrEnd?: number;
  /** Exponent of "polynomial", > 0. */
  readonly power?: number;
  /** Updates after which "inverse_sqrt" has come to the peak again, >= 1. */
  readonly timescale?: number | null;
  /** Least rate of the cosines, >= 0; or `minLrRate`. */
  readonly minLr?: number | null;
  /** Least rate of the cosines as a share of the peak, 0 to 1; or `minLr`. */
  readonly minLrRate?: number | null;
  /** First rate of "cosine_warmup_with_min_lr" as a share of the peak, 0 to 1. */
  readonly warmupLrRate?: number | null;
  /** Updates at the peak, >= 0. Default: what warmup and decay leave. */
  readonly numStableSteps?: number | null;
  /** Updates of the decay, >= 0; "warmup_stable_decay" needs it. */
  readonly numDecaySteps?: number;
  /** Default "linear". */
  readonly warmupType?: "linear" | "cosine" | "1-sqrt";
  /** Default "cosine". */
  readonly decayType?: "linear" | "cosine" | "1-sqrt";
  /** Least rate of "warmup_stable_decay" as a share of the peak, 0 to 1. Default 0. */
  readonly minLrRatio?: number;
}

type AnyOptions = ScheduleOptions & MetricOptions;
type Rules = Readonly<Partial<Record<keyof AnyOptions, Rule>>>;

const shape = oneOf("linear", "cosine", "1-sqrt");
const numCycles = above(0);
const cosineWithLeast: Rules = {
  ...{ numCycles, minLr: orNull(atLeast(0)), minLrRate: orNull(shareUpTo1) },
};
const metric: Rules = {
  mode: oneOf("min", "max"),
  factor: shareBelow1,
  patience: whole(0),
  threshold: atLeast(0),
  thresholdMode: oneOf("rel", "abs"),
  cooldown: whole(0),
  minLr: atLeast(0),
  eps: atLeast(0),
};

const RULES: Readonly<Record<string, Rules>> = {
  linear: {},
  cosine: { numCycles },
  cosine_with_restarts: { numCycles: whole(1) },
  polynomial: { lrEnd: atLeast(0), power: above(0) },
  constant: {},
  constant_with_warmup: {},
  inverse_sqrt: { timescale: orNull(whole(1)) },
  cosine_with_min_lr: cosineWithLeast,
  cosine_warmup_with_min_lr: { ...cosineWithLeast, warmupLrRate: orNull(shareUpTo1) },
  warmup_stable_decay: {
    ...{ numCycles, numStableSteps: orNull(whole(0)), numDecaySteps: whole(0) },
    ...{ warmupType: shape, decayType: shape, minLrRatio: shareUpTo1 },
  },
  reduce_lr_on_plateau: metric,
  greedy: {
    ...{ ...metric, warmup: whole(0), maxLr: atLeast(0), verbose: flag, smooth: flag },
    ...{ windowSize: whole(1), resetStart: whole(0) },
  },
};

/** @throws {ArgumentError} for an option that the schedule does not have, one out of its range, or one that it needs */
export function checkOptions(type: string, options: AnyOptions): void {
  const rules = RULES[type]!;
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const rule = rules[name as keyof AnyOptions];
    if (rule === undefined) {
      const known = Object.keys(rules).map(toSnakeCase);
      const hint = known.length === 0 ? "It has none." : didYouMean(toSnakeCase(name), known);
      throw new ArgumentError(
        `lrSchedulerKwargs: must be options of "${type}", got ${toSnakeCase(name)}. ${hint}`,
      );
    }
    if (!rule.holds(value)) {
      throw new ArgumentError(
        `lrSchedulerKwargs: ${toSnakeCase(name)} must be ${rule.must}, got ${formatValue(value)}`,
      );
    }
  }
  if (type === "warmup_stable_decay" && options.numDecaySteps === undefined) {
    throw new ArgumentError(
      'lrSchedulerKwargs: "warmup_stable_decay" needs num_decay_steps, got none. Set it to the updates of the decay.',
    );
  }
  if (rules.minLrRate === undefined) return;
  const given = [options.minLr, options.minLrRate].filter((value) => value != null).length;
  if (given === 1) return;
  throw new ArgumentError(
    `lrSchedulerKwargs: "${type}" needs one of min_lr and min_lr_rate, got ${given === 0 ? "none" : "both"}`,
  );
}

/**
 * The options of a schedule in camelCase, from lr_scheduler_kwargs in either spelling.
 * @throws {ArgumentError} as {@link checkOptions}
 */
export function scheduleOptions(
  type: string,
  kwargs: Readonly<Record<string, unknown>> | null,
): AnyOptions {
  const entries = Object.entries(kwargs ?? {}).map(([key, value]) => [toCamelCase(key), value]);
  const options = Object.fromEntries(entries) as AnyOptions;
  checkOptions(type, options);
  return options;
}
