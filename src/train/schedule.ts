// Learning-rate schedules: what the rate is multiplied by at an update (transformers' optimization.py).

import type { SchedulerType } from "./arguments/arguments.ts";

export interface ScheduleSettings {
  readonly type: SchedulerType;
  /** Updates over which the rate grows from 0, >= 0. */
  readonly warmupSteps: number;
  /** Updates of the whole run. */
  readonly totalSteps: number;
}

/** What follows the warmup: a factor from the update s, with W warmup steps and T steps in all. */
const afterWarmup: Record<SchedulerType, (s: number, w: number, t: number) => number> = {
  linear: (s, w, t) => Math.max(0, (t - s) / Math.max(1, t - w)),
  cosine: (s, w, t) => {
    const progress = (s - w) / Math.max(1, t - w);
    return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
  },
  constant: () => 1,
  constant_with_warmup: () => 1,
};

/**
 * Factor on the learning rate at update `s`, counted from 0: with warmup the first update has rate 0.
 * "constant" has no warmup, whatever `warmupSteps` is.
 */
export function scheduleFactor(
  { type, warmupSteps, totalSteps }: ScheduleSettings,
  s: number,
): number {
  if (type !== "constant" && s < warmupSteps) return s / Math.max(1, warmupSteps);
  return afterWarmup[type](s, warmupSteps, totalSteps);
}
