// What is used of @huggingface/tokenizers, whose own types do not resolve under Node's module rules.

import * as library from "@huggingface/tokenizers";

/** Byte pairs with their merges. */
export interface LibraryModel {
  readonly vocab: readonly string[];
  readonly tokens_to_ids: ReadonlyMap<string, number>;
  /** Pieces of words. */
  encode(words: readonly string[]): string[];
}

interface Parts {
  readonly BPE: new (model: object) => LibraryModel;
  /** Says a pattern of Oniguruma in JavaScript; throws where it cannot. */
  readonly ReplaceNormalizer: new (normalizer: object) => { readonly pattern: RegExp };
}

export const { BPE, ReplaceNormalizer } = library as unknown as Parts;
