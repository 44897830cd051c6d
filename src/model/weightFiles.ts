// The weight files of a model folder: one file of tensors, or shards and their index; safetensors or of torch.save.

import { CheckpointError } from "../tensor/errors.ts";
import { otherWeights } from "./missingWeights.ts";
import { refuseForeign, withQ8 } from "./quantized.ts";
import { openModelFolder, type ModelFolder, type ModelSource } from "./modelFolder.ts";
import {
  openTensorFile,
  type StoredShape,
  type StoredTensor,
  type TensorFile,
  type WeightFiles,
} from "./tensorFile.ts";

export type { StoredShape, StoredTensor, WeightFiles };

/** The names of weights, or of the index of shards; the first that is there is read, as transformers does. */
export const WEIGHT_NAMES = [
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
] as const;

/** Whether it is the index of shards. */
export function isIndex(name: string): boolean {
  return name.endsWith(".index.json");
}

/** Whether weights that can be read are among the files of a model, shards by their index. */
export function hasWeights(names: readonly string[]): boolean {
  return WEIGHT_NAMES.some((weights) => names.includes(weights));
}

/** Names that an index may list though no shard holds them: other names of the embedding (FLAN-T5-XL has them). */
const ALIASES: ReadonlySet<string> = new Set([
  "encoder.embed_tokens.weight",
  "decoder.embed_tokens.weight",
  "lm_head.weight",
]);

/**
 * Opens the weights of a model folder. Close them when done.
 * @throws {CheckpointError} when the folder, its config.json, its weights or a shard of them is missing, when a file of
 *   torch.save is damaged or holds more than tensors, and when another library quantised the weights
 * @throws {SafetensorsError} when a file is not valid safetensors
 */
export async function openWeightFiles(source: ModelSource): Promise<WeightFiles> {
  const folder = await openModelFolder(source, CheckpointError);
  folder.require("config.json", "Pass the folder of a T5 model in Hugging Face's format.");
  const name = WEIGHT_NAMES.find((weights) => folder.has(weights));
  if (name !== undefined) {
    const files = await (isIndex(name) ? openShards(folder, name) : openWhole(folder, name));
    try {
      refuseForeign(files);
      return withQ8(files);
    } catch (error) {
      await files.close();
      throw error;
    }
  }
  const other = otherWeights([...folder.files, ...(await folder.namesBelow())]);
  throw new CheckpointError(
    `${folder.name}: must hold ${WEIGHT_NAMES.join(" or ")}, got ${other?.got ?? folder.contents()}. ${other?.cure ?? "Download the weights as safetensors."}`,
  );
}

async function openWhole(folder: ModelFolder, name: string): Promise<WeightFiles> {
  const file = await openTensorFile(folder, name);
  return {
    source: folder.path(name),
    names: file.entries,
    read: (name) => file.read(name),
    ...(file.readPart && { readPart: file.readPart.bind(file) }),
    close: () => file.close(),
  };
}

async function openShards(folder: ModelFolder, index: string): Promise<WeightFiles> {
  const source = folder.path(index);
  const promised = readWeightMap(source, await folder.json(index));
  const shards = new Map<string, TensorFile>();
  const close = async () => {
    for (const file of shards.values()) await file.close();
  };
  try {
    for (const name of new Set([...promised.values()].sort())) {
      checkShard(folder, source, name, promised);
      shards.set(name, await openTensorFile(folder, name));
    }
    const holders = findHolders(source, shards);
    checkPromises(source, promised, holders);
    return {
      source,
      names: new Map([...holders].map(([name, file]) => [name, file.entries.get(name)!])),
      async read(name) {
        const file = holders.get(name);
        if (file) return file.read(name);
        throw new CheckpointError(`${source}: has no tensor ${name} among its ${holders.size}`);
      },
      ...([...shards.values()].every((file) => file.readPart) && {
        readPart: (name, first, last) => holders.get(name)!.readPart!(name, first, last),
      }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Tensor to file, as the index says.
 * @throws {CheckpointError} when it is no such map, or names a file outside the folder
 */
export function readWeightMap(source: string, index: Record<string, unknown>): Map<string, string> {
  const { weight_map: weightMap } = index;
  if (typeof weightMap !== "object" || weightMap === null || Array.isArray(weightMap)) {
    throw new CheckpointError(
      `${source}: weight_map must be an object from tensor to file, got ${JSON.stringify(weightMap) ?? "nothing"}. Download the index again.`,
    );
  }
  const entries = Object.entries(weightMap);
  for (const [tensor, file] of entries) {
    // A name with a slash could point out of the folder.
    if (typeof file === "string" && !/[/\\]/.test(file)) continue;
    throw new CheckpointError(
      `${source}: weight_map of ${tensor} must name a file of the same folder, got ${JSON.stringify(file)}`,
    );
  }
  return new Map(entries as [string, string][]);
}

function checkShard(
  folder: ModelFolder,
  source: string,
  name: string,
  promised: ReadonlyMap<string, string>,
): void {
  if (folder.has(name)) return;
  const tensors = [...promised.values()].filter((file) => file === name).length;
  throw new CheckpointError(
    `${source}: the folder must hold every shard, got no ${name}, which has ${tensors} of ${promised.size} tensors. Download it too.`,
  );
}

/** The shard that holds each tensor. */
function findHolders(
  source: string,
  shards: ReadonlyMap<string, TensorFile>,
): Map<string, TensorFile> {
  const holders = new Map<string, TensorFile>();
  for (const file of shards.values()) {
    for (const name of file.entries.keys()) {
      const other = holders.get(name);
      if (other) {
        throw new CheckpointError(
          `${source}: tensor ${name} must be in one shard, got it in ${other.name} and ${file.name}. Download the shards again.`,
        );
      }
      holders.set(name, file);
    }
  }
  return holders;
}

function checkPromises(
  source: string,
  promised: ReadonlyMap<string, string>,
  holders: ReadonlyMap<string, TensorFile>,
): void {
  for (const [tensor, file] of promised) {
    if (holders.has(tensor) || ALIASES.has(tensor)) continue;
    throw new CheckpointError(
      `${source}: tensor ${tensor} must be in ${file}, got a shard without it. Download the shard again: it belongs to another index.`,
    );
  }
}
