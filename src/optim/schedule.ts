// Learning-rate schedules: what the rate is multiplied by at an update (transformers' optimization.py).

/** By transformers' names (lr_scheduler_type). */
export type SchedulerType = "linear" | "cosine" | "constant" | "constant_with_warmup";

/** What a learning-rate schedule depends on. */
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
 * Factor on the learning rate at update `s`, counted from 0, with W = warmupSteps and T = totalSteps. During the warmup,
 * s < W, it is s / W, so the first update has rate 0; after it
 *
 *   linear                (T - s) / (T - W), not below 0
 *   cosine                (1 + cos(pi (s - W) / (T - W))) / 2
 *   constant_with_warmup  1
 *
 * "constant" is 1 throughout, whatever `warmupSteps` is. A pure function, where torch has scheduler objects:
 * `optimizer.lr = 1e-3 * scheduleFactor(schedule, optimizer.steps)` before each step.
 */
export function scheduleFactor(
  { type, warmupSteps, totalSteps }: ScheduleSettings,
  s: number,
): number {
  if (type !== "constant" && s < warmupSteps) return s / Math.max(1, warmupSteps);
  return afterWarmup[type](s, warmupSteps, totalSteps);
}
