// checkpoint-N folders in transformers' layout. What transformers pickles is safetensors or JSON here:
//
//   config.json, generation_config.json, model.safetensors    by the model; any tool that reads T5 reads them
//   adapter_config.json, adapter_model.safetensors            instead, where adapters are trained; peft reads them
//   trainer_state.json         transformers' own keys
//   training_args.json         what the run was told
//   optimizer.safetensors      AdamW's moments
//   scheduler.json             updates so far
//   rng_state.json             where the dropout masks continue
//   scaler.json                the loss scale, with fp16
//   running_loss.json          the part of the logged loss that no log record shows yet

import { toSnakeCase } from "../../fields/names.ts";
import { CheckpointError } from "../../tensor/errors.ts";
import { rankGenerator } from "../../distributed/rankGenerator.ts";
import type { AdamW } from "../../optim/adamw.ts";
import type { TrainingArguments } from "../arguments/arguments.ts";
import { writeFolderAtomically } from "./atomicFolder.ts";
import type { CallbackHandler } from "../callbacks.ts";
import type { RunningLoss } from "../runningLoss.ts";
import { LOSS_SCALE, type LossScale } from "../precision.ts";
import { sortedJson } from "../sortedJson.ts";
import { parseObject, TrainerState } from "../trainerState.ts";
import { readTensors, writeTensors } from "./tensorFiles.ts";
import type { TrainableModel } from "../trainableModel.ts";

/** What a checkpoint holds, besides files of the tokenizer. */
export interface CheckpointParts {
  readonly model: TrainableModel;
  readonly args: TrainingArguments;
  readonly state: TrainerState;
  readonly callbacks: CallbackHandler;
  readonly optimizer: AdamW;
  readonly runningLoss: Pick<RunningLoss, "state" | "restore">;
  /** With fp16. */
  readonly lossScale: LossScale | null;
}

/**
 * Writes a checkpoint: the folder appears whole or not at all. Node only.
 * @param writeTokenizer adds the tokenizer's files to a folder
 * @throws {CheckpointError} when it cannot be written
 */
export async function saveCheckpoint(
  folder: string,
  parts: CheckpointParts,
  writeTokenizer: ((folder: string) => Promise<void>) | undefined,
): Promise<void> {
  const { model, args, state, callbacks, optimizer, runningLoss, lossScale } = parts;
  state.statefulCallbacks = callbacks.exportState();
  const { writeFile } = await import("node:fs/promises");
  await writeFolderAtomically(folder, async (temporary) => {
    const writeJson = (name: string, value: unknown): Promise<void> =>
      writeFile(`${temporary}/${name}`, sortedJson(value));
    await model.savePretrained(temporary);
    await writeTokenizer?.(temporary);
    await writeJson("training_args.json", snakeKeys(args));
    await writeFile(`${temporary}/trainer_state.json`, state.toJSONText());
    if (args.saveOnlyModel) return;
    const { seed, offset } = model.random;
    await writeTensors(`${temporary}/optimizer.safetensors`, optimizer.state());
    await writeJson("scheduler.json", {
      last_epoch: optimizer.steps,
      base_lr: args.learningRate,
      lr_scheduler_type: args.lrSchedulerType,
    });
    await writeJson("rng_state.json", { dropout: { seed, offset } });
    if (lossScale !== null) await writeJson("scaler.json", scalerJson(lossScale));
    await writeJson("running_loss.json", snakeKeys(await runningLoss.state()));
  });
}

/**
 * Puts model, optimizer, state and random numbers back to where a checkpoint was written.
 * @param rank whose dropout masks to go on with: a checkpoint holds rank 0's place, and all are at the same
 * @throws {CheckpointError} for a file that is missing, damaged, or of another model
 */
export async function loadCheckpoint(
  folder: string,
  parts: CheckpointParts,
  rank = 0,
): Promise<void> {
  const { model, state, callbacks, optimizer, runningLoss, lossScale } = parts;
  // All small files first, so that a folder that is no checkpoint changes nothing.
  const stateText = await readText(folder, "trainer_state.json");
  const restored = TrainerState.fromText(stateText, `${folder}/trainer_state.json`);
  const scheduler = await readNumbers(folder, "scheduler.json", ["last_epoch"]);
  const dropout = await readNumbers(folder, "rng_state.json", ["seed", "offset"], "dropout");
  const loss = await readNumbers(folder, "running_loss.json", ["sum", "logged", "logged_step"]);
  const scaler = lossScale && (await readNumbers(folder, "scaler.json", SCALER_KEYS));
  await readTensors(`${folder}/optimizer.safetensors`, optimizer.state());
  await loadWeights(folder, model);
  const isFirst = rank === 0; // which the file says, for it is rank 0's
  Object.assign(state, restored, { isWorldProcessZero: isFirst, isLocalProcessZero: isFirst });
  callbacks.importState(state.statefulCallbacks);
  optimizer.steps = scheduler.last_epoch!;
  model.random = rankGenerator(dropout.seed!, rank, dropout.offset!);
  if (scaler !== null) {
    lossScale!.restore({
      scale: scaler.scale!,
      growthTracker: scaler._growth_tracker!,
      skippedSteps: scaler.skipped_steps!,
    });
  }
  runningLoss.restore({
    sum: loss.sum!,
    logged: loss.logged!,
    loggedStep: loss.logged_step!,
  });
}

const SCALER_KEYS = ["scale", "_growth_tracker", "skipped_steps"] as const;

/** GradScaler.state_dict's keys, and how many updates were left out. */
function scalerJson({ state }: LossScale): Record<string, number> {
  return {
    scale: state.scale,
    growth_factor: LOSS_SCALE.growthFactor,
    backoff_factor: LOSS_SCALE.backoffFactor,
    growth_interval: LOSS_SCALE.growthInterval,
    _growth_tracker: state.growthTracker,
    skipped_steps: state.skippedSteps,
  };
}

/** Overwrites the model's weights with those of a checkpoint. @throws {CheckpointError} */
export async function loadWeights(folder: string, model: TrainableModel): Promise<void> {
  const whole = () => ({ file: "model.safetensors", tensors: model.parameters() });
  const { file, tensors } = model.savedWeights?.() ?? whole();
  await readTensors(`${folder}/${file}`, tensors);
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

/** Numbers of a JSON file; null, which is how JSON holds NaN, is NaN. */
async function readNumbers(
  folder: string,
  name: string,
  keys: readonly string[],
  within?: string,
): Promise<Record<string, number>> {
  const path = `${folder}/${name}`;
  let object = parseObject(await readText(folder, name), path);
  if (within !== undefined) object = parseObject(JSON.stringify(object[within] ?? null), path);
  const entries = keys.map((key) => {
    const value = object[key];
    if (typeof value === "number") return [key, value];
    if (value === null) return [key, NaN];
    throw new CheckpointError(
      `${path}: ${key} must be a number, got ${JSON.stringify(value)}. Use another checkpoint.`,
    );
  });
  return Object.fromEntries(entries) as Record<string, number>;
}

function snakeKeys(object: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(object).map(([key, value]) => [toSnakeCase(key), value]),
  );
}
