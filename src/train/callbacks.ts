// Callbacks: what runs at the events of training, in transformers' order, and how it steers the loop.

import { formatValue } from "../fields/rules.ts";
import { ArgumentError, CheckpointError } from "../tensor/errors.ts";
import type { TrainingArguments } from "./arguments/arguments.ts";
import type { CallbackState, TrainerState } from "./trainerState.ts";
import type { Metrics } from "./speed.ts";
import type { TrainableModel } from "./trainableModel.ts";

/** Flags that callbacks set and the loop reads. All but the two stops are cleared once acted on. */
export class TrainerControl {
  shouldTrainingStop = false;
  shouldEpochStop = false;
  shouldSave = false;
  shouldEvaluate = false;
  shouldLog = false;
}

/** What else an event brings: `logs` with onLog, `metrics` with onEvaluate and onPredict. */
export interface CallbackInfo {
  readonly model: TrainableModel;
  readonly logs?: Readonly<Metrics>;
  readonly metrics?: Readonly<Metrics>;
}

/** One callback for one event. What it returns is awaited, and a value is ignored. */
export type Hook = (
  args: TrainingArguments,
  state: TrainerState,
  control: TrainerControl,
  info: CallbackInfo,
) => unknown;

/** transformers' events. */
export interface TrainerCallback {
  /** At the end of the constructor; awaited before training or evaluating. */
  onInitEnd?: Hook;
  onTrainBegin?: Hook;
  onTrainEnd?: Hook;
  onEpochBegin?: Hook;
  onEpochEnd?: Hook;
  onStepBegin?: Hook;
  /** After each batch of an update but the last. */
  onSubstepEnd?: Hook;
  /** Before the gradients are used. */
  onPreOptimizerStep?: Hook;
  onOptimizerStep?: Hook;
  onStepEnd?: Hook;
  onEvaluate?: Hook;
  onPredict?: Hook;
  /** After each batch of an evaluation or prediction. */
  onPredictionStep?: Hook;
  onLog?: Hook;
  onSave?: Hook;
  /** Before a push to the Hub begins. */
  onPushBegin?: Hook;
  /** Key in trainer_state.json's stateful_callbacks; needed with `exportState`. */
  readonly name?: string;
  /** What a checkpoint holds of this callback. */
  exportState?(): CallbackState;
  /** Takes back `attributes` of `exportState` when training resumes. */
  importState?(attributes: CallbackState["attributes"]): void;
}

/** Names of the events that a callback may listen to. */
export type CallbackEvent = Exclude<keyof TrainerCallback, "name" | "exportState" | "importState">;

/** Flags that an event clears before its callbacks run. */
const CLEARS: { readonly [E in CallbackEvent]?: readonly (keyof TrainerControl)[] } = {
  onTrainBegin: ["shouldTrainingStop"],
  onEpochBegin: ["shouldEpochStop"],
  onStepBegin: ["shouldLog", "shouldEvaluate", "shouldSave"],
  onLog: ["shouldLog"],
  onEvaluate: ["shouldEvaluate"],
  onSave: ["shouldSave"],
};

export class CallbackHandler {
  readonly control = new TrainerControl();
  readonly #callbacks: readonly TrainerCallback[];

  constructor(callbacks: readonly TrainerCallback[]) {
    this.#callbacks = callbacks;
  }

  /** Runs an event's callbacks one after another. */
  async run(
    event: CallbackEvent,
    args: TrainingArguments,
    state: TrainerState,
    info: CallbackInfo,
  ): Promise<void> {
    for (const flag of CLEARS[event] ?? []) this.control[flag] = false;
    for (const callback of this.#callbacks) {
      await callback[event]?.(args, state, this.control, info);
    }
  }

  /** stateful_callbacks of trainer_state.json. */
  exportState(): Record<string, CallbackState> {
    const { control } = this;
    const args = {
      should_training_stop: control.shouldTrainingStop,
      should_epoch_stop: control.shouldEpochStop,
      should_save: control.shouldSave,
      should_evaluate: control.shouldEvaluate,
      should_log: control.shouldLog,
    };
    const states: Record<string, CallbackState> = { TrainerControl: { args, attributes: {} } };
    for (const callback of this.#callbacks) {
      if (callback.exportState) states[nameOf(callback)] = callback.exportState();
    }
    return states;
  }

  /** Takes back what callbacks saved, and the evaluation that an interrupted run still owes. */
  importState(states: Readonly<Record<string, CallbackState>>): void {
    const flags = states.TrainerControl?.args;
    this.control.shouldEvaluate = flags?.should_evaluate === true;
    this.control.shouldSave = this.control.shouldEvaluate && flags?.should_save === true;
    for (const callback of this.#callbacks) {
      const state = states[nameOf(callback)];
      if (state) callback.importState?.(state.attributes);
    }
  }
}

function nameOf(callback: TrainerCallback): string {
  return callback.name ?? callback.constructor.name;
}

