// The pipeline of tokenizer.json: added tokens, normaliser, pre-tokeniser, vocabulary model, post-processor, decoder.
// The ids are those of the Rust tokenizers; a kind of stage that is not applied is refused by name.

import { TokenizerError } from "../tensor/errors.ts";
import { AddedTokens, readAddedToken, type AddedToken } from "./tokenization/addedTokens.ts";
import { buildDecoder } from "./tokenization/decoders.ts";
import { describe, shorten } from "./tokenization/description.ts";
import { buildModel } from "./tokenization/models.ts";
import { buildNormalizer } from "./tokenization/normalizers.ts";
import { buildPreTokenizer, type PreTokenizer } from "./tokenization/preTokenizers.ts";
import { readSuffix } from "./tokenization/template.ts";
import type { VocabularyModel } from "./tokenization/unigram.ts";
import { configuredTokens } from "./tokenizerConfig.ts";

/** Text to ids and back, without truncation and padding. */
export interface Pipeline {
  /** Ids are below this. */
  readonly vocabSize: number;
  /** Ids that the post-processor appends to every text. */
  readonly suffix: readonly number[];
  readonly specialIds: ReadonlySet<number>;
  /** @param options add_special_tokens (default true) appends the suffix */
  encode(text: string, options?: { readonly add_special_tokens: boolean }): { ids: number[] };
  /** Ids must be in the vocabulary. */
  decode(ids: readonly number[]): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
}

/** Keys of tokenizer.json. Its truncation and padding count only for their sides (tokenizerConfig.ts). */
export const TOKENIZER_KEYS = [
  ...["version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer"],
  ...["post_processor", "decoder", "model"],
] as const;

/**
 * @param file name of the file, for messages
 * @param tokenizerJson content of tokenizer.json
 * @param config content of tokenizer_config.json
 * @throws {TokenizerError} when they cannot be used, or ask for something that is not supported
 */
export function buildPipeline(
  file: string,
  tokenizerJson: Readonly<Record<string, unknown>>,
  config: Readonly<Record<string, unknown>>,
): Pipeline {
  try {
    return assemble(tokenizerJson, config);
  } catch (error) {
    const reason = (error as Error).message.replace(/\s+/g, " ");
    throw new TokenizerError(
      `${file}: must describe a tokenizer that gradloom can apply: ${reason}`,
      { cause: error },
    );
  }
}

function assemble(
  json: Readonly<Record<string, unknown>>,
  config: Readonly<Record<string, unknown>>,
): Pipeline {
  const keys: readonly string[] = TOKENIZER_KEYS;
  const unknown = Object.keys(json).filter((key) => !keys.includes(key) && json[key] !== null);
  if (unknown.length > 0) {
    throw new TokenizerError(
      `it must have no keys but ${keys.join(", ")}, got ${unknown.join(", ")}`,
    );
  }
  const model = buildModel(json["model"]);
  const normalizer = buildNormalizer(describe("normalizer", json["normalizer"]));
  const preTokenizer = buildPreTokenizer(describe("pre_tokenizer", json["pre_tokenizer"]));
  const decoder = buildDecoder(describe("decoder", json["decoder"]));
  const own = readAddedTokens(json["added_tokens"]);
  const configured = configuredTokens(own, config, (text) => model.ids.has(text));
  const added = new AddedTokens([...own, ...configured], model, normalizer);
  const idOf = (token: string) => added.ids.get(token) ?? model.ids.get(token);
  const suffix = readSuffix(describe("post_processor", json["post_processor"]), idOf);
  const tokenOf = (id: number) => added.texts.get(id) ?? model.vocab[id];
  const absent = suffix.find((id) => tokenOf(id) === undefined);
  if (absent !== undefined) {
    throw new TokenizerError(
      `post_processor must append ids of the vocabulary, got ${shorten(absent)}`,
    );
  }
  const lastAdded = [...added.texts.keys()].reduce((a, b) => Math.max(a, b), -1);
  return {
    vocabSize: Math.max(model.vocab.length, lastAdded + 1),
    suffix,
    specialIds: added.specialIds,
    encode: (text, options) => {
      const ids = encodeText(text, added, preTokenizer, model);
      if (options?.add_special_tokens !== false) ids.push(...suffix);
      return { ids };
    },
    decode: (ids) => decoder(ids.map((id) => tokenOf(id)!)),
    token_to_id: idOf,
    id_to_token: tokenOf,
  };
}

function readAddedTokens(value: unknown): readonly AddedToken[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) {
    throw new TokenizerError(`added_tokens must be a list, got ${shorten(value)}`);
  }
  return value.map((token) => readAddedToken("added_tokens", token));
}

function encodeText(
  text: string,
  added: AddedTokens,
  preTokenizer: PreTokenizer,
  model: VocabularyModel,
): number[] {
  const ids: number[] = [];
  // Half of a surrogate pair is no character; Rust's strings, like files in UTF-8, cannot hold it.
  for (const { piece, id } of added.split(text.replace(/\p{Surrogate}/gu, "\ufffd"))) {
    if (id !== undefined) ids.push(id);
    else for (const word of preTokenizer(piece)) model.encode(word.text, ids);
  }
  return ids;
}
