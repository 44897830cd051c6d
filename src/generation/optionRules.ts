// What each option of generate() must be.

import { flag, number, whole, type Rule } from "../fields/rules.ts";
import type { OptionName } from "./options.ts";

const integer = (least: number): Rule => ({
  ...whole(least),
  must: `an integer of at least ${least}`,
});

/**
 * Most beams, and most sequences, of an item. Each has a cache, and logits over the vocabulary: 4096 of them are half a gigabyte
 * a step at 32,128 words. A file that asks for more is damaged, or means harm.
 */
const [MOST_BEAMS, MOST_SEQUENCES] = [4096, 16_384];
const rowCount = (most: number): Rule =>
  number(
    `an integer of 1 to ${most}`,
    (value) => Number.isInteger(value) && value >= 1 && value <= most,
  );

const positive = number("a finite number above 0", (value) => value > 0);
const aboveZeroUpTo1 = number("a number in (0, 1]", (value) => value > 0 && value <= 1);
const below1 = number("a number in [0, 1)", (value) => value >= 0 && value < 1);

const isId = whole(0).holds;

const ids: Rule = { must: "a list of token ids", holds: isIds };

export const OPTION_RULES: Readonly<Record<OptionName, Rule>> = {
  maxNewTokens: integer(1),
  maxLength: integer(2),
  minNewTokens: integer(0),
  minLength: integer(0),
  numBeams: rowCount(MOST_BEAMS),
  lengthPenalty: number("a finite number", Number.isFinite),
  earlyStopping: {
    must: 'true, false or "never"',
    holds: (value) => typeof value === "boolean" || value === "never",
  },
  numReturnSequences: rowCount(MOST_SEQUENCES),
  doSample: flag,
  temperature: positive,
  topK: integer(0),
  topP: aboveZeroUpTo1,
  minP: orNull(number("a number in [0, 1]", (value) => value >= 0 && value <= 1)),
  typicalP: aboveZeroUpTo1,
  topH: orNull(aboveZeroUpTo1),
  epsilonCutoff: below1,
  etaCutoff: below1,
  repetitionPenalty: positive,
  noRepeatNgramSize: integer(0),
  encoderRepetitionPenalty: positive,
  encoderNoRepeatNgramSize: integer(0),
  badWordsIds: {
    must: "a list of lists of token ids, none of them empty",
    holds: (value) => Array.isArray(value) && value.every(isSequence),
  },
  sequenceBias: {
    must: "a list of pairs [token ids, finite number], the ids not empty",
    holds: (value) => Array.isArray(value) && value.every(isBias),
  },
  suppressTokens: ids,
  beginSuppressTokens: ids,
  forcedBosTokenId: orNull({ must: "a token id", holds: isId }),
  forcedEosTokenId: orNull({
    must: "a token id or a list of them",
    holds: (value) => isId(value) || isSequence(value),
  }),
  exponentialDecayLengthPenalty: orNull({
    must: "a pair of a whole number of at least 0 and a number above 0",
    holds: (value) => isPair(value) && isId(value[0]) && positive.holds(value[1]),
  }),
  removeInvalidValues: flag,
  renormalizeLogits: flag,
  maxTime: orNull(positive),
  prefixAllowedTokensFn: {
    must: "a function",
    holds: (value) => typeof value === "function",
  },
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
export const PER_CALL: ReadonlySet<OptionName> = new Set<OptionName>([
  "prefixAllowedTokensFn",
  "seed",
  "streamer",
  "signal",
  "returnDictInGenerate",
]);

/** Options that nothing but sampling reads: their values are judged when it happens, as in transformers. */
export const SAMPLING_ONLY: ReadonlySet<OptionName> = new Set<OptionName>([
  "temperature",
  "topH",
  "topK",
  "topP",
  "minP",
  "typicalP",
  "epsilonCutoff",
  "etaCutoff",
]);

function orNull(rule: Rule): Rule {
  return { must: rule.must, holds: (value) => value === null || rule.holds(value) };
}

function isIds(value: unknown): boolean {
  return Array.isArray(value) && value.every(isId);
}

function isSequence(value: unknown): boolean {
  return isIds(value) && (value as unknown[]).length > 0;
}

function isPair(value: unknown): value is [unknown, unknown] {
  return Array.isArray(value) && value.length === 2;
}

function isBias(value: unknown): boolean {
  return isPair(value) && isSequence(value[0]) && Number.isFinite(value[1]);
}

function hasFunctions(value: unknown, ...names: string[]): boolean {
  if (typeof value !== "object" || value === null) return false;
  return names.every((name) => typeof Reflect.get(value, name) === "function");
}
