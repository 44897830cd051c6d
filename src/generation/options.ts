// Options of generate(): names and defaults of transformers' GenerationConfig (4.57 to 5.17) in camelCase.

import { toSnakeCase } from "../fields/names.ts";
import { checkFields, flag, formatValue, number, whole, type Rule } from "../fields/rules.ts";
import { ArgumentError, ConfigError } from "../tensor/errors.ts";
import type { TokenStreamer } from "./session.ts";

/**
 * transformers' GenerationConfig in camelCase. What is left out comes from the model's generation_config.json, then from
 * the defaults here.
 */
export interface GenerationOptions {
  /** Most tokens to generate, >= 1. Default 20. Goes before `maxLength`. */
  readonly maxNewTokens?: number | undefined;
  /** Greatest decoder length in tokens with the start token, >= 2. */
  readonly maxLength?: number | undefined;
  /** No end token before this many tokens were generated. Default 0. Goes before `minLength`. */
  readonly minNewTokens?: number | undefined;
  /** No end token while the decoder length, start token included, is below this. */
  readonly minLength?: number | undefined;
  /** Beams per item, 1 to 4096; 1 (the default) is greedy search, or sampling. */
  readonly numBeams?: number | undefined;
  /** Beam scores are log-probabilities divided by (generated length) ** lengthPenalty. Default 1. */
  readonly lengthPenalty?: number | undefined;
  /**
   * When beam search stops: true as soon as numBeams sequences have ended; false (the default) when the
   * best running beam would not improve on them now; "never" when it could not at any length.
   */
  readonly earlyStopping?: boolean | "never" | undefined;
  /** Sequences returned per item: at most numBeams, or up to 4096 when sampling without beams. Default 1. */
  readonly numReturnSequences?: number | undefined;
  /** Draw tokens at random instead of taking the likeliest. Default false. */
  readonly doSample?: boolean | undefined;
  /** Sampling only: divides the logits, > 0. Default 1. */
  readonly temperature?: number | undefined;
  /** Sampling only: keep the k likeliest tokens (ties too); 0 keeps all. Default 50. */
  readonly topK?: number | undefined;
  /** Sampling only: keep the likeliest tokens that together reach this probability, in (0, 1]. Default 1. */
  readonly topP?: number | undefined;
  /** Makes tokens already in the decoder sequence less likely when > 1. Default 1. */
  readonly repetitionPenalty?: number | undefined;
  /** No n tokens in a row occur twice in the decoder sequence; 0 (the default) is off. */
  readonly noRepeatNgramSize?: number | undefined;
  /** Seed of the draws, an integer >= 0. Without one every call draws anew. */
  readonly seed?: number | undefined;
  /** Receives tokens as they are chosen; not with beams. */
  readonly streamer?: TokenStreamer | ((tokens: number[]) => unknown) | undefined;
  /** Aborting it rejects generate() with the signal's reason, at the next token. */
  readonly signal?: AbortSignal | undefined;
  /** Return `{ sequences, sequencesScores }` instead of the sequences alone. Default false. */
  readonly returnDictInGenerate?: boolean | undefined;
}

/** Options with every default filled in; lengths count the start token. */
export interface GenerationPlan {
  readonly maxLength: number;
  readonly minLength: number;
  readonly numBeams: number;
  readonly lengthPenalty: number;
  readonly earlyStopping: boolean | "never";
  readonly numReturnSequences: number;
  readonly doSample: boolean;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly repetitionPenalty: number;
  readonly noRepeatNgramSize: number;
  readonly seed: number;
  readonly streamer: TokenStreamer | undefined;
  readonly signal: AbortSignal | undefined;
}

type OptionName = keyof GenerationOptions;

const integer = (least: number): Rule => ({
  ...whole(least),
  must: `an integer of at least ${least}`,
});

/**
 * Most rows of an item. Each has a cache, and logits over the vocabulary: 4096 of them are half a gigabyte a step at 32,128
 * words. A file that asks for more is damaged, or means harm.
 */
const MOST_ROWS = 4096;
const rowCount = number(
  `an integer of 1 to ${MOST_ROWS}`,
  (value) => Number.isInteger(value) && value >= 1 && value <= MOST_ROWS,
);

const RULES: Readonly<Record<OptionName, Rule>> = {
  maxNewTokens: integer(1),
  maxLength: integer(2),
  minNewTokens: integer(0),
  minLength: integer(0),
  numBeams: rowCount,
  lengthPenalty: number("a finite number", Number.isFinite),
  earlyStopping: {
    must: 'true, false or "never"',
    holds: (value) => typeof value === "boolean" || value === "never",
  },
  numReturnSequences: rowCount,
  doSample: flag,
  temperature: number("a finite number above 0", (value) => value > 0 && value < Infinity),
  topK: integer(0),
  topP: number("a number in (0, 1]", (value) => value > 0 && value <= 1),
  repetitionPenalty: number("a finite number above 0", (value) => value > 0 && value < Infinity),
  noRepeatNgramSize: integer(0),
  seed: integer(0),
  streamer: {
    must: "a function, or an object with the functions put and end",
    holds: (value) => typeof value === "function" || hasFunctions(value, "put", "end"),
  },
  signal: {
    must: "an AbortSignal",
    holds: (value) => hasFunctions(value, "addEventListener", "throwIfAborted"),
  },
  returnDictInGenerate: flag,
};

