// The flags of commands that summarise: where and in which dtype to compute, and how to generate.

import { Option } from "commander";
import type { GenerationOptions } from "../generation/options.ts";
import type { DeviceKind } from "../kernels/deviceOptions.ts";
import type { StoredWeights } from "../model/weightDtype.ts";
import { generationSettings } from "../train/evaluationGeneration.ts";
import { generationOptions, givenGeneration, type GenerationFlags } from "./generationFlags.ts";
import { deviceOption, dtypeOption, threadsOption, wholeNumber } from "./options.ts";
import { readJson } from "../fields/rules.ts";

export interface InferenceFlags extends GenerationFlags {
  readonly device: DeviceKind;
  readonly threads?: number;
  readonly dtype?: StoredWeights | undefined;
  readonly maxSourceLength?: number;
  readonly maxNewTokens: number;
  readonly generationConfig?: GenerationOptions | string;
  readonly seed?: number;
}

export const inferenceOptions = (): Option[] => [
  deviceOption(),
  threadsOption(),
  dtypeOption("how weights are stored"),
  new Option(
    "--max-source-length <n>",
    "cut prompts to so many tokens (default: they are not cut)",
  ).argParser(wholeNumber(1)),
  new Option("--max-new-tokens <n>", "longest summary in tokens")
    .argParser(wholeNumber(1))
    .default(200),
  ...generationOptions(),
  generationConfigOption(),
  new Option("--seed <n>", "with --do-sample: the same seed draws the same tokens").argParser(
    wholeNumber(0),
  ),
];

const generationConfigOption = (): Option =>
  new Option(
    "--generation-config <file>",
    "generation_config.json, its folder, or JSON, over the model's own; flags win",
  ).argParser(readJson);

/**
 * Options of generate(): flags over --generation-config.
 * @throws {ArgumentError | ConfigError} for a file that cannot be used
 */
export async function generationOf(flags: InferenceFlags): Promise<GenerationOptions> {
  const { generationConfig = null, maxNewTokens, seed } = flags;
  return {
    ...(await generationSettings(generationConfig)),
    ...givenGeneration(flags),
    maxNewTokens,
    ...(seed === undefined ? {} : { seed }),
  };
}
