// The model of a run as files of a folder, whatever else that holds.

import { files } from "../../tensor/files/files.ts";
import { resolve } from "../../tensor/files/paths.ts";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from "../../model/adapterFileNames.ts";
import { WEIGHT_NAMES } from "../../model/weightFiles.ts";
import { CheckpointError } from "../../tensor/errors.ts";
import type { TrainingArguments } from "../arguments/arguments.ts";
import { argumentsText } from "../checkpoint/checkpoint.ts";
import { addFilesAtomically } from "../checkpoint/atomicFolder.ts";
import type { TrainableModel } from "../trainableModel.ts";
import type { TrainerTokenizer } from "../trainerInterface.ts";

export interface SavedParts {
  readonly model: TrainableModel;
  readonly tokenizer: TrainerTokenizer | undefined;
  readonly args: TrainingArguments;
}

/**
 * Writes model or adapter, tokenizer and training_args.json; they take the place of older files of these names once all
 * are on the disk, and all other files stay.
 * @throws {CheckpointError} when they cannot be written, or would be loaded together with other weights of the folder
 */
export async function saveModelFiles(folder: string, parts: SavedParts): Promise<void> {
  const { model, tokenizer, args } = parts;
  await checkOtherWeights(folder, model);
  await addFilesAtomically(folder, async (temporary) => {
    await model.savePretrained(temporary);
    await tokenizer?.savePretrained?.(temporary);
    await files.writeFile(`${temporary}/training_args.json`, argumentsText(args));
  });
}

/**
 * Whether a model that is saved to a folder can be loaded from there: also for before the training. An adapter beside
 * another model than its own would be loaded on that, and a model beside an adapter with it.
 * @throws {CheckpointError}
 */
export async function checkOtherWeights(folder: string, model: TrainableModel): Promise<void> {
  const isAdapter = model.savedWeights?.().file === ADAPTER_WEIGHTS;
  const isBesideOwn = isAdapter && resolve(model.nameOrPath ?? "") === resolve(folder);
  if (isBesideOwn) return;
  const others: readonly string[] = isAdapter ? WEIGHT_NAMES : [ADAPTER_CONFIG];
  const there: readonly string[] = await files.readdir(folder).catch(() => []);
  const found = others.filter((name) => there.includes(name));
  if (found.length === 0) return;
  throw new CheckpointError(
    `outputDir: ${folder} must hold no ${isAdapter ? "model" : "adapter"} besides what is saved there, got ${found.join(", ")}, ` +
      `with which it would be loaded. Choose another outputDir, or move ${found.length === 1 ? "the file" : "the files"} away.`,
  );
}
