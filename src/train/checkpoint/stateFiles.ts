// The small files of a checkpoint, read and checked whole before anything of the run is touched: a value that cannot have
// been written by a run, or that contradicts another, is refused by name.

import { formatValue, number, whole, type Rule } from "../../fields/rules.ts";
import { CheckpointError } from "../../tensor/errors.ts";
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

/**
 * Reads and checks the small files of a checkpoint.
 * @throws {CheckpointError} for a file that is missing or damaged
 */
export async function readStateFiles(folder: string, withLossScale: boolean): Promise<StoredState> {
  const stateText = await readText(folder, "trainer_state.json");
  const state = TrainerState.fromText(stateText, `${folder}/trainer_state.json`);
  const upToNow = updates(state.globalStep);
  const scheduler = await readNumbers(folder, "scheduler.json", { last_epoch: upToNow });
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
  };
}

async function readText(folder: string, name: string): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  try {
    return await readFile(`${folder}/${name}`, "utf8");
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
