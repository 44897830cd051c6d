// Models and datasets by Hub id: the flag for their revision, and the bar while they are downloaded.

import { resolve } from "node:path";
import { Option } from "commander";
import type { HubOptions } from "../hub/options.ts";
import { locateModel, type ModelPart } from "../model/pretrained.ts";
import { startProgress, type Progress } from "./terminal/progress.ts";

const MEGABYTE = 1e6;
const WHOLE_MODEL: readonly ModelPart[] = ["modelOrAdapter", "tokenizer"];
/** What a model is that is trained: its card says under which license. */
export const MODEL_AND_CARD: readonly ModelPart[] = [...WHOLE_MODEL, "card"];

/** What --model takes. */
export const MODEL_HELP = "model folder, or Hub id such as google/flan-t5-base";

export const revisionOption = (): Option =>
  new Option("--revision <name>", "branch, tag or commit of a model from the Hub (default: main)");

/** Where the cache is, and the token to download with: for the whole process, as the variables that huggingface_hub reads. */
export const hubOptions = (): Option[] => [
  new Option("--cache-dir <folder>", "cache of downloads instead of HF_HUB_CACHE"),
  new Option("--token <token>", "access token of the Hub instead of HF_TOKEN"),
];

/** Sets the variables that the flags stand for. */
export function applyHubFlags(flags: {
  readonly cacheDir?: string;
  readonly token?: string;
}): void {
  if (flags.cacheDir !== undefined) process.env.HF_HUB_CACHE = resolve(flags.cacheDir);
  if (flags.token !== undefined) process.env.HF_TOKEN = flags.token;
}

export const tokenizerOption = (): Option =>
  new Option(
    "--tokenizer-name <name>",
    "folder or Hub id of a tokenizer instead of the model's own",
  );

/** The folder of the tokenizer: the model's, or that of --tokenizer-name. */
export async function fetchTokenizer(
  modelFolder: string,
  name: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  return name === undefined ? modelFolder : fetchModel(name, { signal }, ["tokenizer"]);
}

/** The folder of a model on this disk; downloads what is missing, with a bar. */
export async function fetchModel(
  model: string,
  options: Pick<HubOptions, "revision" | "signal"> = {},
  parts = WHOLE_MODEL,
): Promise<string> {
  const bar = downloadBar(model);
  try {
    return await locateModel(model, parts, { ...options, onProgress: bar.onProgress });
  } finally {
    bar.stop();
  }
}

/** A bar in megabytes that appears with the first byte; another one when more files turn out to be wanted (shards). */
export function downloadBar(
  name: string,
): Required<Pick<HubOptions, "onProgress">> & { stop(): void } {
  const bars = new Map<number, Progress>();
  return {
    onProgress: ({ file, loaded, total }) => {
      const megabytes = Math.ceil(total / MEGABYTE);
      const bar = bars.get(total) ?? startProgress(`download ${name} (MB)`, megabytes);
      bars.set(total, bar);
      bar.update(loaded === total ? megabytes : Math.floor(loaded / MEGABYTE), file);
    },
    stop: () => bars.forEach((bar) => bar.stop()),
  };
}
