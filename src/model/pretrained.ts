// `fromPretrained("google/flan-t5-base")`: which files of a repository each part of a model needs, and where they lie.

import { HubError } from "../tensor/errors.ts";
import { isNode } from "../tensor/runtime.ts";
import { INDEX, readWeightMap, WEIGHTS } from "./weightFiles.ts";
import type { HubOptions } from "../hub/options.ts";
import { isRepositoryId } from "../hub/repository.ts";
import type { Choose, RepositoryFiles, WantedFiles } from "../hub/snapshot.ts";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from "./adapterFileNames.ts";
import type { ModelSource } from "./modelFolder.ts";
import { otherWeights } from "./missingWeights.ts";
import { OPTIONAL_FILES, REQUIRED_FILES } from "./tokenizerFiles.ts";

export type ModelPart = "config" | "generationConfig" | "tokenizer" | "weights" | "adapter";

const PARTS: Readonly<Record<ModelPart, Choose>> = {
  config: configFile,
  generationConfig: () => ({ required: [], optional: ["generation_config.json"] }),
  tokenizer: () => ({ required: REQUIRED_FILES, optional: OPTIONAL_FILES }),
  weights: weightFiles,
  adapter: () => ({ required: [ADAPTER_CONFIG, ADAPTER_WEIGHTS] }),
};

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
  if (!isNode) return source; // openModelFolder says what a browser needs
  const choose: Choose = async (files) => {
    const wanted: WantedFiles[] = [];
    for (const part of parts) wanted.push(await PARTS[part](files)); // the first one's error is the one that is told
    return {
      required: wanted.flatMap(({ required }) => required),
      optional: wanted.flatMap(({ optional = [] }) => optional),
    };
  };
  const { locate } = await import("../hub/locate.ts");
  return locate({ type: "model", name: source }, choose, options);
}

/** A repository that holds a LoRA adapter and no model of its own. */
class AdapterAlone extends HubError {
  /** What its configuration says; null when it does not. */
  readonly base: string | null;

  constructor(base: unknown) {
    const named = typeof base === "string" && base !== "" ? base : null;
    super(
      "missing",
      `the repository must hold config.json, got a LoRA adapter ${named === null ? `whose ${ADAPTER_CONFIG} names no base model` : `of ${named}`}. ` +
        "Load its base model, then the adapter.",
    );
    this.base = named;
  }
}

/** The base model of an adapter, if `error` of `locateModel` is about a repository that holds nothing else; else null. */
export function baseOfLoneAdapter(error: unknown): string | null {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof AdapterAlone ? cause.base : null;
}

async function configFile({ names, json }: RepositoryFiles): Promise<WantedFiles> {
  if (!names.includes("config.json") && names.includes(ADAPTER_CONFIG)) {
    throw new AdapterAlone((await json(ADAPTER_CONFIG))["base_model_name_or_path"]);
  }
  return { required: ["config.json"] };
}

/** model.safetensors, or the index and the shards that it names. */
async function weightFiles({ names, json }: RepositoryFiles): Promise<WantedFiles> {
  if (names.includes(WEIGHTS)) return { required: [WEIGHTS] };
  if (names.includes(INDEX)) {
    const shards = readWeightMap(INDEX, await json(INDEX)).values();
    return { required: [INDEX, ...new Set(shards)] };
  }
  const other = otherWeights(names);
  throw new HubError(
    "missing",
    `the repository must hold ${WEIGHTS} or ${INDEX}, got ${other?.got ?? "no weights"}. ${other?.cure ?? "Name another repository."}`,
  );
}
