// Loading a model: the example, files of the visitor, or a repository of the Hub.

import {
  loadLora,
  T5ForConditionalGeneration,
  Tokenizer,
  type HubOptions,
  type ModelSource,
  type Tensor,
} from "gradloom";
import type {
  HubAddress,
  LastingModel,
  LoadProgress,
  ModelChoice,
  ModelFacts,
} from "../protocol/model.ts";
import { exampleModel } from "./example.ts";
import type { CallContext } from "./handler.ts";
import { Pace } from "./pace.ts";
import { session, theDevice, theModel } from "./session.ts";
import { keepIfGood, use } from "./storage/dropped.ts";

/** Milliseconds between two bars of a download: pieces come faster than they can be drawn. */
const BETWEEN_BARS = 100;

type Context = Pick<CallContext<"loadModel">, "signal" | "emit">;

interface Place {
  readonly source: ModelSource;
  readonly name: string;
  readonly options: HubOptions;
}

/** Loads the model in place of the one that is there, which stays when that fails. */
export async function loadModel(choice: ModelChoice, context: Context): Promise<ModelFacts> {
  if (choice.from !== "files") return load(choice, context);
  const { files, dtype } = choice;
  if (isAdapterAlone(files)) return addAdapter(files);
  const name = folderName(files);
  return keepIfGood("model", byName(files), (folder) =>
    load({ from: "kept", folder, name, dtype }, context),
  );
}

async function load(choice: LastingModel, context: Context): Promise<ModelFacts> {
  const { source, name, options } = await placeOf(choice, context);
  const tokenizer = await Tokenizer.fromPretrained(source, options);
  if (choice.from !== "hub") context.emit({ what: "Reading weights", done: 0, total: 1 });
  const model = await T5ForConditionalGeneration.fromPretrained(source, {
    ...options,
    device: theDevice(),
    dtype: choice.dtype,
  });
  session.loaded?.model.dispose();
  const facts = { ...factsOf(model, name), choice };
  session.loaded = { model, tokenizer, choice, facts, isTrained: false };
  if (choice.from === "kept") await use("model", choice.folder);
  return facts;
}

/** The model as it was before it was trained, on the same device. */
export async function reloadModel(signal: AbortSignal): Promise<void> {
  await loadModel(theModel().choice, { signal, emit: () => undefined });
}

function factsOf(model: T5ForConditionalGeneration, name: string): Omit<ModelFacts, "choice"> {
  const weights = [...model.parameters().values()];
  const { numDecoderLayers, numHeads } = model.config;
  return {
    ...{ name, dtype: storedIn(weights), layers: numDecoderLayers, heads: numHeads },
    parameters: weights.reduce((sum, { size }) => sum + size, 0),
    hasAdapter: hasAdapter(model),
  };
}

/** By the matrices: int8 leaves the rest as the file has it. */
function storedIn(weights: readonly Tensor[]): ModelFacts["dtype"] {
  const dtypes = new Set(weights.map(({ dtype }) => dtype));
  if (dtypes.has("q8")) return "int8";
  return dtypes.has("bf16") ? "bf16" : dtypes.has("f16") ? "f16" : "f32";
}

export function hasAdapter(model: T5ForConditionalGeneration): boolean {
  return model.savedWeights().file !== "model.safetensors";
}

/** How the library is told to ask the Hub; bytes that arrive are told the page. */
export function hubOptions(
  { id, revision, token, endpoint }: HubAddress,
  { signal, emit }: Context,
): HubOptions {
  let newest: LoadProgress = { what: id, done: 0, total: 0 };
  const pace = new Pace(BETWEEN_BARS, () => emit(newest));
  return {
    ...{ revision, endpoint, signal },
    token: token === "" ? false : token,
    onProgress({ file, loaded, total }) {
      newest = { what: file, done: loaded, total };
      pace.soon();
    },
  };
}

async function placeOf(choice: LastingModel, context: Context): Promise<Place> {
  switch (choice.from) {
    case "example": {
      const source = await exampleModel(context.signal);
      return { source, name: "the example model", options: {} };
    }
    case "kept":
      return { source: choice.folder, name: choice.name, options: {} };
    case "hub": {
      const { hub } = choice;
      return { source: hub.id, name: hub.id, options: hubOptions(hub, context) };
    }
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
  const facts = { ...loaded.facts, hasAdapter: true };
  session.loaded = { ...loaded, facts, isTrained: true };
  return facts;
}
