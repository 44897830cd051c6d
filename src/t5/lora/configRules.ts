// What each field of a LoraConfig must be, its key in adapter_config.json, and the keys of peft whose
// variants of LoRA are not supported.

import { nearestName } from "../../fields/names.ts";
import { above, checkFields, flag, shareBelow1, whole, type Rule } from "../../fields/rules.ts";
import type { GradloomError } from "../../tensor/errors.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import type { JsonObject } from "../../model/jsonFields.ts";
import type { LoraOptions } from "./options.ts";

export type LoraField = keyof LoraOptions;

interface KeyedRule extends Rule {
  /** In adapter_config.json. */
  readonly key: string;
}

const isIndex = whole(0).holds;
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

/** null is to leave the field out. */
function nullable(rule: KeyedRule): KeyedRule {
  return { ...rule, holds: (value) => value === null || rule.holds(value) };
}

const names = "a name, a regular expression, or a list of names that is not empty";

export const LORA_FIELDS: Readonly<Record<LoraField, KeyedRule>> = {
  r: { key: "r", ...whole(1) },
  loraAlpha: { key: "lora_alpha", ...above(0) },
  loraDropout: { key: "lora_dropout", ...shareBelow1 },
  targetModules: { key: "target_modules", must: names, holds: isNamesOrText },
  excludeModules: nullable({ key: "exclude_modules", must: names, holds: isNamesOrText }),
  layersToTransform: nullable({
    key: "layers_to_transform",
    must: "the index of a block, or a list of them",
    holds: (value) => isIndex(value) || isListOf(isIndex)(value),
  }),
  layersPattern: nullable({ key: "layers_pattern", must: names, holds: isNamesOrText }),
  rankPattern: {
    key: "rank_pattern",
    must: "whole numbers of at least 1 by layer",
    holds: isPattern(whole(1).holds),
  },
  alphaPattern: {
    key: "alpha_pattern",
    must: "numbers above 0 by layer",
    holds: isPattern(above(0).holds),
  },
  useRslora: { key: "use_rslora", ...flag },
  initLoraWeights: {
    key: "init_lora_weights",
    must: 'true, false or "gaussian" (other ways change the base model)',
    holds: (value) => typeof value === "boolean" || value === "gaussian",
  },
  bias: { key: "bias", must: '"none", for T5 has no biases', holds: (value) => value === "none" },
  taskType: nullable({ key: "task_type", must: "a text", holds: isName }),
  baseModelNameOrPath: nullable({ key: "base_model_name_or_path", must: "a text", holds: isName }),
  revision: nullable({ key: "revision", must: "a branch, tag or commit", holds: isName }),
};

/**
 * @param wrong makes the error for a field
 * @throws what `wrong` makes for the first field that is not what it must be, or does not go with another
 * @throws {ArgumentError} for an unknown field
 */
export function checkOptions(
  options: LoraOptions,
  wrong: (field: LoraField, must: string, got: unknown) => GradloomError,
): void {
  const known = Object.keys(LORA_FIELDS);
  checkFields(options, LORA_FIELDS, {
    unknown: (name) => {
      const meant = nearestName(name, known);
      const hint = meant === undefined ? "" : `. Did you mean ${meant}?`;
      return new ArgumentError(
        `LoraConfig: every name must be one of ${known.join(", ")}, got ${name}${hint}`,
      );
    },
    wrong,
  });
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
