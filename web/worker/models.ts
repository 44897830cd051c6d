// Loading a model: the example, files of the visitor, or a repository of the Hub.

import { loadLora, T5ForConditionalGeneration, Tokenizer, type ModelSource } from "gradloom";
import type { KeptModel, ModelChoice, ModelFacts } from "../protocol/model.ts";
import { exampleModel } from "./example.ts";
import type { CallContext } from "./handler.ts";
import { session, theDevice, theModel } from "./session.ts";

type Context = CallContext<"loadModel">;

/** Loads the model in place of the one that is there, which stays when that fails. */
export async function loadModel(choice: ModelChoice, context: Context): Promise<ModelFacts> {
  if (choice.from === "files" && isAdapterAlone(choice.files)) return addAdapter(choice.files);
  const { source, name } = await sourceOf(choice, context);
  return useModel(choice, source, name, context);
}

async function useModel(
  choice: ModelChoice,
  source: ModelSource,
  name: string,
  { emit }: Context,
): Promise<ModelFacts> {
  const tokenizer = await Tokenizer.fromPretrained(source);
  emit({ what: "Reading weights", done: 0, total: 1 });
  const device = theDevice();
  const model = await T5ForConditionalGeneration.fromPretrained(source, {
    device,
    ...(choice.dtype === "bf16" ? { dtype: "bfloat16" as const } : {}),
  });
  session.loaded?.model.dispose();
  const facts = factsOf(model, name, choice);
  session.loaded = { model, tokenizer, source, choice, facts, isTrained: false };
  return facts;
}

/** The model as it was before it was trained, on the same device. */
export async function reloadModel(context: Context): Promise<void> {
  const { choice, source, facts } = theModel();
  await useModel(choice, source, facts.name, context);
}

function factsOf(
  model: T5ForConditionalGeneration,
  name: string,
  { dtype }: ModelChoice,
): ModelFacts {
  const sizes = [...model.parameters().values()].map(({ size }) => size);
  const { numDecoderLayers, numHeads } = model.config;
  return {
    ...{ name, dtype, layers: numDecoderLayers, heads: numHeads },
    parameters: sizes.reduce((sum, size) => sum + size, 0),
    hasAdapter: model.savedWeights().file !== "model.safetensors",
  };
}

async function sourceOf(
  choice: ModelChoice,
  { signal }: Context,
): Promise<{ source: ModelSource; name: string }> {
  switch (choice.from) {
    case "example":
      return { source: await exampleModel(signal), name: "the example model" };
    case "files":
      return { source: byName(choice.files), name: folderName(choice.files) };
    case "hub":
      throw new Error("Models of the Hub come with the browser's private files.");
  }
}

function byName(files: readonly File[]): Map<string, Blob> {
  return new Map(files.map((file) => [file.name, file]));
}

/** What a dropped folder was called; files alone are "dropped files". */
function folderName(files: readonly File[]): string {
  const [folder] = files[0]?.webkitRelativePath.split("/") ?? [];
  return folder || "dropped files";
}

function isAdapterAlone(files: readonly File[]): boolean {
  const names = new Set(files.map(({ name }) => name));
  return names.has("adapter_config.json") && !names.has("config.json");
}

/** A dropped adapter goes onto the model that is loaded. */
async function addAdapter(files: readonly File[]): Promise<ModelFacts> {
  const loaded = theModel();
  await loadLora(loaded.model, byName(files));
  loaded.isTrained = true;
  session.loaded = { ...loaded, facts: { ...loaded.facts, hasAdapter: true } };
  return session.loaded.facts;
}

export async function listKept(): Promise<readonly KeptModel[]> {
  return [];
}

export async function deleteKept(): Promise<readonly KeptModel[]> {
  return [];
}
