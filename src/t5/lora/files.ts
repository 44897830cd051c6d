// Adapters in peft's format: adapter_config.json and adapter_model.safetensors (or .bin), whose tensors are
// called as in peft's model around transformers', without the adapter's name.

import { CheckpointError, ConfigError } from "../../tensor/errors.ts";
import { warn } from "../../tensor/warnings.ts";
import type { HubOptions } from "../../hub/options.ts";
import { openModelFolder, type ModelFolder, type ModelSource } from "../../model/modelFolder.ts";
import { isLoneAdapter, locateModel } from "../../model/pretrained.ts";
import { openTensorFile } from "../../model/tensorFile.ts";
import { writeFiles, type SavedFiles } from "../../model/savedFiles.ts";
import { linearLayers } from "../weights.ts";
import { attached, attachLora, checkNone } from "./adapter.ts";
import { adapterTensors, readAdapterTensors } from "./adapterTensors.ts";
import { LoraConfig } from "./config.ts";
import type { LoraModel } from "./loraModel.ts";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, adapterWeights } from "../../model/adapterFileNames.ts";
import { loraTargets } from "./targets.ts";
import { namesToSave } from "./modulesToSave.ts";

/**
 * Writes the adapter as peft does. The base model is named, not saved: the adapter belongs to it alone.
 * @param folder is made when it does not exist
 * @throws {ArgumentError} when the model has no adapter
 * @throws {GradloomError} when the files cannot be written
 */
export async function saveLora(model: LoraModel, folder: string): Promise<void> {
  await writeFiles(folder, loraFiles(model));
}

/** @throws {ArgumentError} when the model has no adapter */
export function loraFiles(model: LoraModel): SavedFiles {
  const lora = attached("saveLora", model);
  const own = lora.config.baseModelNameOrPath;
  const [base, revision] =
    own === null
      ? [model.nameOrPath, lora.config.revision ?? model.revision]
      : [own, lora.config.revision];
  const config = { ...lora.config.toJSON(), base_model_name_or_path: base, revision };
  return {
    texts: { [ADAPTER_CONFIG]: `${JSON.stringify(config, null, 2)}\n` },
    weights: { file: ADAPTER_WEIGHTS, tensors: adapterTensors(lora) },
  };
}

/**
 * Gives a model the adapter that `saveLora` or peft wrote, and freezes the model. The adapter can be trained on.
 * @param source path of a folder, else a Hub id; in a browser, the files by name
 * @throws {ArgumentError} when the model has an adapter already
 * @throws {ConfigError} for another kind of adapter, or one for layers that the model does not have
 * @throws {CheckpointError} for missing files, tensors that do not fit the model, and a damaged adapter_model.bin
 * @throws {SafetensorsError} for damaged safetensors
 * @throws {HubError} when a repository or a file of it cannot be had
 */
export async function loadLora(
  model: LoraModel,
  source: ModelSource,
  options: HubOptions = {},
): Promise<void> {
  checkNone("loadLora", model);
  await readLora(model, await openLora(source, options));
}

/** An adapter whose configuration has been read. */
export interface OpenLora {
  readonly files: ModelFolder;
  readonly config: LoraConfig;
}

/** The first half of `loadLora`, for which no model is needed. A revision is the adapter's. */
export async function openLora(source: ModelSource, options: HubOptions): Promise<OpenLora> {
  const folder = await locateModel(source, ["adapter"], options);
  const what = `a folder with ${ADAPTER_CONFIG} and ${ADAPTER_WEIGHTS}`;
  const files = await openModelFolder(folder, CheckpointError, what);
  files.require(ADAPTER_CONFIG, "Pass the folder of a LoRA adapter in peft's format.");
  if (!files.has(adapterWeights(files.files))) {
    throw new CheckpointError(
      `${files.name}: must hold ${ADAPTER_WEIGHTS}, got ${files.contents()}. Copy or download the file.`,
    );
  }
  return { files, config: await readConfig(files) };
}

/** The second half of `loadLora`. */
export async function readLora(model: LoraModel, { files, config }: OpenLora): Promise<void> {
  checkNone("loadLora", model);
  const parts = partsOf(model, config, files.path(ADAPTER_CONFIG));
  const weights = adapterWeights(files.files);
  const path = files.path(weights);
  const file = await openTensorFile(files, weights);
  try {
    attachLora(model, config, parts.targets, await readAdapterTensors(file, path, model, parts));
  } finally {
    await file.close();
  }
}

/** An adapter and the base model that it names; null where that lies in the same folder. */
export interface FoundAdapter {
  readonly lora: OpenLora;
  readonly base: string | null;
}

/**
 * The adapter that a folder holds, if there is one. As in transformers, a model beside it is the one that it changes,
 * whatever else it names.
 * @throws {ConfigError} when an adapter alone does not say what its base model is
 */
export async function findAdapter(source: ModelSource): Promise<FoundAdapter | null> {
  // A folder that is not there: who loads the model says so.
  const files = await openModelFolder(source, CheckpointError).catch(() => null);
  if (files === null || !files.has(ADAPTER_CONFIG)) return null;
  if (!isLoneAdapter(files.files)) return findBeside(files, source);
  const lora = await openLora(source, {});
  const base = lora.config.baseModelNameOrPath;
  if (base !== null) return { lora, base };
  throw new ConfigError(
    `${files.path(ADAPTER_CONFIG)}: base_model_name_or_path must be a text, got null. ` +
      "Load the base model, and this folder as its adapter.",
  );
}

async function findBeside(files: ModelFolder, source: ModelSource): Promise<FoundAdapter | null> {
  if (!files.has(adapterWeights(files.files))) {
    warn(`${files.path(ADAPTER_CONFIG)}: not used, because no ${ADAPTER_WEIGHTS} lies beside it.`);
    return null;
  }
  warn(
    `${files.name}: holds a model and a LoRA adapter, and both are loaded, as in transformers. ` +
      `For the model alone (the adapter may have been merged into it), move ${ADAPTER_CONFIG} away.`,
  );
  return { lora: await openLora(source, {}), base: null };
}

async function readConfig(files: ModelFolder): Promise<LoraConfig> {
  return LoraConfig.fromJSON(await files.json(ADAPTER_CONFIG), files.path(ADAPTER_CONFIG));
}

/** The layers that get adapters, and the parameters that are trained whole. */
function partsOf(model: LoraModel, config: LoraConfig, source: string) {
  return {
    targets: targetsOf(model, config, source),
    trained: trainedOf(model, config, source),
  };
}

function targetsOf(model: LoraModel, config: LoraConfig, source: string) {
  try {
    return loraTargets(linearLayers(model.weights), config);
  } catch (cause) {
    const wanted = JSON.stringify(config.targetModules);
    throw new ConfigError(
      `${source}: target_modules must match layers of the model, got ${wanted}. Is the adapter for another architecture?`,
      { cause },
    );
  }
}

function trainedOf(model: LoraModel, config: LoraConfig, source: string) {
  try {
    return namesToSave(config, model.parameters().keys());
  } catch (cause) {
    const message = (cause as Error).message.replace(
      /^LoraConfig: modulesToSave/,
      "modules_to_save",
    );
    throw new ConfigError(`${source}: ${message}`, { cause });
  }
}
