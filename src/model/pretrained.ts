// `fromPretrained("google/flan-t5-base")`: which files of a repository each part of a model needs, and where they lie.

import { HubError } from "../tensor/errors.ts";
import { isNode } from "../tensor/runtime.ts";
import { isIndex, readWeightMap, WEIGHT_NAMES } from "./weightFiles.ts";
import type { HubOptions } from "../hub/options.ts";
import { isRepositoryId } from "../hub/repository.ts";
import type { Choose, RepositoryFiles, WantedFiles } from "../hub/snapshot.ts";
import { ADAPTER_CONFIG, adapterWeights } from "./adapterFileNames.ts";
import type { ModelSource } from "./modelFolder.ts";
import { tokenizerFiles } from "./tokenizerFiles.ts";

export type ModelPart = "config" | "generationConfig" | "tokenizer" | "weights" | "adapter";

const PARTS: Readonly<Record<ModelPart, Choose>> = {
  config: () => ({ required: ["config.json"] }),
  generationConfig: () => ({ required: [], optional: ["generation_config.json"] }),
  tokenizer: tokenizerFiles,
  weights: weightFiles,
  adapter: ({ names }) => ({ required: [ADAPTER_CONFIG, adapterWeights(names)] }),
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
    const wanted = await Promise.all(parts.map((part) => PARTS[part](files)));
    return {
      required: wanted.flatMap(({ required }) => required),
      optional: wanted.flatMap(({ optional = [] }) => optional),
    };
  };
  const { locate } = await import("../hub/locate.ts");
  return locate({ type: "model", name: source }, choose, options);
}

/** The weights that `openWeightFiles` reads: one file, or an index and the shards that it names. */
async function weightFiles({ names, json }: RepositoryFiles): Promise<WantedFiles> {
  const name = WEIGHT_NAMES.find((weights) => names.includes(weights));
  if (name !== undefined) {
    if (!isIndex(name)) return { required: [name] };
    const shards = readWeightMap(name, await json(name)).values();
    return { required: [name, ...new Set(shards)] };
  }
  const others = names.filter((name) => /\.(bin|pt|h5|msgpack|onnx|gguf)$/.test(name));
  throw new HubError(
    "missing",
    `the repository must hold ${WEIGHT_NAMES.join(" or ")}, got ${others.join(", ") || "no weights"}. ` +
      "Convert its weights to safetensors with transformers' save_pretrained, or name another repository.",
  );
}
