// LoRA on the command line: the flags that train an adapter, and the one that uses it.

import { Option } from "commander";
import { mergeLora } from "../t5/lora/adapter.ts";
import { LoraConfig } from "../t5/lora/config.ts";
import { T5ForConditionalGeneration, type PretrainedOptions } from "../t5/model.ts";
import { number, wholeNumber } from "./options.ts";

export interface LoraFlags {
  readonly lora: boolean;
  readonly loraR?: number;
  readonly loraAlpha?: number;
  readonly loraDropout?: number;
  readonly loraTargetModules?: string | readonly string[];
}

/** --lora and its values; each of those switches LoRA on too. */
export function loraOptions(): Option[] {
  return [
    new Option(
      "--lora",
      "train a low-rank adapter and leave the model as it is (docs/guide/lora.md)",
    ).default(false),
    new Option("--lora-r <n>", "rank of the adapter (default: 8)").argParser(wholeNumber(1)),
    new Option("--lora-alpha <x>", "its output is multiplied by alpha / r (default: 8)").argParser(
      number(0),
    ),
    new Option("--lora-dropout <p>", "dropout of its input (default: 0)").argParser(number(0)),
    new Option(
      "--lora-target-modules <names>",
      "layers that get one, with commas between, or all-linear (default: q,v)",
    ).argParser(targetNames),
  ].map((option) => option.helpGroup("LoRA:"));
}

export const adapterOption = (): Option =>
  new Option("--adapter <folder>", "LoRA adapter for the model, ours or peft's");

/**
 * The adapter that the flags ask for, or null.
 * @throws {ArgumentError} for a value out of its range
 */
export function loraConfigOf(flags: LoraFlags): LoraConfig | null {
  const { loraR, loraAlpha, loraDropout, loraTargetModules } = flags;
  const values = { r: loraR, loraAlpha, loraDropout, targetModules: loraTargetModules };
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  return flags.lora || given.length > 0 ? new LoraConfig(Object.fromEntries(given)) : null;
}

/** A model for generation only: an adapter becomes part of its weights, which costs nothing at each token. */
export async function loadForGeneration(
  folder: string,
  options: PretrainedOptions,
): Promise<T5ForConditionalGeneration> {
  const model = await T5ForConditionalGeneration.fromPretrained(folder, options);
  if (model.lora) mergeLora(model, { unload: true });
  return model;
}

/** The notebook's three lines on how much of a model is trained. */
export function parameterLines(trainable: number, all: number): string[] {
  return [
    `trainable model parameters: ${trainable}`,
    `all model parameters: ${all}`,
    `percentage of trainable model parameters: ${((100 * trainable) / all).toFixed(2)}%`,
  ];
}

function targetNames(text: string): string | readonly string[] {
  const names = text.split(",").map((name) => name.trim());
  return names.length === 1 && names[0] === "all-linear" ? "all-linear" : names;
}
