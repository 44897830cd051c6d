// Weights of the base model that belong to an adapter whole: those of modules_to_save, which are trained, and those that a
// file brings with other values than the base model has (peft's save_embedding_layers, and biases of old versions).

import { copyInto } from "../../kernels/moves/gatherRows.ts";
import type { StorageArray } from "../../tensor/dtype.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import { keep, scope } from "../../tensor/scope.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import type { LoraConfig } from "./config.ts";
import type { LoraModel, WholeWeight } from "./loraModel.ts";
import { HEAD, isSaved } from "./moduleNames.ts";

/** Modules that peft copies before it trains them: a copy of an embedding is one that T5's stacks or its head do not see. */
const EMBEDDINGS = ["shared", "encoder.embed_tokens", "decoder.embed_tokens"];

/** What to attach: the name of a parameter, and values where they are not the model's own. */
export interface NewWeight {
  readonly name: string;
  readonly values?: StorageArray;
  readonly trained: boolean;
}

/**
 * The parameters that modules_to_save names, in the order of the model.
 * @throws {ArgumentError} for an embedding, and for a head that is one
 */
export function namesToSave(
  { modulesToSave }: LoraConfig,
  parameters: Iterable<string>,
): readonly string[] {
  if (modulesToSave === null) return [];
  const names = [...parameters];
  const separate = names.includes(`${HEAD}.weight`);
  for (const module of separate ? EMBEDDINGS : [...EMBEDDINGS, HEAD]) {
    const name = modulesToSave.find((each) => isSaved(module, each));
    if (name === undefined) continue;
    const what = module === HEAD ? "head that is the token embedding" : "token embedding";
    throw new ArgumentError(
      `LoraConfig: modulesToSave must name no ${what}, got ${JSON.stringify(name)} (${module}). Leave it out, or train the whole model.`,
    );
  }
  return names.filter((name) => modulesToSave.some((each) => isSaved(moduleOf(name), each)));
}

/** @throws {ArgumentError} when a name in modulesToSave is the end of no module's path: a slip of the pen */
export function checkModulesToSave(
  { modulesToSave }: LoraConfig,
  parameters: Iterable<string>,
): void {
  const modules = [...parameters].map(moduleOf);
  const unknown = modulesToSave?.find((name) => !modules.some((module) => isSaved(module, name)));
  if (unknown === undefined) return;
  throw new ArgumentError(
    `LoraConfig: modulesToSave must name modules of the model, got ${JSON.stringify(unknown)}. ` +
      `There are ${HEAD}, final_layer_norm, relative_attention_bias and the linear layers, for example.`,
  );
}

/** Puts values into the model, keeps those from before, and makes trainable what is trained. The model must be frozen. */
export function attachWhole(model: LoraModel, weights: readonly NewWeight[]): WholeWeight[] {
  const parameters = model.parameters();
  return weights.map(({ name, values, trained }) => {
    const weight = parameters.get(name)!;
    const original = copyOf(weight);
    if (values !== undefined) model.device.write(weight.storage, weight.dtype, values);
    weight.requiresGrad = trained;
    return { name, weight, original };
  });
}

/** @param kept whether the model keeps the adapter's values, or takes back its own */
export function detachWhole(weights: readonly WholeWeight[], kept: boolean): void {
  for (const { weight, original } of weights) {
    weight.requiresGrad = false; // values are not written under a tape
    if (!kept) scope(() => copyInto(weight, original, { axis: 0, offset: 0 }));
    original.dispose();
  }
}

export function moduleOf(name: string): string {
  return name.replace(/\.weight$/, "");
}

function copyOf(weight: Tensor): Tensor {
  const copy = keep(empty(weight.device, weight.shape, weight.dtype));
  copyInto(copy, weight, { axis: 0, offset: 0 });
  return copy;
}
