// How evaluations generate: the argument generationConfig, as options of generate().

import { files } from "../tensor/files/files.ts";
import { toCamelCase, toSnakeCase } from "../fields/names.ts";
import { formatValue } from "../fields/rules.ts";
import {
  generationDefaults,
  refuseUnsupported,
  warningsAbout,
} from "../generation/modelOptions.ts";
import type { GenerationOptions } from "../generation/options.ts";
import { planGeneration } from "../generation/plan.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { warn } from "../tensor/warnings.ts";
import type { TrainingArguments } from "./arguments/arguments.ts";

const FILE = "generation_config.json";

/** generationConfig, with generationMaxLength and generationNumBeams over it. @throws as generationSettings */
export async function evaluationGeneration(args: TrainingArguments): Promise<GenerationOptions> {
  const { generationConfig, generationMaxLength, generationNumBeams } = args;
  const given = {
    ...(generationMaxLength === null ? {} : { maxLength: generationMaxLength }),
    ...(generationNumBeams === null ? {} : { numBeams: generationNumBeams }),
  };
  return { ...(await generationSettings(generationConfig)), ...given };
}

/**
 * Options of generate() from an object with keys in either spelling, a generation_config.json or its folder. Special tokens
 * stay the model's.
 * @throws {ArgumentError} for a path without such a file
 * @throws {ConfigError} for a setting that cannot be had, named by its key
 */
export async function generationSettings(
  generationConfig: GenerationOptions | string | null,
): Promise<GenerationOptions> {
  if (generationConfig === null) return {};
  const { source, settings } =
    typeof generationConfig === "string"
      ? await read(generationConfig)
      : { source: "generationConfig", settings: generationConfig };
  const { seed, ...model } = Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [toCamelCase(key), value]),
  );
  const raw = Object.fromEntries(
    Object.entries(model).map(([key, value]) => [toSnakeCase(key), value]),
  );
  const options = {
    ...generationDefaults({ source, raw }),
    ...(seed === undefined ? {} : { seed: seed as number }),
  };
  refuseUnsupported({ source, raw }, planGeneration(options));
  for (const text of warningsAbout({ source, raw }, options)) warn(text);
  return options;
}

async function read(path: string): Promise<{ source: string; settings: object }> {
  const isFolder = await files.stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const source = isFolder ? `${path}/${FILE}` : path;
  try {
    const settings: unknown = JSON.parse(await files.readText(source));
    if (typeof settings === "object" && settings !== null) return { source, settings };
    throw new SyntaxError("it is no object");
  } catch (cause) {
    throw new ArgumentError(
      `generationConfig: must be options, ${FILE} or its folder, got ${formatValue(path)} (${(cause as Error).message})`,
      { cause },
    );
  }
}
