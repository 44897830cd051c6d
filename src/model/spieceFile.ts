// tokenizer.json for a folder that has only a spiece.model: the model's pieces, and the special tokens of the files
// beside it.

import { TokenizerError } from "../tensor/errors.ts";
import type { ModelFolder } from "./modelFolder.ts";
import { toTokenizerJson, type SpecialTokens } from "./sentencepiece/toTokenizerJson.ts";
import { describedTokens, mergeConfig, namedToken, specialTokens } from "./tokenizerConfig.ts";
import { warn } from "../tensor/warnings.ts";

/** What transformers' T5Tokenizer takes where the configuration is silent. */
const T5_DEFAULTS = {
  eos_token: "</s>",
  unk_token: "<unk>",
  pad_token: "<pad>",
  tokenizer_class: "T5Tokenizer",
};
const MOST_SENTINELS = 10_000;

type Fields = Readonly<Record<string, unknown>>;

/**
 * tokenizer.json and, where there is none, tokenizer_config.json, by name. What of the model is left out goes to stderr.
 * @param file name of the SentencePiece model
 * @param files the model's bytes and those of the files beside it
 * @throws {TokenizerError} for a model or a configuration that cannot be used
 */
export async function convertSpiece(
  folder: ModelFolder,
  file: string,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<Map<string, Uint8Array>> {
  const json = (name: string) => (files.has(name) ? folder.parse(name, files.get(name)!) : {});
  const config = json("tokenizer_config.json");
  const [map, added] = [json("special_tokens_map.json"), json("added_tokens.json")];
  const tokens = readTokens(folder.path("tokenizer_config.json"), config, map, added);
  const converted = await toTokenizerJson(folder.path(file), files.get(file)!, tokens);
  for (const warning of converted.warnings) warn(warning);
  const written = { ...T5_DEFAULTS, extra_ids: converted.sentinels };
  const bytes = (value: object) => new TextEncoder().encode(JSON.stringify(value));
  return new Map([
    ["tokenizer.json", bytes(converted.tokenizer)],
    ["tokenizer_config.json", files.get("tokenizer_config.json") ?? bytes(written)],
  ]);
}

function readTokens(path: string, ...files: readonly [Fields, Fields, Fields]): SpecialTokens {
  try {
    const given = Object.entries(mergeConfig(...files)).filter(([, value]) => value !== null);
    const config: Fields = { ...T5_DEFAULTS, ...Object.fromEntries(given) };
    return {
      eosToken: namedToken(config, "eos_token")!,
      sentinels: readSentinels(config["extra_ids"]),
      described: describedTokens(config),
      // Those that the configuration only counts are in the vocabulary, the highest first.
      named: specialTokens({ ...config, extra_ids: 0 }),
      prependScheme: prependScheme(config),
    };
  } catch (error) {
    if (!(error instanceof TokenizerError)) throw error;
    throw new TokenizerError(`${path}: ${error.message}`, { cause: error });
  }
}

function readSentinels(count: unknown): number | undefined {
  if (count === undefined) return undefined;
  const isCount = Number.isInteger(count) && Number(count) >= 0 && Number(count) <= MOST_SENTINELS;
  if (isCount) return Number(count);
  throw new TokenizerError(
    `extra_ids must be a whole number to ${MOST_SENTINELS}, got ${JSON.stringify(count)}. Correct the file.`,
  );
}

/** Where a ▁ is put: before every part of a text, before its first, or nowhere. */
function prependScheme(config: Fields): "always" | "first" | "never" {
  if (config["add_prefix_space"] === false) return "never";
  return config["legacy"] === false ? "first" : "always";
}
