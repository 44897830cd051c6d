// tokenizer_config.json, special_tokens_map.json and added_tokens.json, as transformers 5.17 takes them.

import { TokenizerError } from "../tensor/errors.ts";
import { readAddedToken, type AddedToken } from "./tokenization/addedTokens.ts";
import { isRecord, shorten } from "./tokenization/description.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Special tokens with a name of their own, in transformers' order. */
export const NAMED_TOKENS = [
  ...["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"],
] as const;

/** Those that a model is asked for; the vocabulary must have them. */
const ESSENTIAL_TOKENS = ["eos_token", "unk_token", "pad_token"];

/** Configurations say 1e30 for "no limit"; transformers takes everything above this for it. */
const NO_LIMIT = 1e20;

/** Classes of tokenizer that know nothing of sentinels. */
const GENERIC_CLASSES = ["PreTrainedTokenizerFast", "TokenizersBackend", "PreTrainedTokenizer"];

/** Keys of tokenizer_config.json that change what is computed. */
export const APPLIED_KEYS: readonly string[] = [
  ...NAMED_TOKENS,
  ...["added_tokens_decoder", "additional_special_tokens", "extra_special_tokens", "extra_ids"],
  ...["clean_up_tokenization_spaces", "model_max_length", "max_len"],
  ...["padding_side", "truncation_side", "tokenizer_class"],
];

/**
 * One configuration of the three files. As in transformers, special_tokens_map.json and added_tokens.json count only
 * beside a tokenizer_config.json without added_tokens_decoder; then they come before it.
 */
export function mergeConfig(config: Fields, map: Fields, added: Fields): Fields {
  if (isRecord(config["added_tokens_decoder"])) return config;
  const merged: Fields = { ...config, ...map };
  const special = new Set(specialTokens(merged).map(({ content }) => content));
  const tokens = Object.entries(added).map(([content, id]): [string, unknown] => {
    if (typeof id !== "number") {
      throw new TokenizerError(`added_tokens.json: ids must be numbers, got ${shorten(id)}`);
    }
    return [String(id), { content, special: special.has(content) }];
  });
  return tokens.length === 0
    ? merged
    : { ...merged, added_tokens_decoder: Object.fromEntries(tokens) };
}

/** The text of a special token that the configuration names, for example of `eos_token`. */
export function namedToken(config: Fields, key: string): string | undefined {
  const value = config[key];
  if (value === undefined || value === null) return undefined;
  return readAddedToken(key, value, true).content;
}

/**
 * Tokens that a configuration adds to those of tokenizer.json, in transformers' order. A token of
 * added_tokens_decoder replaces one with other flags; special tokens that are there already stay as they are.
 * @param own tokens of tokenizer.json
 * @param isPiece whether the vocabulary has a text
 * @throws {TokenizerError} for tokens that cannot be read
 */
export function configuredTokens(
  own: readonly AddedToken[],
  config: Fields,
  isPiece: (text: string) => boolean,
): AddedToken[] {
  const decoder = readDecoder(config["added_tokens_decoder"]);
  const known = new Set([...own, ...decoder].map(({ content }) => content));
  const essential = ESSENTIAL_TOKENS.map((key) => namedToken(config, key));
  const result = [...decoder];
  for (const token of specialTokens(config)) {
    // Without a row of the model's own, an end token that is new would never be generated.
    if (essential.includes(token.content) && !isPiece(token.content)) continue;
    if (!known.has(token.content)) result.push(token);
    known.add(token.content);
  }
  return result;
}

function readDecoder(decoder: unknown): AddedToken[] {
  if (decoder === undefined || decoder === null) return [];
  if (!isRecord(decoder)) {
    throw new TokenizerError(`added_tokens_decoder must be an object, got ${shorten(decoder)}`);
  }
  return Object.entries(decoder)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, token]) => readAddedToken("added_tokens_decoder", token));
}

/** Special tokens with a name, also a name that only this model has (`sep2_token`), and the list of others. */
function specialTokens(config: Fields): AddedToken[] {
  const names: readonly string[] = NAMED_TOKENS;
  const further = Object.keys(config).filter(
    (key) => key.endsWith("_token") && !names.includes(key) && isToken(config[key]),
  );
  const named = [...names, ...further]
    .filter((key) => config[key] !== undefined && config[key] !== null)
    .map((key) => ({ ...readAddedToken(key, config[key], true), special: true }));
  const others = extraTokens(config).map((token) =>
    readAddedToken("additional_special_tokens", token, typeof token === "string"),
  );
  return [...named, ...others];
}

/** add_bos_token and the like are true or false, no tokens. */
function isToken(value: unknown): boolean {
  return typeof value === "string" || (isRecord(value) && "content" in value);
}

function extraTokens(config: Fields): readonly unknown[] {
  const { additional_special_tokens: additional, extra_special_tokens: extra } = config;
  const listed = [additional, extra].flatMap((tokens): unknown[] => {
    if (tokens === undefined || tokens === null) return [];
    if (Array.isArray(tokens)) return tokens;
    if (isRecord(tokens)) return Object.values(tokens);
    throw new TokenizerError(
      `additional_special_tokens must be a list of tokens, got ${shorten(tokens)}`,
    );
  });
  return [...listed, ...sentinels(config, listed)];
}

/** T5's <extra_id_0> and so on, where the file says how many there are and does not list them. */
function sentinels(config: Fields, listed: readonly unknown[]): string[] {
  const { extra_ids: count, tokenizer_class: name } = config;
  if (count === undefined || count === null || GENERIC_CLASSES.includes(String(name))) return [];
  if (!(Number.isInteger(count) && (count as number) >= 0 && (count as number) <= 10_000)) {
    throw new TokenizerError(`extra_ids must be a whole number to 10000, got ${shorten(count)}`);
  }
  const present = listed.filter((token) => shorten(token).includes("<extra_id_")).length;
  if (present > 0 && count !== 0 && present !== count) {
    throw new TokenizerError(
      `extra_ids must be the number of <extra_id_...> in additional_special_tokens (${present}), got ${shorten(count)}. Correct tokenizer_config.json.`,
    );
  }
  return present > 0 ? [] : Array.from({ length: count as number }, (_, i) => `<extra_id_${i}>`);
}

/**
 * The limit in tokens; Infinity where the file has none.
 * @throws {TokenizerError} for a limit that is no whole number
 */
export function readMaxLength(config: Fields): number {
  const length = config["model_max_length"] ?? config["max_len"] ?? Infinity;
  if (typeof length === "number" && length > NO_LIMIT) return Infinity;
  if (typeof length === "number" && Number.isInteger(length) && length > 0) return length;
  throw new TokenizerError(
    `model_max_length must be a positive whole number or null, got ${JSON.stringify(length)}. Correct the file.`,
  );
}

/**
 * On which side rows are padded or cut; tokenizer.json's own padding and truncation speak where the configuration
 * is silent.
 * @throws {TokenizerError} for a side that is neither
 */
export function readSide(
  config: Fields,
  key: "padding_side" | "truncation_side",
  own: unknown,
): "left" | "right" {
  const direction = isRecord(own) && typeof own["direction"] === "string" ? own["direction"] : null;
  const side = config[key] ?? direction?.toLowerCase() ?? "right";
  if (side === "left" || side === "right") return side;
  throw new TokenizerError(`${key} must be left or right, got ${shorten(side)}. Correct the file.`);
}
