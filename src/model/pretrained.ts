// `fromPretrained("google/flan-t5-base")`: which files of a repository each part of a model needs, and where they lie.

import { HubError } from "../tensor/errors.ts";
import { hasWeights, isIndex, readWeightMap, WEIGHT_NAMES } from "./weightFiles.ts";
import type { HubOptions } from "../hub/options.ts";
import { isRepositoryId } from "../hub/repository.ts";
import type { Choose, RepositoryFiles, WantedFiles } from "../hub/snapshot.ts";
import { ADAPTER_CONFIG, adapterWeights } from "./adapterFileNames.ts";
import type { ModelSource } from "./modelFolder.ts";
import { configCure, otherWeights } from "./missingWeights.ts";
import { tokenizerFiles } from "./tokenizerFiles.ts";

export type ModelPart =
  "config" | "generationConfig" | "tokenizer" | "weights" | "adapter" | "modelOrAdapter" | "card";

const PARTS: Readonly<Record<ModelPart, Choose>> = {
  config: configFile,
  generationConfig: () => ({ required: [], optional: ["generation_config.json"] }),
  tokenizer: tokenizerOfModel,
  weights: weightFiles,
  adapter: adapterFiles,
  modelOrAdapter,
  card: () => ({ required: [], optional: ["README.md"] }),
};
const MODEL_WITHOUT_TOKENIZER: readonly ModelPart[] = ["config", "generationConfig", "weights"];
/** Names that a message lists. */
const SHOWN = 8;

/**
 * A folder or files as they are; for a Hub id, the folder in the cache, once it holds the files of these parts.
 * A text that names a folder here is that folder, even if it could be an id as well.
 * @throws {HubError} naming the repository, the file and what to do
 */
export function locateModel(
  source: string,
  parts: readonly ModelPart[],
  options?: HubOptions,
): Promise<string>;
export function locateModel(
  source: ModelSource,
  parts: readonly ModelPart[],
  options?: HubOptions,
): Promise<ModelSource>;
export async function locateModel(
  source: ModelSource,
  parts: readonly ModelPart[],
  options: HubOptions = {},
): Promise<ModelSource> {
  if (typeof source !== "string" || !isRepositoryId(source)) return source;
  const { locate } = await import("../hub/locate.ts"); // only who names a repository needs it
  return locate({ type: "model", name: source }, (files) => choose(parts, files), options);
}

async function choose(parts: readonly ModelPart[], files: RepositoryFiles): Promise<WantedFiles> {
  const wanted: WantedFiles[] = [];
  for (const part of parts) wanted.push(await PARTS[part](files)); // the first one's error is the one that is told
  return {
    required: wanted.flatMap(({ required }) => required),
    optional: wanted.flatMap(({ optional = [] }) => optional),
    dependsOnAll: wanted.some(({ dependsOnAll = false }) => dependsOnAll),
  };
}

async function configFile(files: RepositoryFiles): Promise<WantedFiles> {
  const required = ["config.json"];
  if (files.names.includes("config.json")) return { required };
  if (isLoneAdapter(files.names)) {
    throw await adapterInstead(files, required, "Load its base model, then the adapter.");
  }
  const cure = "Name a repository of a T5 model in Hugging Face's format.";
  throw missing(files, "config.json", configCure(files.names, cure));
}

function adapterFiles(files: RepositoryFiles): WantedFiles {
  if (!files.names.includes(ADAPTER_CONFIG)) {
    throw missing(files, ADAPTER_CONFIG, "Name a repository of a LoRA adapter in peft's format.");
  }
  return { required: [ADAPTER_CONFIG, adapterWeights(files.names)] };
}

function missing({ names }: RepositoryFiles, file: string, cure: string): HubError {
  const shown = names.slice(0, SHOWN).join(", ") || "no file";
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : "";
  return new HubError("missing", `the repository must hold ${file}, got ${shown}${more}. ${cure}`);
}

async function tokenizerOfModel(files: RepositoryFiles): Promise<WantedFiles> {
  const isAbsent = !files.names.some((name) => /^(?:tokenizer\.json|spiece\.model)$/.test(name));
  if (isLoneAdapter(files.names) && isAbsent) {
    const cure =
      "Load the tokenizer of its base model (of the commands: --model BASE --adapter ID).";
    throw await adapterInstead(files, ["tokenizer.json"], cure);
  }
  return tokenizerFiles(files);
}

/** Of a repository with an adapter, the adapter, and its own model only where the adapter names no other, as in transformers. */
async function modelOrAdapter(files: RepositoryFiles): Promise<WantedFiles> {
  const { names } = files;
  const hasAdapter = names.includes(ADAPTER_CONFIG) && names.includes(adapterWeights(names));
  if (!isLoneAdapter(names) && !hasAdapter) return choose(MODEL_WITHOUT_TOKENIZER, files);
  const parts: ModelPart[] = ["adapter"];
  if (!isLoneAdapter(names)) {
    const { base_model_name_or_path: base } = await files.json(ADAPTER_CONFIG);
    if (typeof base !== "string" || base === "") parts.push(...MODEL_WITHOUT_TOKENIZER);
  }
  return { ...(await choose(parts, files)), dependsOnAll: true };
}

/** The error for a repository that holds an adapter where files of its base model are wanted. */
async function adapterInstead(
  { json }: RepositoryFiles,
  wanted: readonly string[],
  cure: string,
): Promise<HubError> {
  const { base_model_name_or_path: base } = await json(ADAPTER_CONFIG);
  const named =
    typeof base === "string" && base !== ""
      ? `of ${base}`
      : `whose ${ADAPTER_CONFIG} names no base model`;
  const must = wanted.join(" and ");
  return new HubError(
    "missing",
    `the repository must hold ${must}, got a LoRA adapter ${named}. ${cure}`,
  );
}

/** Whether files are those of an adapter without the model that it changes; its config.json may lie beside it. */
export function isLoneAdapter(names: readonly string[]): boolean {
  return names.includes(ADAPTER_CONFIG) && !hasWeights(names);
}

/** The weights that `openWeightFiles` reads: one file, or an index and the shards that it names. */
async function weightFiles({ names, json }: RepositoryFiles): Promise<WantedFiles> {
  const name = WEIGHT_NAMES.find((weights) => names.includes(weights));
  if (name !== undefined) {
    if (!isIndex(name)) return { required: [name] };
    const shards = readWeightMap(name, await json(name)).values();
    return { required: [name, ...new Set(shards)] };
  }
  const other = otherWeights(names);
  throw new HubError(
    "missing",
    `the repository must hold ${WEIGHT_NAMES.join(" or ")}, got ${other?.got ?? "no weights"}. ${other?.cure ?? "Name another repository."}`,
  );
}
