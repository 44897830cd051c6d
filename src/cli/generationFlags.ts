// The flags that say how summaries are generated: options of generate(), by transformers' names.

import { InvalidArgumentError, type Option } from "commander";
import { toKebabCase } from "../fields/names.ts";
import { readJson } from "../fields/rules.ts";
import { OPTION_RULES } from "../generation/optionRules.ts";
import type { GenerationOptions } from "../generation/options.ts";
import { valueOption } from "./options.ts";

/** The options that are flags, with their help. */
const HELP = {
  numBeams: "beams; 1 is greedy (default: the model's)",
  minNewTokens: "no end before so many tokens",
  minLength: "the same with the start token",
  lengthPenalty: "beams: scores are divided by (length) ** this",
  earlyStopping: 'beams: true, false or "never"',
  noRepeatNgramSize: "no n tokens in a row twice; 0 is off",
  encoderNoRepeatNgramSize: "no n tokens in a row of the input; 0 is off",
  repetitionPenalty: "above 1, tokens that are there already are less likely",
  doSample: "draw tokens at random",
  temperature: "with --do-sample: divides the logits",
  topK: "with --do-sample: of the k likeliest tokens; 0 for all",
  topP: "with --do-sample: of the likeliest tokens that reach this probability",
  minP: "with --do-sample: of tokens with at least this share of the likeliest one's probability",
  typicalP: "with --do-sample: locally typical sampling",
} as const satisfies Partial<Record<keyof GenerationOptions, string>>;

type Name = keyof typeof HELP;
const NAMES = Object.keys(HELP) as Name[];
const SWITCHES: ReadonlySet<Name> = new Set(["doSample", "earlyStopping"]);

/** What the flags below set, as commander files it. */
export type GenerationFlags = { readonly [K in Name]?: GenerationOptions[K] };

/** --num-beams <value> and so on. */
export function generationOptions(): Option[] {
  return NAMES.map((name) => {
    const value = SWITCHES.has(name) ? "[true|false]" : "<value>";
    return valueOption(`--${toKebabCase(name)} ${value}`, HELP[name])
      .argParser((text: string) => read(name, text))
      .helpGroup("Generation (transformers' GenerationConfig):");
  });
}

/** The options among a command's flags; those that were not given are left out. */
export function givenGeneration(flags: GenerationFlags): GenerationOptions {
  const given = NAMES.filter((name) => flags[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, flags[name]]));
}

/** Rules of null and true have no reader of their own. */
function read(name: Name, text: string): unknown {
  const { must, holds } = OPTION_RULES[name];
  const number = text.trim() === "" ? NaN : Number(text);
  const value = [number, readJson(text)].find((each) => holds(each));
  if (value !== undefined) return value;
  throw new InvalidArgumentError(`It must be ${must}.`);
}
