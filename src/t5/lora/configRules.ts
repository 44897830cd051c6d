// What each field of a LoraConfig must be, its key in adapter_config.json, and the keys of peft whose
// variants of LoRA are not supported.

import type { GradloomError } from "../../tensor/errors.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import type { JsonObject } from "../../model/jsonFields.ts";
import type { LoraOptions } from "./config.ts";

export type LoraField = keyof LoraOptions;

interface Rule {
  /** In adapter_config.json. */
  readonly key: string;
  /** What a value must be, in words, and the test for it. */
  readonly must: string;
  holds(value: unknown): boolean;
}

const isNumber = (value: unknown): value is number => Number.isFinite(value);
const isWhole = (least: number) => (value: unknown) =>
  Number.isSafeInteger(value) && (value as number) >= least;
const isPositive = (value: unknown) => isNumber(value) && value > 0;
const isName = (value: unknown) => typeof value === "string" && value !== "";
const isListOf = (holds: (value: unknown) => boolean) => (value: unknown) =>
  Array.isArray(value) && value.length > 0 && value.every(holds);
const isNamesOrText = (value: unknown) => isName(value) || isListOf(isName)(value);

function isPattern(holds: (value: unknown) => boolean): (value: unknown) => boolean {
  return (value) =>
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every(holds);
}

const names = "a name, a regular expression, or a list of names that is not empty";

export const LORA_FIELDS: Readonly<Record<LoraField, Rule>> = {
  r: { key: "r", must: "a whole number of at least 1", holds: isWhole(1) },
  loraAlpha: { key: "lora_alpha", must: "a number above 0", holds: isPositive },
  loraDropout: {
    key: "lora_dropout",
    must: "a number of at least 0 and below 1",
    holds: (value) => isNumber(value) && value >= 0 && value < 1,
  },
  targetModules: { key: "target_modules", must: names, holds: isNamesOrText },
  excludeModules: { key: "exclude_modules", must: names, holds: isNamesOrText },
  layersToTransform: {
    key: "layers_to_transform",
    must: "the index of a block, or a list of them",
    holds: (value) => isWhole(0)(value) || isListOf(isWhole(0))(value),
  },
  layersPattern: { key: "layers_pattern", must: names, holds: isNamesOrText },
  rankPattern: {
    key: "rank_pattern",
    must: "whole numbers of at least 1 by layer",
    holds: isPattern(isWhole(1)),
  },
  alphaPattern: {
    key: "alpha_pattern",
    must: "numbers above 0 by layer",
    holds: isPattern(isPositive),
  },
  useRslora: {
    key: "use_rslora",
    must: "true or false",
    holds: (value) => typeof value === "boolean",
  },
  initLoraWeights: {
    key: "init_lora_weights",
    must: 'true, false or "gaussian" (other ways change the base model)',
    holds: (value) => typeof value === "boolean" || value === "gaussian",
  },
  bias: { key: "bias", must: '"none", for T5 has no biases', holds: (value) => value === "none" },
  taskType: { key: "task_type", must: "a text", holds: isName },
  baseModelNameOrPath: { key: "base_model_name_or_path", must: "a text", holds: isName },
};

/** Fields that may be null, which is to leave them out. */
const NULLABLE: ReadonlySet<string> = new Set<LoraField>([
  ...(["excludeModules", "layersToTransform", "layersPattern"] as const),
  ...(["taskType", "baseModelNameOrPath"] as const),
]);

/**
 * @param wrong makes the error for a field
 * @throws what `wrong` makes for the first field that is not what it must be, or does not go with another
 * @throws {ArgumentError} for an unknown field
 */
export function checkFields(
  options: LoraOptions,
  wrong: (field: LoraField, must: string, got: unknown) => GradloomError,
): void {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(LORA_FIELDS, name)) {
      throw new ArgumentError(
        `LoraConfig: every name must be one of ${Object.keys(LORA_FIELDS).join(", ")}, got ${name}`,
      );
    }
    const field = name as LoraField;
    const isLeftOut = value === undefined || (value === null && NULLABLE.has(name));
    if (isLeftOut || LORA_FIELDS[field].holds(value)) continue;
    throw wrong(field, LORA_FIELDS[field].must, value);
  }
  const { targetModules, layersToTransform, layersPattern } = options;
  if (typeof targetModules === "string" && layersToTransform != null) {
    throw wrong(
      "layersToTransform",
      "left out beside a targetModules of one text",
      layersToTransform,
    );
  }
  if (layersPattern != null && layersToTransform == null) {
    throw wrong("layersPattern", "beside layersToTransform", layersPattern);
  }
}

/** Keys by which peft turns LoRA into something else; each must be absent, null, false or empty. */
const VARIANTS = [
  "alora_invocation_tokens",
  "arrow_config",
  "kasa_config",
  "layer_replication",
  "lora_bias",
  "modules_to_save",
  "monteclora_config",
  "target_parameters",
  "trainable_token_indices",
  "use_bdlora",
  "use_dora",
  "use_qalora",
  "velora_config",
] as const;

/** @throws what `wrong` makes for an adapter that is not plain LoRA */
export function checkVariants(
  object: JsonObject,
  wrong: (key: string, must: string, got: unknown) => GradloomError,
): void {
  if (object.peft_type !== "LORA") throw wrong("peft_type", '"LORA"', object.peft_type);
  for (const key of VARIANTS) {
    const value = object[key];
    const isEmpty = typeof value === "object" && value !== null && Object.keys(value).length === 0;
    if (value != null && value !== false && !isEmpty) {
      throw wrong(key, "absent, for this variant of LoRA is not supported", value);
    }
  }
}
