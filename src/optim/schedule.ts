// Learning-rate schedules: what the rate is multiplied by at an update (transformers' optimization.py). Those that follow a
// metric instead of the count of updates are in plateau.ts.

import { ArgumentError } from "../tensor/errors.ts";
import { checkOptions, type ScheduleOptions } from "./scheduleOptions.ts";
import { requireThat } from "../tensor/requireTensors.ts";

/** Schedules that follow the count of updates, by transformers' names (lr_scheduler_type). */
export type CountedSchedule =
  | "linear"
  | "cosine"
  | "cosine_with_restarts"
  | "polynomial"
  | "constant"
  | "constant_with_warmup"
  | "inverse_sqrt"
  | "cosine_with_min_lr"
  | "cosine_warmup_with_min_lr"
  | "warmup_stable_decay";

/** Schedules that follow the metric of the evaluations. */
export type MetricSchedule = "reduce_lr_on_plateau" | "greedy";

/** By transformers' names (lr_scheduler_type). */
export type SchedulerType = CountedSchedule | MetricSchedule;

/** What a learning-rate schedule depends on. */
export interface ScheduleSettings {
  readonly type: CountedSchedule;
  /** Updates over which the rate grows from 0, >= 0. */
  readonly warmupSteps: number;
  /** Updates of the whole run. */
  readonly totalSteps: number;
  /** Peak rate, > 0; read where an option is a rate: lrEnd, minLr. Default 1, so that those are shares of the peak. */
  readonly learningRate?: number;
  /** What the schedule can be told (lr_scheduler_kwargs). Default none. */
  readonly options?: ScheduleOptions;
}

/** Settings with every default filled in. */
type Filled = Required<Omit<ScheduleSettings, "type">>;

/** A factor from the update s. */
type Factor = (s: number, settings: Filled) => number;

const MOST_TIMESCALE = 10_000;

/** Grows from 0 in the warmup, then follows `after`. */
function warmed(after: Factor): Factor {
  return (s, settings) => {
    const w = settings.warmupSteps;
    return s < w ? s / Math.max(1, w) : after(s, settings);
  };
}

/** Share of the updates after the warmup that are done, from 0 to 1 (and on). */
function progress(s: number, { warmupSteps: w, totalSteps: t }: Filled): number {
  return (s - w) / Math.max(1, t - w);
}

function cosine(cycles: number, done: number): number {
  return 0.5 * (1 + Math.cos(Math.PI * cycles * 2 * done));
}

/** A factor of 0..1 squeezed into least..1. */
function atLeast(least: number, factor: number): number {
  return Math.max(0, factor * (1 - least) + least);
}

const leastShare = ({ options, learningRate }: Filled): number =>
  options.minLr == null ? options.minLrRate! : options.minLr / learningRate;

const COUNTED: Readonly<Record<CountedSchedule, Factor>> = {
  linear: warmed((s, { warmupSteps: w, totalSteps: t }) =>
    Math.max(0, (t - s) / Math.max(1, t - w)),
  ),
  cosine: warmed((s, settings) =>
    Math.max(0, cosine(settings.options.numCycles ?? 0.5, progress(s, settings))),
  ),
  cosine_with_restarts: warmed((s, settings) => {
    const done = progress(s, settings);
    if (done >= 1) return 0;
    const inCycle = ((settings.options.numCycles ?? 1) * done) % 1;
    return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * inCycle)));
  }),
  polynomial: warmed((s, { warmupSteps: w, totalSteps: t, learningRate, options }) => {
    const { lrEnd = 1e-7, power = 1 } = options;
    if (s > t) return lrEnd / learningRate;
    const left = 1 - (s - w) / (t - w);
    return ((learningRate - lrEnd) * left ** power + lrEnd) / learningRate;
  }),
  constant: () => 1,
  constant_with_warmup: warmed(() => 1),
  inverse_sqrt: warmed((s, { warmupSteps: w, options }) => {
    const timescale = options.timescale ?? (w || MOST_TIMESCALE);
    return 1 / Math.sqrt((s + (timescale - w)) / timescale);
  }),
  cosine_with_min_lr: warmed((s, settings) =>
    atLeast(leastShare(settings), cosine(settings.options.numCycles ?? 0.5, progress(s, settings))),
  ),
  cosine_warmup_with_min_lr(s, settings) {
    const { warmupSteps: w, totalSteps: t, options } = settings;
    const { warmupLrRate, numCycles = 0.5 } = options;
    if (s < w && warmupLrRate == null) return (s + 1) / Math.max(1, w);
    if (s < w) return warmupLrRate! + ((1 - warmupLrRate!) * s) / Math.max(1, w - 1);
    const done = (s - w + 1) / Math.max(1, t - w);
    return atLeast(leastShare(settings), cosine(numCycles, done));
  },
  warmup_stable_decay(s, { warmupSteps: w, totalSteps: t, options }) {
    const {
      warmupType = "linear",
      decayType = "cosine",
      minLrRatio = 0,
      numCycles = 0.5,
    } = options;
    const decaySteps = options.numDecaySteps!;
    const stableSteps = options.numStableSteps ?? t - w - decaySteps;
    if (s < w) return atLeast(minLrRatio, GROWTH[warmupType](s / Math.max(1, w)));
    if (s < w + stableSteps) return 1;
    if (s >= w + stableSteps + decaySteps) return minLrRatio;
    const done = (s - w - stableSteps) / Math.max(1, decaySteps);
    return atLeast(
      minLrRatio,
      decayType === "cosine" ? cosine(numCycles, done) : FALL[decayType](done),
    );
  },
};

