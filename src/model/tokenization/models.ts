// The vocabulary models of tokenizer.json.

import { TokenizerError } from "../../tensor/errors.ts";
import { BytePairs } from "./bpe.ts";
import { isRecord, refuseKind, shorten } from "./description.ts";
import { Unigram, type VocabularyModel } from "./unigram.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Kinds of model that are applied; every other is refused by name. */
export const MODELS: Readonly<Record<string, (model: Fields) => VocabularyModel>> = {
  Unigram: (model) => new Unigram(model),
  BPE: (model) => new BytePairs(model),
};

/** Keys of each model that are applied; others must be null or false. */
export const MODEL_KEYS: Readonly<Record<string, readonly string[]>> = {
  Unigram: ["type", "vocab", "unk_id", "byte_fallback"],
  BPE: [
    ...["type", "vocab", "merges", "unk_token", "fuse_unk", "byte_fallback", "ignore_merges"],
    ...["continuing_subword_prefix", "end_of_word_suffix"],
  ],
};

/** @throws {TokenizerError} for a model, or an option of one, that is not supported, by its name */
export function buildModel(value: unknown): VocabularyModel {
  if (!isRecord(value)) {
    throw new TokenizerError(`model must be an object with a vocab, got ${shorten(value)}`);
  }
  const type = value["type"] ?? usualType(value);
  if (typeof type !== "string" || !(type in MODELS)) {
    return refuseKind("model", { type: typeof type === "string" ? type : shorten(type) }, MODELS);
  }
  for (const [key, option] of Object.entries(value)) {
    const isSet = option !== null && option !== false;
    if (isSet && !MODEL_KEYS[type]!.includes(key)) {
      throw new TokenizerError(`model.${key} must be null in ${type}, got ${shorten(option)}`);
    }
  }
  return MODELS[type]!(value);
}

/** Old files name no type: a list of scored pieces is a unigram model, merges are byte pairs. */
function usualType(model: Fields): string | undefined {
  if (Array.isArray(model["vocab"])) return "Unigram";
  return "merges" in model ? "BPE" : undefined;
}
