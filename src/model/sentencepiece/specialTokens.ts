// The special tokens that tokenizer_config.json and the files beside it give T5's tokenizer, as transformers' T5Tokenizer
// takes them when it has no tokenizer.json.

import { TokenizerError } from "../../tensor/errors.ts";

type Json = Readonly<Record<string, unknown>>;

/** A token that is found in the text before SentencePiece sees it, as tokenizer.json writes it, without the id. */
export interface AddedToken {
  readonly content: string;
  readonly single_word: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly normalized: boolean;
  readonly special: boolean;
}

/** The content of the tokenizer's small files; empty where a file is not there. */
export interface TokenizerConfigs {
  /** tokenizer_config.json */
  readonly config: Json;
  /** special_tokens_map.json */
  readonly map: Json;
  /** added_tokens.json: ids by token. */
  readonly added: Json;
}

export interface SpecialTokens {
  readonly eosToken: AddedToken;
  /** <extra_id_99> first: the order of their ids. */
  readonly sentinels: readonly AddedToken[];
  /** Tokens with flags of their own, which replace those of the model's pieces. */
  readonly described: readonly AddedToken[];
  /** Tokens that must exist; those that do get no other flags. In the order in which new ones get their ids. */
  readonly named: readonly AddedToken[];
}

/** T5's own names; the order is that of transformers, in which new tokens get their ids. */
const NAMES: readonly (readonly [key: string, usual: string | null])[] = [
  ["bos_token", null],
  ["eos_token", "</s>"],
  ["unk_token", "<unk>"],
  ["sep_token", null],
  ["pad_token", "<pad>"],
  ["cls_token", null],
  ["mask_token", null],
];
const SENTINELS = 100;
/** More than any model has, and few enough that a slip of the pen does not fill the memory. */
const MOST_SENTINELS = 100_000;

/**
 * @param path name of a file, for messages
 * @throws {TokenizerError} for a token or a number of sentinels that cannot be used
 */
export function readSpecialTokens(
  path: (file: string) => string,
  { config, map, added }: TokenizerConfigs,
): SpecialTokens {
  const token = (value: unknown, key: string): AddedToken =>
    readToken(value, `${path("tokenizer_config.json")}: ${key}`);
  const chosen = (key: string) => config[key] ?? map[key];
  const named = NAMES.flatMap(([key, usual]) => {
    const value = chosen(key) ?? usual;
    return value === null ? [] : [token(value, key)];
  });
  const eosToken = token(chosen("eos_token") ?? "</s>", "eos_token");
  const more = ["additional_special_tokens", "extra_special_tokens"].flatMap((key) =>
    listOf(chosen(key), `${path("tokenizer_config.json")}: ${key}`).map((each) => token(each, key)),
  );
  const isSpecial = new Set([...named, ...more].map(({ content }) => content));
  const described = Object.hasOwn(config, "added_tokens_decoder")
    ? readDecoder(config["added_tokens_decoder"], path("tokenizer_config.json"))
    : readAddedTokens(added, path("added_tokens.json"), isSpecial);
  const count = readSentinels(config["extra_ids"], path("tokenizer_config.json"));
  const sentinels = Array.from({ length: count }, (_, i) =>
    addedToken(`<extra_id_${count - 1 - i}>`, {}, true),
  );
  return { eosToken, sentinels, described, named: [...named, ...more] };
}

export function addedToken(content: string, flags: Json, special: boolean): AddedToken {
  const isSpecial = flag(flags["special"], special);
  return {
    content,
    single_word: flag(flags["single_word"], false),
    lstrip: flag(flags["lstrip"], false),
    rstrip: flag(flags["rstrip"], false),
    normalized: flag(flags["normalized"], !isSpecial),
    special: isSpecial,
  };
}

const flag = (value: unknown, fallback: boolean) => (typeof value === "boolean" ? value : fallback);

/** A text, or an object with the text as content and flags. */
function readToken(value: unknown, what: string, special = true): AddedToken {
  const flags = isObject(value) ? value : {};
  const content = isObject(value) ? value["content"] : value;
  if (typeof content === "string" && content !== "") return addedToken(content, flags, special);
  throw new TokenizerError(
    `${what} must be a token (a text, or an object with its content), got ${JSON.stringify(value)}. Correct the file.`,
  );
}

/** A list, or the values of an object that names them. */
function listOf(value: unknown, what: string): readonly unknown[] {
  if (value == null) return [];
  if (Array.isArray(value)) return value;
  if (isObject(value)) return Object.values(value);
  throw new TokenizerError(
    `${what} must be a list of tokens, got ${JSON.stringify(value)}. Correct the file.`,
  );
}

function readDecoder(value: unknown, file: string): AddedToken[] {
  if (value == null) return [];
  const what = `${file}: added_tokens_decoder`;
  if (!isObject(value)) {
    throw new TokenizerError(
      `${what} must be an object of tokens by id, got ${JSON.stringify(value)}. Correct the file.`,
    );
  }
  const entries = Object.entries(value).sort(([a], [b]) => Number(a) - Number(b));
  return entries.map(([id, each]) => readToken(each, `${what}: ${id}`, false));
}

/** added_tokens.json, which older versions of transformers wrote. */
function readAddedTokens(ids: Json, file: string, isSpecial: ReadonlySet<string>): AddedToken[] {
  const entries = Object.entries(ids).sort(([, a], [, b]) => Number(a) - Number(b));
  return entries.map(([content]) =>
    readToken(content, `${file}: each key`, isSpecial.has(content)),
  );
}

function readSentinels(value: unknown, file: string): number {
  const count = value ?? SENTINELS;
  if (Number.isInteger(count) && Number(count) >= 0 && Number(count) <= MOST_SENTINELS) {
    return Number(count);
  }
  throw new TokenizerError(
    `${file}: extra_ids must be a whole number from 0 to ${MOST_SENTINELS}, got ${JSON.stringify(value)}. Correct the file.`,
  );
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