const GROWTH = {
  linear: (done: number) => done,
  cosine: (done: number) => 0.5 * (1 - Math.cos(Math.PI * done)),
  "1-sqrt": (done: number) => 1 - Math.sqrt(1 - done),
};

const FALL = {
  linear: (done: number) => 1 - done,
  "1-sqrt": (done: number) => 1 - Math.sqrt(done),
};

const METRIC: readonly MetricSchedule[] = ["reduce_lr_on_plateau", "greedy"];

/** All names of lr_scheduler_type. */
export const SCHEDULER_TYPES: readonly SchedulerType[] = [
  ...(Object.keys(COUNTED) as CountedSchedule[]),
  ...METRIC,
];

/** Whether a schedule follows the metric of the evaluations. */
export function readsMetrics(type: SchedulerType): type is MetricSchedule {
  return (METRIC as readonly string[]).includes(type);
}

/**
 * Factor on the learning rate at update `s`, counted from 0, with W = warmupSteps and T = totalSteps. During the warmup,
 * s < W, it is s / W, so the first update has rate 0; after it, with x = (s - W) / (T - W),
 *
 *   linear                     (T - s) / (T - W), not below 0
 *   cosine                     (1 + cos(2 pi numCycles x)) / 2, numCycles 0.5
 *   cosine_with_restarts       (1 + cos(pi (numCycles x mod 1))) / 2, numCycles 1; 0 from T on
 *   polynomial                 (1 - x)^power from 1 down to lrEnd / learningRate; power 1, lrEnd 1e-7
 *   inverse_sqrt               1 / sqrt((s + timescale - W) / timescale), timescale W, or 10,000 without a warmup
 *   cosine_with_min_lr         cosine, squeezed into minLrRate (or minLr / learningRate) to 1
 *   cosine_warmup_with_min_lr  the same one update ahead, with a warmup from 1 / W, or from warmupLrRate
 *   warmup_stable_decay        1 for numStableSteps, then over numDecaySteps down to minLrRatio
 *   constant_with_warmup       1
 *
 * "constant" is 1 throughout, whatever `warmupSteps` is. A pure function, where torch has scheduler objects:
 * `optimizer.lr = 1e-3 * scheduleFactor(schedule, optimizer.steps)` before each step.
 * @throws {ArgumentError} for an option that the schedule does not have, or that it needs and lacks
 */
export function scheduleFactor(settings: ScheduleSettings, s: number): number {
  const isObject = typeof settings === "object" && settings !== null;
  const cure = "Pass { type, warmupSteps, totalSteps }.";
  requireThat(isObject, "scheduleFactor", "settings must be an object", settings, cure);
  const { type, warmupSteps, totalSteps, learningRate = 1, options = {} } = settings;
  checkOptions(type, options);
  if (type === "polynomial" && !(learningRate > (options.lrEnd ?? 1e-7))) {
    throw new ArgumentError(
      `polynomial: lrEnd must be below the learning rate ${learningRate}, got ${options.lrEnd ?? 1e-7}. Lower it.`,
    );
  }
  return COUNTED[type](s, { warmupSteps, totalSteps, learningRate, options });
}
