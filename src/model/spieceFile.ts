// tokenizer.json for a folder that has only a spiece.model: the model's pieces, and the special tokens of the files
// beside it.

import { TokenizerError } from "../tensor/errors.ts";
import type { ModelFolder } from "./modelFolder.ts";
import { toTokenizerJson, type SpecialTokens } from "./sentencepiece/toTokenizerJson.ts";
import { describedTokens, mergeConfig, namedToken, specialTokens } from "./tokenizerConfig.ts";

/** What transformers' T5Tokenizer takes where the configuration is silent. */
const T5_DEFAULTS = {
  eos_token: "</s>",
  unk_token: "<unk>",
  pad_token: "<pad>",
  extra_ids: 100,
  tokenizer_class: "T5Tokenizer",
};
const MOST_SENTINELS = 10_000;

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
  const tokens = readTokens(folder.path("tokenizer_config.json"), () =>
    mergeConfig(config, json("special_tokens_map.json"), json("added_tokens.json")),
  );
  const { tokenizer, warnings } = await toTokenizerJson(
    folder.path(file),
    files.get(file)!,
    tokens,
  );
  for (const warning of warnings) console.warn(`warning: ${warning}`);
  const bytes = (value: object) => new TextEncoder().encode(JSON.stringify(value));
  return new Map([
    ["tokenizer.json", bytes(tokenizer)],
    ["tokenizer_config.json", files.get("tokenizer_config.json") ?? bytes(T5_DEFAULTS)],
  ]);
}

function readTokens(path: string, read: () => Readonly<Record<string, unknown>>): SpecialTokens {
  try {
    const given = Object.entries(read()).filter(([, value]) => value !== null);
    const config: Record<string, unknown> = { ...T5_DEFAULTS, ...Object.fromEntries(given) };
    const { extra_ids: sentinels } = config;
    if (!(
      Number.isInteger(sentinels) &&
      Number(sentinels) >= 0 &&
      Number(sentinels) <= MOST_SENTINELS
    )) {
      throw new TokenizerError(
        `extra_ids must be a whole number to ${MOST_SENTINELS}, got ${JSON.stringify(sentinels)}. Correct the file.`,
      );
    }
    return {
      eosToken: namedToken(config, "eos_token")!,
      sentinels: Number(sentinels),
      described: describedTokens(config),
      // Those that the configuration counts and does not list are in the vocabulary, highest first.
      named: specialTokens({ ...config, extra_ids: 0 }),
      prependScheme: prependScheme(config),
    };
  } catch (error) {
    if (!(error instanceof TokenizerError)) throw error;
    throw new TokenizerError(`${path}: ${error.message}`, { cause: error });
  }
}

/** Where a ▁ is put: before every part of a text, before its first, or nowhere. */
function prependScheme(config: Readonly<Record<string, unknown>>): "always" | "first" | "never" {
  if (config["add_prefix_space"] === false) return "never";
  return config["legacy"] === false ? "first" : "always";
}
