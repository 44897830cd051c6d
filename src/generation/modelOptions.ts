// The options in a model's generation_config.json: read, or refused by name.

import { formatValue } from "../fields/rules.ts";
import { ConfigError } from "../tensor/errors.ts";
import { APPLIED_KEYS, isUnknownKey, REFUSED_KEYS } from "./modelKeys.ts";
import { OPTION_RULES, SAMPLING_ONLY } from "./optionRules.ts";
import type { GenerationOptions } from "./options.ts";
import type { GenerationPlan } from "./plan.ts";

/** A model's own options of generation. */
export interface ModelOptions {
  /** The file, for messages. */
  readonly source: string;
  /** Its parsed JSON; null means unset. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/**
 * The default options in a model's generation_config.json (or in an old config.json). What only sampling reads is passed
 * on unjudged.
 * @throws {ConfigError} for a value out of its range, named by its key in the file
 */
export function generationDefaults({ source, raw }: ModelOptions): GenerationOptions {
  const defaults: Record<string, unknown> = {};
  for (const [key, name] of APPLIED_KEYS) {
    const value = raw[key];
    if (value == null) continue;
    const { holds, must } = OPTION_RULES[name];
    if (!holds(value) && !SAMPLING_ONLY.has(name)) {
      throw new ConfigError(`${source}: ${key} must be ${must}, got ${formatValue(value)}`);
    }
    defaults[name] = value;
  }
  return defaults;
}

/** @throws {ConfigError} for the first key that asks for what generate() cannot do */
export function refuseUnsupported({ source, raw }: ModelOptions, plan: GenerationPlan): void {
  for (const [key, { must, why, applies }] of Object.entries(REFUSED_KEYS)) {
    const value = raw[key];
    if (isUnset(value) || !applies(value, plan)) continue;
    throw new ConfigError(
      `${source}: ${key} must be ${must} (${why}), got ${formatValue(value)}. Remove the key from the file.`,
    );
  }
}

/** What the caller may not expect of the file, one sentence each. */
export function warningsAbout(model: ModelOptions, options: GenerationOptions): string[] {
  return [...unknownKeys(model), ...unexpectedSamples(model, options)];
}

/** Keys that transformers keeps without using them, and so does gradloom. */
function unknownKeys({ source, raw }: ModelOptions): string[] {
  const unknown = Object.keys(raw).filter((key) => raw[key] != null && isUnknownKey(key));
  if (unknown.length === 0) return [];
  return [
    `${source}: ${unknown.join(", ")}: no option of generation that transformers or gradloom knows; not applied.`,
  ];
}

/** Samples that the file alone asks for: two calls give two results. */
function unexpectedSamples({ source, raw }: ModelOptions, options: GenerationOptions): string[] {
  if (raw.do_sample !== true || options.doSample !== undefined || options.seed !== undefined) {
    return [];
  }
  const settings = [...APPLIED_KEYS]
    .filter(([key, name]) => SAMPLING_ONLY.has(name) && raw[key] != null)
    .map(([key]) => `${key} ${formatValue(raw[key])}`);
  const how = settings.length > 0 ? ` with ${settings.join(", ")}` : "";
  return [
    `${source}: do_sample is true, so that every call draws other tokens${how}. ` +
      "Pass a seed to repeat them, or doSample: false for the likeliest.",
  ];
}

function isUnset(value: unknown): boolean {
  return (
    value == null || value === 0 || value === false || (Array.isArray(value) && value.length === 0)
  );
}