/** Options that say how this one call is run, and so never come from a model's files. */
const PER_CALL: ReadonlySet<string> = new Set([
  "seed",
  "streamer",
  "signal",
  "returnDictInGenerate",
]);

/**
 * The default options in a model's generation_config.json (or in an old config.json).
 * @param config its parsed JSON; null means unset, keys that are no generation option are skipped
 * @throws {ConfigError} for a value out of its range, named by its key in the file
 */
export function generationDefaults(config: Readonly<Record<string, unknown>>): GenerationOptions {
  const defaults: Record<string, unknown> = {};
  for (const [name, rule] of Object.entries(RULES)) {
    const key = toSnakeCase(name);
    const value = config[key];
    if (value == null || PER_CALL.has(name)) continue;
    if (!rule.holds(value)) {
      throw new ConfigError(
        `generation_config.json: ${key} must be ${rule.must}, got ${formatValue(value)}`,
      );
    }
    defaults[name] = value;
  }
  return defaults;
}

/**
 * Checks the options of one call and fills in what they leave open, from the model's defaults and then
 * from those of transformers.
 * @throws {ArgumentError} naming the option, its value and what is allowed
 */
export function planGeneration(
  options: GenerationOptions,
  defaults: GenerationOptions = {},
): GenerationPlan {
  checkObject(options);
  checkEach(options);
  const pick = <K extends OptionName>(
    name: K,
    otherwise: Exclude<GenerationOptions[K], undefined>,
  ) => options[name] ?? defaults[name] ?? otherwise;
  const plan: GenerationPlan = {
    maxLength: greatestLength(options) ?? greatestLength(defaults, true) ?? 21,
    minLength: leastLength(options) ?? leastLength(defaults) ?? 0,
    numBeams: pick("numBeams", 1),
    lengthPenalty: pick("lengthPenalty", 1),
    earlyStopping: pick("earlyStopping", false),
    numReturnSequences: pick("numReturnSequences", 1),
    doSample: pick("doSample", false),
    temperature: pick("temperature", 1),
    topK: pick("topK", 50),
    topP: pick("topP", 1),
    repetitionPenalty: pick("repetitionPenalty", 1),
    noRepeatNgramSize: pick("noRepeatNgramSize", 0),
    seed: options.seed ?? Math.floor(Math.random() * Number.MAX_SAFE_INTEGER),
    streamer:
      typeof options.streamer === "function" ? streamTo(options.streamer) : options.streamer,
    signal: options.signal,
  };
  checkTogether(plan);
  return plan;
}

/** Rows that the search keeps for each item of the batch. */
export function rowsPerItem(plan: GenerationPlan): number {
  return Math.max(plan.numBeams, plan.numReturnSequences);
}

function greatestLength(options: GenerationOptions, fromModel = false): number | undefined {
  if (options.maxNewTokens !== undefined) return 1 + options.maxNewTokens;
  // transformers takes a max_length of 20 in a model's files for its own default, "20 new tokens".
  return fromModel && options.maxLength === 20 ? 21 : options.maxLength;
}

function leastLength(options: GenerationOptions): number | undefined {
  return options.minNewTokens === undefined ? options.minLength : 1 + options.minNewTokens;
}

function streamTo(put: TokenStreamer["put"]): TokenStreamer {
  return { put, end: () => undefined };
}

function checkObject(options: unknown): void {
  if (typeof options === "object" && options !== null && !Array.isArray(options)) return;
  throw new ArgumentError(
    `generate: options must be an object as { numBeams: 4 }, got ${formatValue(options)}. Leave them out for the model's own.`,
  );
}

function checkEach(options: GenerationOptions): void {
  checkFields(options, RULES, {
    unknown: (name, hint) => new ArgumentError(`generate: unknown option ${name}. ${hint}`),
    wrong: (name, must, value) =>
      new ArgumentError(`generate: ${name} must be ${must}, got ${formatValue(value)}`),
  });
}

function checkTogether(plan: GenerationPlan): void {
  const { numBeams, numReturnSequences, minLength, maxLength } = plan;
  if (minLength > maxLength) {
    throw new ArgumentError(
      `generate: minNewTokens must be at most maxNewTokens (${maxLength - 1}), got ${minLength - 1}. ` +
        "Raise maxNewTokens.",
    );
  }
  if (numBeams > 1 && numReturnSequences > numBeams) {
    throw new ArgumentError(
      `generate: numReturnSequences must be at most numBeams (${numBeams}), got ${numReturnSequences}`,
    );
  }
  if (numBeams === 1 && numReturnSequences > 1 && !plan.doSample) {
    throw new ArgumentError(
      `generate: numReturnSequences must be 1 for greedy search, got ${numReturnSequences}. ` +
        `Set numBeams to at least ${numReturnSequences}, or doSample to true.`,
    );
  }
  if (numBeams > 1 && plan.streamer !== undefined) {
    throw new ArgumentError(
      `generate: numBeams must be 1 with a streamer, got ${numBeams}. Beams change their past as they go.`,
    );
  }
}

function hasFunctions(value: unknown, ...names: string[]): boolean {
  if (typeof value !== "object" || value === null) return false;
  return names.every((name) => typeof Reflect.get(value, name) === "function");
}