/** When to log, evaluate, save and stop, from the arguments alone (transformers' DefaultFlowCallback). */
export const defaultFlow: TrainerCallback = {
  onStepEnd(args, state, control) {
    const { globalStep: step } = state;
    const isLast = step >= state.maxSteps;
    const isDue = (every: number): boolean => step % every === 0;
    if (args.loggingFirstStep && step === 1) control.shouldLog = true;
    if (args.loggingStrategy === "steps" && isDue(state.loggingSteps)) control.shouldLog = true;
    const isPastDelay = step >= args.evalDelay;
    if (args.evalStrategy === "steps" && isPastDelay && (isDue(state.evalSteps) || isLast)) {
      control.shouldEvaluate = true;
    }
    if (args.saveStrategy === "steps" && (isDue(state.saveSteps) || isLast)) {
      control.shouldSave = true;
    }
    if (isLast) control.shouldTrainingStop = true;
  },
  onEpochEnd(args, state, control) {
    if (args.loggingStrategy === "epoch") control.shouldLog = true;
    if (args.evalStrategy === "epoch" && (state.epoch ?? 0) >= args.evalDelay) {
      control.shouldEvaluate = true;
    }
    if (args.saveStrategy === "epoch") control.shouldSave = true;
  },
};

/** Value of `args.metricForBestModel` among an evaluation's metrics; "eval_" may be left out of its name. */
export function bestModelMetric(
  args: TrainingArguments,
  metrics: Readonly<Metrics>,
): number | undefined {
  const name = args.metricForBestModel ?? "loss";
  return metrics[name.startsWith("eval_") ? name : `eval_${name}`];
}

/** Whether `value` is strictly better than `best`; NaN is not. */
export function isBetter(args: TrainingArguments, value: number, best: number): boolean {
  return args.greaterIsBetter ? value > best : value < best;
}

/** When `EarlyStoppingCallback` stops. */
export interface EarlyStoppingOptions {
  /** Evaluations in a row that may bring no improvement, >= 1. Default 1. */
  readonly earlyStoppingPatience?: number;
  /** By how much the metric must improve, >= 0. Default 0. */
  readonly earlyStoppingThreshold?: number;
}

/**
 * Stops training once the metric for the best model has not improved for some evaluations
 * (transformers' EarlyStoppingCallback).
 * @throws {ArgumentError} for options out of range, and when training begins without a metric or evaluations
 */
export class EarlyStoppingCallback implements TrainerCallback {
  readonly name = "EarlyStoppingCallback";
  readonly #patience: number;
  readonly #threshold: number;
  /** Evaluations in a row without an improvement. */
  #counter = 0;

  constructor(options: EarlyStoppingOptions = {}) {
    this.#patience = options.earlyStoppingPatience ?? 1;
    this.#threshold = options.earlyStoppingThreshold ?? 0;
    if (!Number.isInteger(this.#patience) || this.#patience < 1) {
      throw new ArgumentError(
        `earlyStoppingPatience: must be a whole number of at least 1, got ${this.#patience}`,
      );
    }
    if (!(this.#threshold >= 0)) {
      throw new ArgumentError(
        `earlyStoppingThreshold: must be a number of at least 0, got ${this.#threshold}`,
      );
    }
  }

  /** @throws {ArgumentError} without a metric or evaluations to watch */
  onTrainBegin(args: TrainingArguments): void {
    if (args.metricForBestModel === null) {
      throw new ArgumentError(
        "EarlyStoppingCallback: needs metricForBestModel, got null. Set it, or loadBestModelAtEnd.",
      );
    }
    if (args.evalStrategy === "no") {
      throw new ArgumentError(
        'EarlyStoppingCallback: needs evaluations, got evalStrategy "no". Set it to "steps" or "epoch".',
      );
    }
  }

  /** Runs before the best metric takes the new value. */
  onEvaluate(
    args: TrainingArguments,
    state: TrainerState,
    control: TrainerControl,
    { metrics = {} }: CallbackInfo,
  ): void {
    const value = bestModelMetric(args, metrics);
    if (value === undefined) return;
    const best = state.bestMetric;
    const improved =
      best === null || (isBetter(args, value, best) && Math.abs(value - best) > this.#threshold);
    this.#counter = improved ? 0 : this.#counter + 1;
    if (this.#counter >= this.#patience) control.shouldTrainingStop = true;
  }

  exportState(): CallbackState {
    return {
      args: {
        early_stopping_patience: this.#patience,
        early_stopping_threshold: this.#threshold,
      },
      attributes: { early_stopping_patience_counter: this.#counter },
    };
  }

  importState(attributes: CallbackState["attributes"]): void {
    const counter = attributes.early_stopping_patience_counter;
    if (!Number.isSafeInteger(counter) || (counter as number) < 0) {
      throw new CheckpointError(
        `trainer_state.json: early_stopping_patience_counter must be a whole number of at least 0, got ${formatValue(counter).slice(0, 200)}. Use another checkpoint.`,
      );
    }
    this.#counter = counter as number;
  }
}
