// LoraConfig: which layers get an adapter and of what size, with peft's names in camelCase, its defaults
// and its meaning (docs/guide/hugging-face-semantics.md 8), and adapter_config.json in peft's format.

import { formatValue } from "../../fields/rules.ts";
import { ArgumentError, ConfigError, type GradloomError } from "../../tensor/errors.ts";
import type { JsonObject } from "../../model/jsonFields.ts";
import { checkKeys, checkTying, warnOfUnknown } from "./adapterKeys.ts";
import { checkOptions, LORA_FIELDS, withoutUnset, type LoraField } from "./configRules.ts";
import type { LoraOptions } from "./options.ts";

export type { LoraOptions } from "./options.ts";

/** What a LoRA adapter is like, with every default filled in (Hu et al. 2021, arXiv 2106.09685). `addLora` takes one. */
export class LoraConfig implements Required<LoraOptions> {
  readonly r: number;
  readonly loraAlpha: number;
  readonly loraDropout: number;
  readonly targetModules: string | readonly string[];
  readonly excludeModules: string | readonly string[] | null;
  readonly layersToTransform: number | readonly number[] | null;
  readonly layersPattern: string | readonly string[] | null;
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  readonly useRslora: boolean;
  readonly initLoraWeights: boolean | "gaussian";
  readonly bias: "none" | "all" | "lora_only";
  readonly modulesToSave: readonly string[] | null;
  readonly taskType: string | null;
  readonly baseModelNameOrPath: string | null;
  readonly revision: string | null;

  /** @throws {ArgumentError} for a name or value that is not what it must be */
  constructor(given: LoraOptions = {}) {
    const options = withoutUnset(given);
    checkOptions(options, wrongOption);
    this.r = options.r ?? 8;
    this.loraAlpha = options.loraAlpha ?? 8;
    this.loraDropout = options.loraDropout ?? 0;
    this.targetModules = options.targetModules ?? ["q", "v"];
    this.excludeModules = options.excludeModules ?? null;
    this.layersToTransform = options.layersToTransform ?? null;
    this.layersPattern = options.layersPattern ?? null;
    this.rankPattern = options.rankPattern ?? {};
    this.alphaPattern = options.alphaPattern ?? {};
    this.useRslora = options.useRslora ?? false;
    this.initLoraWeights = options.initLoraWeights ?? true;
    this.bias = options.bias ?? "none";
    this.modulesToSave = options.modulesToSave ?? null;
    this.taskType = options.taskType ?? "SEQ_2_SEQ_LM";
    this.baseModelNameOrPath = options.baseModelNameOrPath ?? null;
    this.revision = options.revision ?? null;
  }

  /**
   * Reads adapter_config.json. Keys left out, null or empty take peft's defaults; keys that change nothing here are
   * ignored, and a warning names those that nobody knows (docs/guide/lora.md has them all).
   * @param source names the file in messages
   * @throws {ConfigError} for another kind of adapter, a variant of LoRA that is not supported, or a wrong value
   */
  static fromJSON(object: JsonObject, source = "adapter_config.json"): LoraConfig {
    const fail = (key: string, must: string, got: unknown, cure = PLAIN): GradloomError =>
      new ConfigError(`${source}: ${key} must be ${must}, got ${formatValue(got)}. ${cure}`);
    checkKeys(object, fail);
    const given = Object.entries(LORA_FIELDS).flatMap(([field, { key }]) => {
      const value = object[key];
      return value === undefined || value === null ? [] : [[field, fromFile(key, value)] as const];
    });
    const options: LoraOptions = withoutUnset(Object.fromEntries(given));
    checkOptions(options, (field, must, got, cure) =>
      fail(LORA_FIELDS[field].key, must, got, cure),
    );
    const config = new LoraConfig(options);
    checkTying(object, config, fail);
    warnOfUnknown(object, source);
    return config;
  }

  /** What adapter_config.json holds: peft's keys, sorted. */
  toJSON(): Record<string, unknown> {
    const own = Object.entries(LORA_FIELDS).map(([field, { key }]) => [
      key,
      this[field as LoraField],
    ]);
    const entries = Object.entries({
      ...Object.fromEntries(own),
      ...{ peft_type: "LORA", inference_mode: true, fan_in_fan_out: false },
      ...{ use_dora: false, lora_bias: false },
    });
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

const PLAIN = "Use a plain LoRA adapter for a T5 model.";

/** These ways to begin differ from `true` only before training: a saved adapter has what they led to. */
function fromFile(key: string, value: unknown): unknown {
  if (key !== "init_lora_weights" || typeof value !== "string") return value;
  if (value === "eva" || value === "orthogonal") return true;
  return value.toLowerCase() === "gaussian" ? "gaussian" : value;
}

function wrongOption(field: string, must: string, got: unknown, cure?: string): GradloomError {
  const what = `LoraConfig: ${field} must be ${must}, got ${formatValue(got)}`;
  return new ArgumentError(cure === undefined ? what : `${what}. ${cure}`);
}
