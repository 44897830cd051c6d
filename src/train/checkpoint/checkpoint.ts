// checkpoint-N folders in transformers' layout. What transformers pickles is safetensors or JSON here:
//
//   config.json, generation_config.json, model.safetensors    by the model; any tool that reads T5 reads them
//   adapter_config.json, adapter_model.safetensors            instead, where adapters are trained; peft reads them
//   trainer_state.json         transformers' own keys
//   training_args.json         what the run was told
//   optimizer.safetensors      moments of AdamW or Adafactor
//   scheduler.json             updates so far, and what a schedule that follows a metric remembers
//   rng_state.json             where the dropout masks continue
//   scaler.json                the loss scale, with fp16
//   running_loss.json          the part of the logged loss that no log record shows yet

import { files } from "../../tensor/files/files.ts";
import { toSnakeCase } from "../../fields/names.ts";
import { rankGenerator } from "../../distributed/rankGenerator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { TrainingArguments } from "../arguments/arguments.ts";
import { argumentsJson } from "../arguments/json.ts";
import { writeFolderAtomically } from "./atomicFolder.ts";
import type { CallbackHandler } from "../callbacks.ts";
import type { RunningLoss } from "../runningLoss.ts";
import type { InputTokens } from "../inputTokens.ts";
import type { Optimizer } from "../optimizer.ts";
import type { LearningRates } from "../learningRates.ts";
import { LOSS_SCALE, type LossScale } from "../precision.ts";
import { sortedJson } from "../sortedJson.ts";
import type { TrainerState } from "../trainerState.ts";
import { checkpointIn } from "./rotation.ts";
import { readStateFiles } from "./stateFiles.ts";
import { checkTensors, readTensors, writeTensors } from "./tensorFiles.ts";
import type { TrainableModel } from "../trainableModel.ts";

/** What a checkpoint holds, besides files of the tokenizer. */
export interface CheckpointParts {
  readonly model: TrainableModel;
  readonly args: TrainingArguments;
  readonly state: TrainerState;
  readonly callbacks: CallbackHandler;
  readonly optimizer: Optimizer;
  readonly learningRates: LearningRates;
  readonly runningLoss: Pick<RunningLoss, "state" | "restore">;
  /** With fp16. */
  readonly lossScale: LossScale | null;
  readonly inputTokens: InputTokens;
}

/**
 * Writes a checkpoint: the folder appears whole or not at all.
 * @param writeTokenizer adds the tokenizer's files to a folder
 * @param saveOnlyModel leaves out what only resuming needs
 * @throws {CheckpointError} when it cannot be written
 */
export async function saveCheckpoint(
  folder: string,
  parts: CheckpointParts,
  writeTokenizer: ((folder: string) => Promise<void>) | undefined,
  saveOnlyModel: boolean,
): Promise<void> {
  const { model, args, state, callbacks, optimizer, runningLoss, lossScale } = parts;
  const metricSchedule = parts.learningRates.state();
  state.statefulCallbacks = callbacks.exportState();
  await writeFolderAtomically(folder, async (temporary) => {
    const writeJson = (name: string, value: unknown): Promise<void> =>
      files.writeFile(`${temporary}/${name}`, sortedJson(value));
    await model.savePretrained(temporary);
    await writeTokenizer?.(temporary);
    await files.writeFile(`${temporary}/training_args.json`, argumentsText(args));
    await files.writeFile(`${temporary}/trainer_state.json`, state.toJSONText());
    if (saveOnlyModel) return;
    const { seed, offset } = model.random;
    await writeTensors(`${temporary}/optimizer.safetensors`, optimizer.state());
    await writeJson("scheduler.json", {
      last_epoch: optimizer.steps,
      base_lr: args.learningRate,
      lr_scheduler_type: args.lrSchedulerType,
      ...(metricSchedule && { metric_schedule: snakeKeys(metricSchedule) }),
    });
    await writeJson("rng_state.json", { dropout: { seed, offset } });
    if (lossScale !== null) await writeJson("scaler.json", scalerJson(lossScale));
    await writeJson("running_loss.json", snakeKeys(await runningLoss.state()));
  });
}

/**
 * Puts model, optimizer, state and random numbers back to where a checkpoint was written. All files are checked before
 * anything is touched.
 * @param rank whose dropout masks to go on with: a checkpoint holds rank 0's place, and all are at the same
 * @throws {CheckpointError} for a file that is missing, damaged, or of another model
 */
export async function loadCheckpoint(
  folder: string,
  parts: CheckpointParts,
  rank = 0,
): Promise<void> {
  const { model, args, state, callbacks, optimizer, runningLoss, lossScale } = parts;
  const { learningRates } = parts;
  const stored = await readStateFiles(folder, {
    ...{ withLossScale: lossScale !== null, withMetricSchedule: learningRates.state() !== null },
  });
  const best = await checkpointIn(args.outputDir, stored.state.bestModelCheckpoint);
  if (args.loadBestModelAtEnd && best !== null) await checkTensors(...weightsFile(best, model));
  await checkTensors(`${folder}/optimizer.safetensors`, optimizer.state());
  await checkTensors(...weightsFile(folder, model));
  callbacks.importState(stored.state.statefulCallbacks);

  await readTensors(`${folder}/optimizer.safetensors`, optimizer.state());
  await loadWeights(folder, model);
  const isFirst = rank === 0; // which the file says, for it is rank 0's
  Object.assign(state, stored.state, {
    bestModelCheckpoint: best,
    isWorldProcessZero: isFirst,
    isLocalProcessZero: isFirst,
  });
  optimizer.steps = stored.optimizerSteps;
  if (stored.metricSchedule !== null) learningRates.restore(stored.metricSchedule);
  model.random = rankGenerator(stored.dropout.seed, rank, stored.dropout.offset);
  if (stored.lossScale !== null) lossScale!.restore(stored.lossScale);
  runningLoss.restore(stored.runningLoss);
}

/** The text of training_args.json. */
export function argumentsText(args: TrainingArguments): string {
  return sortedJson(argumentsJson(args));
}

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
  await readTensors(...weightsFile(folder, model));
}

function weightsFile(
  folder: string,
  model: TrainableModel,
): [path: string, tensors: ReadonlyMap<string, Tensor>] {
  const whole = () => ({ file: "model.safetensors", tensors: model.parameters() });
  const { file, tensors } = model.savedWeights?.() ?? whole();
  return [`${folder}/${file}`, tensors];
}

function snakeKeys(object: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(object).map(([key, value]) => [toSnakeCase(key), value]),
  );
}
