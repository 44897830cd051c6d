// The learning rate of each update of a run, whichever schedule it follows.

import {
  GreedyLR,
  ReduceLROnPlateau,
  type MetricRate,
  type MetricScheduleState,
} from "../optim/plateau.ts";
import { readsMetrics, scheduleFactor } from "../optim/schedule.ts";
import { scheduleOptions } from "../optim/scheduleOptions.ts";
import { warn } from "../tensor/warnings.ts";
import { warmupSteps, type TrainingArguments } from "./arguments/arguments.ts";
import { bestModelMetric } from "./callbacks.ts";
import type { Metrics } from "./speed.ts";

/** What decides the rate of each update. */
export class LearningRates {
  readonly #args: TrainingArguments;
  readonly #factor: (update: number) => number;
  /** Of schedules that follow a metric. */
  readonly #moved: MetricRate | null;

  /**
   * @param totalSteps updates of the run
   * @throws {ArgumentError} for lrSchedulerKwargs that the schedule does not have
   */
  constructor(args: TrainingArguments, totalSteps: number) {
    const { learningRate, lrSchedulerType: type, lrSchedulerKwargs } = args;
    const options = scheduleOptions(type, lrSchedulerKwargs);
    this.#args = args;
    if (readsMetrics(type)) {
      const Rate = type === "greedy" ? GreedyLR : ReduceLROnPlateau;
      this.#moved = new Rate(learningRate, options);
      this.#factor = () => 1;
      if (args.greaterIsBetter && options.mode === undefined) {
        warn(
          `lrSchedulerType: "${type}" takes a lower ${args.metricForBestModel} for better, as in transformers. ` +
            'Set lrSchedulerKwargs to { mode: "max" }.',
        );
      }
      return;
    }
    const settings = {
      warmupSteps: warmupSteps(args, totalSteps),
      totalSteps,
      learningRate,
      options,
    };
    this.#moved = null;
    this.#factor = (update) => scheduleFactor({ type, ...settings }, update);
    this.#factor(0); // what is wrong is said before the run begins
  }

  /** @param update number of those before it */
  of(update: number): number {
    return (this.#moved?.lr ?? this.#args.learningRate) * this.#factor(update);
  }

  /** Takes the figures of an evaluation. */
  observe(metrics: Metrics): void {
    const value = bestModelMetric(this.#args, metrics);
    if (value !== undefined) this.#moved?.observe(value);
  }

  /** What a checkpoint holds; null for a schedule that follows the count of updates. */
  state(): MetricScheduleState | null {
    return this.#moved?.state() ?? null;
  }

  restore(state: MetricScheduleState): void {
    this.#moved?.restore(state);
  }
}
