// Which parameters modules_to_save of a LoraConfig means.

import { ArgumentError } from "../../tensor/errors.ts";
import type { LoraConfig } from "./config.ts";
import { HEAD, isSaved, moduleOf } from "./moduleNames.ts";

/** Modules that peft copies before it trains them: a copy of an embedding is one that T5's stacks or its head do not see. */
const EMBEDDINGS = ["shared", "encoder.embed_tokens", "decoder.embed_tokens"];

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
