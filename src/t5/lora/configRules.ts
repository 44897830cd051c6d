// What each field of a LoraConfig must be, and its key in adapter_config.json.

import { nearestName } from "../../fields/names.ts";
import {
  above,
  checkFields,
  flag,
  formatValue,
  shareBelow1,
  whole,
  type Rule,
} from "../../fields/rules.ts";
import type { GradloomError } from "../../tensor/errors.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import { behindPattern, endOfPath, savedModule } from "./moduleNames.ts";
import { pythonFullMatch } from "./pythonExpression.ts";
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

const BIASES = ["none", "all", "lora_only"] as const;
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
  bias: {
    key: "bias",
    must: BIASES.map(formatValue).join(" or "),
    holds: (value) => BIASES.includes(value as never),
  },
  modulesToSave: nullable({
    key: "modules_to_save",
    must: "a list of names",
    holds: isListOf(isName),
  }),
  taskType: nullable({ key: "task_type", must: "a text", holds: isName }),
  baseModelNameOrPath: nullable({ key: "base_model_name_or_path", must: "a text", holds: isName }),
  revision: nullable({ key: "revision", must: "a branch, tag or commit", holds: isName }),
};

/** Fields for which "", [] and {} say what leaving them out says, to peft and here. */
const MAY_BE_EMPTY: readonly LoraField[] = [
  "excludeModules",
  "layersToTransform",
  "layersPattern",
  "rankPattern",
  "alphaPattern",
  "modulesToSave",
  "taskType",
  "baseModelNameOrPath",
  "revision",
];

/** The fields that say something. */
export function withoutUnset(options: LoraOptions): LoraOptions {
  const given = Object.entries(options).filter(
    ([field, value]) =>
      !(MAY_BE_EMPTY.includes(field as LoraField) && isUnset(value) && value !== null),
  );
  return Object.fromEntries(given);
}

/** Values by which peft means that a key is not set. */
export function isUnset(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === "";
}

/** Makes the error for a field; `cure` is a sentence where there is a better one than the caller's. */
export type WrongField = (
  field: LoraField,
  must: string,
  got: unknown,
  cure?: string,
) => GradloomError;

/**
 * @param wrong makes the error for a field
 * @throws what `wrong` makes for the first field that is not what it must be, or does not go with another
 * @throws {ArgumentError} for an unknown field
 */
export function checkOptions(options: LoraOptions, wrong: WrongField): void {
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
  checkExpressions(options, wrong);
}

/** Every expression is read once here, so that whoever uses it later needs no error of his own. */
function checkExpressions(options: LoraOptions, wrong: WrongField): void {
  const { targetModules, excludeModules, layersPattern, modulesToSave } = options;
  const check = (field: LoraField, given: unknown, read: (text: string) => unknown): void => {
    const texts = typeof given === "string" ? [given] : given instanceof Array ? given : [];
    for (const text of texts as readonly string[]) {
      try {
        read(text);
      } catch (cause) {
        const must = `a regular expression that can be read (${(cause as Error).message})`;
        throw wrong(
          field,
          must,
          text,
          "Write it with groups, classes, repetitions and look-arounds.",
        );
      }
    }
  };
  if (typeof targetModules === "string") check("targetModules", targetModules, pythonFullMatch);
  if (typeof excludeModules === "string") check("excludeModules", excludeModules, pythonFullMatch);
  check("layersPattern", layersPattern, behindPattern);
  check("modulesToSave", modulesToSave, savedModule);
  check("rankPattern", Object.keys(options.rankPattern ?? {}), endOfPath);
  check("alphaPattern", Object.keys(options.alphaPattern ?? {}), endOfPath);
}
