// From the options of one call and the model's own to the plan that the searches follow.

import { checkFields, formatValue, type Rule } from "../fields/rules.ts";
import { toSnakeCase } from "../fields/names.ts";
import { ArgumentError, ConfigError } from "../tensor/errors.ts";
import { OPTION_RULES, SAMPLING_ONLY } from "./optionRules.ts";
import type { GenerationOptions, OptionName } from "./options.ts";
import type { TokenStreamer } from "./session.ts";

const anything: Rule = { must: "anything", holds: () => true };

const ALWAYS_JUDGED: Readonly<Record<OptionName, Rule>> = {
  ...OPTION_RULES,
  ...Object.fromEntries(Array.from(SAMPLING_ONLY, (name) => [name, anything])),
};

/** Value of an option that is always there. */
type Filled<K extends OptionName> = Exclude<GenerationOptions[K], undefined>;

type FilledOptions = {
  readonly [
    K in Exclude<
      OptionName,
      | "maxNewTokens"
      | "minNewTokens"
      | "forcedEosTokenId"
      | "prefixAllowedTokensFn"
      | "streamer"
      | "signal"
      | "returnDictInGenerate"
    >
  ]: Filled<K>;
};

/** Options with every default filled in; lengths count the start token. */
export interface GenerationPlan extends FilledOptions {
  /** Empty for any. */
  readonly forcedEosTokenIds: readonly number[];
  readonly prefixAllowedTokensFn: GenerationOptions["prefixAllowedTokensFn"];
  readonly streamer: TokenStreamer | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Checks the options of one call and fills in what they leave open, from the model's defaults and then
 * from those of transformers.
 * @param source the file of the defaults, for messages
 * @throws {ArgumentError} naming the option, its value and what is allowed
 * @throws {ConfigError} for a default of the model that only sampling reads, when it is out of range and samples are drawn
 */
export function planGeneration(
  options: GenerationOptions,
  defaults: GenerationOptions = {},
  source = "generation_config.json",
): GenerationPlan {
  const pick = <K extends OptionName>(name: K, otherwise: Filled<K>): Filled<K> => {
    const value = options[name] === undefined ? defaults[name] : options[name];
    return (value ?? otherwise) as Filled<K>;
  };
  checkObject(options);
  checkEach(options);
  const doSample = pick("doSample", false);
  if (doSample) checkSampling(options, defaults, source);
  const forcedEos = pick("forcedEosTokenId", null);
  const plan: GenerationPlan = {
    maxLength: greatestLength(options) ?? greatestLength(defaults, true) ?? 21,
    minLength: leastLength(options) ?? leastLength(defaults) ?? 0,
    maxTime: pick("maxTime", null),
    numBeams: pick("numBeams", 1),
    lengthPenalty: pick("lengthPenalty", 1),
    earlyStopping: pick("earlyStopping", false),
    numReturnSequences: pick("numReturnSequences", 1),
    doSample,
    temperature: pick("temperature", 1),
    topH: pick("topH", null),
    topK: pick("topK", 50),
    topP: pick("topP", 1),
    minP: pick("minP", null),
    typicalP: pick("typicalP", 1),
    epsilonCutoff: pick("epsilonCutoff", 0),
    etaCutoff: pick("etaCutoff", 0),
    sequenceBias: pick("sequenceBias", []),
    encoderRepetitionPenalty: pick("encoderRepetitionPenalty", 1),
    repetitionPenalty: pick("repetitionPenalty", 1),
    noRepeatNgramSize: pick("noRepeatNgramSize", 0),
    encoderNoRepeatNgramSize: pick("encoderNoRepeatNgramSize", 0),
    badWordsIds: pick("badWordsIds", []),
    prefixAllowedTokensFn: options.prefixAllowedTokensFn,
    forcedBosTokenId: pick("forcedBosTokenId", null),
    forcedEosTokenIds: forcedEos === null ? [] : [forcedEos].flat(),
    removeInvalidValues: pick("removeInvalidValues", false),
    exponentialDecayLengthPenalty: pick("exponentialDecayLengthPenalty", null),
    suppressTokens: pick("suppressTokens", []),
    beginSuppressTokens: pick("beginSuppressTokens", []),
    renormalizeLogits: pick("renormalizeLogits", false),
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

/** What of a plan can be carried out, but not as its author meant; one sentence each. */
export function warningsOf({ minLength, maxLength }: GenerationPlan): string[] {
  if (minLength <= maxLength) return [];
  return [
    `generate: the least length of ${minLength} tokens (with the start token) is above the greatest length of ${maxLength}, ` +
      "where sequences stop, without an end token. Lower minNewTokens or minLength (min_length in the model's files), or " +
      "raise maxNewTokens.",
  ];
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

/** All but what only sampling reads. */
function checkEach(options: GenerationOptions): void {
  checkFields(options, ALWAYS_JUDGED, {
    unknown: (name, hint) => new ArgumentError(`generate: unknown option ${name}. ${hint}`),
    wrong: wrongOption,
  });
}

function checkSampling(
  options: GenerationOptions,
  defaults: GenerationOptions,
  source: string,
): void {
  for (const name of SAMPLING_ONLY) {
    const { holds, must } = OPTION_RULES[name];
    if (options[name] !== undefined) {
      if (!holds(options[name])) throw wrongOption(name, must, options[name]);
    } else if (defaults[name] !== undefined && !holds(defaults[name])) {
      throw new ConfigError(
        `${source}: ${toSnakeCase(name)} must be ${must} when samples are drawn, got ${formatValue(defaults[name])}. ` +
          `Correct the file, or pass ${name}.`,
      );
    }
  }
}

function wrongOption(name: OptionName, must: string, value: unknown): ArgumentError {
  return new ArgumentError(`generate: ${name} must be ${must}, got ${formatValue(value)}`);
}

function checkTogether(plan: GenerationPlan): void {
  const { numBeams, numReturnSequences } = plan;
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
  checkForced("forcedBosTokenId", [plan.forcedBosTokenId ?? []].flat(), plan);
  checkForced("forcedEosTokenId", plan.forcedEosTokenIds, plan);
}

function checkForced(
  name: OptionName,
  forced: readonly number[],
  { suppressTokens }: GenerationPlan,
): void {
  if (forced.length === 0 || forced.some((id) => !suppressTokens.includes(id))) return;
  throw new ArgumentError(
    `generate: ${name} must be a token that suppressTokens leaves, got ${forced.join(", ")}. ` +
      "Take it out of suppressTokens; against early ends there is minNewTokens.",
  );
}
