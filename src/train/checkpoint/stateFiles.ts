// The small files of a checkpoint, read and checked whole before anything of the run is touched: a value that cannot have
// been written by a run, or that contradicts another, is refused by name.

import { files } from "../../tensor/files/files.ts";
import { toCamelCase } from "../../fields/names.ts";
import { atLeast, formatValue, number, orNull, whole, type Rule } from "../../fields/rules.ts";
import { CheckpointError } from "../../tensor/errors.ts";
import type { MetricScheduleState } from "../../optim/plateau.ts";
import { LOSS_SCALE, type LossScaleState } from "../precision.ts";
import type { RunningLossState } from "../runningLoss.ts";
import { parseObject, TrainerState } from "../trainerState.ts";

/** What the small files of a checkpoint say. */
export interface StoredState {
  readonly state: TrainerState;
  /** Updates of the optimizer: `state.globalStep` without those that were left out. */
  readonly optimizerSteps: number;
  readonly dropout: { readonly seed: number; readonly offset: number };
  readonly runningLoss: RunningLossState;
  /** With fp16. */
  readonly lossScale: LossScaleState | null;
  /** Of a schedule that follows a metric. */
  readonly metricSchedule: MetricScheduleState | null;
}

const LARGEST_F32 = (2 - 2 ** -23) * 2 ** 127;

const offset = number(
  "a whole number of 0..2^32 - 1",
  (value) => Number.isInteger(value) && value >= 0 && value <= 0xffffffff,
);
const scale = number(
  "a power of two that f32 can hold",
  (value) => value > 0 && value <= LARGEST_F32 && Number.isInteger(Math.log2(value)),
);
const growthTracker = number(
  `a whole number of 0..${LOSS_SCALE.growthInterval - 1}`,
  (value) => Number.isInteger(value) && value >= 0 && value < LOSS_SCALE.growthInterval,
);
/** null is how JSON holds the NaN of a loss that diverged. */
const sum: Rule = {
  must: "a number that f32 can hold, or null",
  holds: (value) => value === null || (typeof value === "number" && Math.abs(value) <= LARGEST_F32),
};

/** A whole number of updates, of which there are no more than in the whole run. */
const updates = (globalStep: number): Rule =>
  number(
    `a whole number of 0..${globalStep}, the checkpoint's global_step`,
    (value) => Number.isInteger(value) && value >= 0 && value <= globalStep,
  );

/** What a run needs besides what every checkpoint holds. */
export interface Expected {
  readonly withLossScale: boolean;
  readonly withMetricSchedule: boolean;
}

const anyNumber = number("a number", () => true);
const METRIC_SCHEDULE: Readonly<Record<string, Rule>> = {
  lr: atLeast(0),
  best: orNull(anyNumber),
  bad_epochs: whole(0),
  good_epochs: whole(0),
  cooldown_counter: whole(0),
  warmup_counter: whole(0),
  reset_start: whole(0),
  window: {
    must: "a list of numbers",
    holds: (value) => Array.isArray(value) && value.every(anyNumber.holds),
  },
  window_sum: anyNumber,
};

/**
 * Reads and checks the small files of a checkpoint.
 * @throws {CheckpointError} for a file that is missing or damaged
 */
export async function readStateFiles(
  folder: string,
  { withLossScale, withMetricSchedule }: Expected,
): Promise<StoredState> {
  const stateText = await readText(folder, "trainer_state.json");
  const state = TrainerState.fromText(stateText, `${folder}/trainer_state.json`);
  const upToNow = updates(state.globalStep);
  const scheduler = await readNumbers(folder, "scheduler.json", { last_epoch: upToNow });
  const metricSchedule = withMetricSchedule ? await readMetricSchedule(folder) : null;
  const dropout = await readNumbers(
    ...([folder, "rng_state.json", { seed: whole(0), offset }, "dropout"] as const),
  );
  const loss = await readNumbers(folder, "running_loss.json", {
    ...{ sum, logged: sum, logged_step: upToNow },
  });
  const scaler = withLossScale
    ? await readNumbers(folder, "scaler.json", {
        ...{ scale, _growth_tracker: growthTracker, skipped_steps: upToNow },
      })
    : null;
  return {
    state,
    optimizerSteps: scheduler.last_epoch,
    dropout,
    runningLoss: { sum: loss.sum, logged: loss.logged, loggedStep: loss.logged_step },
    lossScale: scaler && {
      scale: scaler.scale,
      growthTracker: scaler._growth_tracker,
      skippedSteps: scaler.skipped_steps,
    },
    metricSchedule,
  };
}

async function readMetricSchedule(folder: string): Promise<MetricScheduleState> {
  const path = `${folder}/scheduler.json`;
  const stored = parseObject(await readText(folder, "scheduler.json"), path).metric_schedule ?? {};
  const entries = Object.entries(METRIC_SCHEDULE).map(([key, rule]) => {
    const value: unknown = Reflect.get(Object(stored), key);
    if (rule.holds(value)) return [toCamelCase(key), value];
    throw new CheckpointError(
      `${path}: metric_schedule.${key} must be ${rule.must}, got ${formatValue(value).slice(0, 200)}. ` +
        "Use a checkpoint of a run with this lrSchedulerType.",
    );
  });
  return Object.fromEntries(entries) as MetricScheduleState;
}

async function readText(folder: string, name: string): Promise<string> {
  try {
    return await files.readText(`${folder}/${name}`);
  } catch (error) {
    throw new CheckpointError(
      `${folder}: must hold ${name} to be resumed from, and does not. ` +
        "Use a checkpoint-N folder that this library wrote, without saveOnlyModel.",
      { cause: error },
    );
  }
}

/** Numbers of a JSON file, of an object in it with `within`; null is NaN where the rule allows it. */
async function readNumbers<Key extends string>(
  folder: string,
  name: string,
  rules: Readonly<Record<Key, Rule>>,
  within?: string,
): Promise<Record<Key, number>> {
  const path = `${folder}/${name}`;
  const whole = parseObject(await readText(folder, name), path);
  const object =
    within === undefined ? whole : parseObject(JSON.stringify(whole[within] ?? null), path);
  const entries = (Object.entries(rules) as [Key, Rule][]).map(([key, rule]) => {
    const value = object[key];
    if (!rule.holds(value)) {
      throw new CheckpointError(
        `${path}: ${key} must be ${rule.must}, got ${formatValue(value).slice(0, 200)}. Use another checkpoint.`,
      );
    }
    return [key, value === null ? NaN : value] as const;
  });
  return Object.fromEntries(entries) as Record<Key, number>;
}
