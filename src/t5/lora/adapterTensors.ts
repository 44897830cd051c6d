// The tensors of an adapter's file under peft's names: those of its low-rank layers, and weights of the base model that
// it holds whole. Every tensor is used or refused by name.

import type { StorageArray } from "../../tensor/dtype.ts";
import { CheckpointError } from "../../tensor/errors.ts";
import { formatShape, sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { ADAPTER_CONFIG } from "../../model/adapterFileNames.ts";
import type { TensorFile } from "../../model/tensorFile.ts";
import { convert } from "../loadWeights.ts";
import type { AttachedLora, LoraModel } from "./loraModel.ts";
import { HEAD, moduleOf } from "./moduleNames.ts";
import type { LoraTarget } from "./targets.ts";
import type { NewWeight } from "./wholeWeights.ts";

const PREFIX = "base_model.model.";
/** What peft calls the weight of a layer that it has put an adapter around. */
const WRAPPED = ".base_layer.weight";
/** Other names of the token embedding, where a model has no tensor of that name. */
const ALIASES = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight", `${HEAD}.weight`];

/** What a file holds for a model. */
export interface AdapterValues {
  /** f32, row-major. */
  lora(target: LoraTarget<Tensor>, part: "a" | "b"): Float32Array;
  /** Weights that are trained, or whose values differ from the model's. */
  readonly whole: readonly NewWeight[];
}

/**
 * Reads all of a file for the layers that get adapters.
 * @param trained parameters that modules_to_save names
 * @throws {CheckpointError} naming a tensor that is missing, has another shape, or is not known
 */
export async function readAdapterTensors(
  file: TensorFile,
  path: string,
  model: LoraModel,
  { targets, trained }: { targets: readonly LoraTarget<Tensor>[]; trained: readonly string[] },
): Promise<AdapterValues> {
  const values = await readLowRank(file, path, targets);
  const rest = [...file.entries.keys()].filter((key) => !values.has(key));
  const whole = new Map<string, NewWeight>();
  const parameters = model.parameters();
  for (const key of rest) {
    const name = parameterOf(key, parameters);
    if (name === null) throw surplus(path, key, model);
    const isTrained = trained.includes(name);
    const bits = await readWhole(file, key, path, parameters.get(name)!);
    const before = whole.get(name);
    const same = before ? sameBits(bits, before.values!) : await holds(parameters.get(name)!, bits);
    if (before && !same) {
      throw new CheckpointError(
        `${path}: ${key} must be the same as the file's other copy of ${name}, got other values. Save the adapter again with one of them.`,
      );
    }
    if (!before && (isTrained || !same) && parameters.get(name)!.dtype === "q8") {
      throw new CheckpointError(
        `${path}: the adapter has its own ${key}, so the model's must be floats, got int8. Load the model with dtype "f32" or "bf16".`,
      );
    }
    if (!before && (isTrained || !same))
      whole.set(name, { name, values: bits, trained: isTrained });
  }
  const missing = trained.find((name) => !whole.has(name));
  if (missing !== undefined) throw absent(path, PREFIX + missing, parameters.get(missing)!.shape);
  return {
    lora: ({ module }, part) => values.get(keyOf(module, part))!,
    whole: [...whole.values()],
  };
}

/** An adapter's tensors by their names in the file. */
export function adapterTensors({ targets, whole }: AttachedLora): Map<string, Tensor> {
  const wrapped = new Set(targets.map(({ module }) => module));
  const lowRank = targets.flatMap(({ layer, module }): [string, Tensor][] => [
    [keyOf(module, "a"), layer.lora!.a],
    [keyOf(module, "b"), layer.lora!.b],
  ]);
  const others = whole.map(({ name, weight }): [string, Tensor] => {
    const module = moduleOf(name);
    return [PREFIX + (wrapped.has(module) ? module + WRAPPED : name), weight];
  });
  return new Map([...lowRank, ...others]);
}

async function readLowRank(
  file: TensorFile,
  path: string,
  targets: readonly LoraTarget<Tensor>[],
): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const { layer, module, r } of targets) {
    const [outputs, inputs] = layer.weight.shape as [number, number];
    for (const [part, shape] of [
      ["a", [r, inputs]],
      ["b", [outputs, r]],
    ] as const) {
      const key = keyOf(module, part);
      const stored = file.entries.get(key);
      if (stored === undefined || !sameShape(stored.shape, shape)) {
        throw absent(path, key, shape, stored?.shape);
      }
      values.set(key, convert(await file.read(key), "f32", key) as Float32Array);
    }
  }
  return values;
}

/** The parameter that a tensor is a copy of, or null. */
function parameterOf(key: string, parameters: ReadonlyMap<string, Tensor>): string | null {
  if (!key.startsWith(PREFIX)) return null;
  const name = key.slice(PREFIX.length).replace(/\.base_layer\.weight$/, ".weight");
  if (parameters.has(name)) return name;
  return ALIASES.includes(name) ? "shared.weight" : null;
}

/** The tensor as the model stores such a weight. */
async function readWhole(
  file: TensorFile,
  key: string,
  path: string,
  weight: Tensor,
): Promise<StorageArray> {
  const { shape } = file.entries.get(key)!;
  if (sameShape(shape, weight.shape)) return convert(await file.read(key), weight.dtype, key);
  const [rows, columns] = shape;
  if (shape.length !== 2 || columns !== weight.shape[1])
    throw absent(path, key, weight.shape, shape);
  throw new CheckpointError(
    `${path}: ${key} must have the base model's ${weight.shape[0]} rows, got ${rows}: the vocabulary was resized before training. ` +
      `Resize the base model as well, with model.resize_token_embeddings(${rows}) in Python, save it, and load the adapter for that.`,
  );
}

async function holds(weight: Tensor, bits: StorageArray): Promise<boolean> {
  return sameBits(await weight.device.readStored(weight.storage, weight.dtype, weight.size), bits);
}

function sameBits(one: StorageArray, other: StorageArray): boolean {
  return one.length === other.length && one.every((x, i) => x === other[i]);
}

function absent(
  path: string,
  key: string,
  wanted: readonly number[],
  got?: readonly number[],
): CheckpointError {
  return new CheckpointError(
    `${path}: must hold ${key} as ${formatShape(wanted)}, got ${got ? formatShape(got) : "no such tensor"}. Is the adapter for another model?`,
  );
}

/** Why a tensor has no place in the model. */
function surplus(path: string, key: string, { weights }: LoraModel): CheckpointError {
  if (/\.(lora_embedding_[AB]|token_adapter\.|trainable_tokens_)/.test(key)) {
    return new CheckpointError(
      `${path}: adapters of embeddings are not supported, got ${key}. Leave the embeddings out of target_modules, and train again.`,
    );
  }
  const isTied = weights.lmHead.weight === weights.shared;
  if (isTied && key.startsWith(`${PREFIX}${HEAD}.lora_`)) {
    return new CheckpointError(
      `${path}: a head that is the token embedding can have no adapter of its own, got ${key}. Leave ${HEAD} out of target_modules, and train again.`,
    );
  }
  return new CheckpointError(
    `${path}: must hold LoRA weights of the layers that ${ADAPTER_CONFIG} names and nothing else, got ${key}. ` +
      "Is the adapter for another architecture?",
  );
}

function keyOf(module: string, part: "a" | "b"): string {
  return `${PREFIX}${module}.lora_${part.toUpperCase()}.weight`;
}
