// Byte-pair encoding, for the few T5 checkpoints that have it; the merges are the library's.

import { TokenizerError } from "../../tensor/errors.ts";
import { isRecord, shorten } from "./description.ts";
import { BPE, type LibraryModel } from "./library.ts";
import type { VocabularyModel } from "./unigram.ts";

export class BytePairs implements VocabularyModel {
  readonly vocab: readonly string[];
  readonly ids: ReadonlyMap<string, number>;
  readonly #model: LibraryModel;
  readonly #unkId: number | undefined;

  /** @throws {TokenizerError} for options that are not supported */
  constructor(model: Readonly<Record<string, unknown>>) {
    if (!isRecord(model["vocab"]) || !Array.isArray(model["merges"])) {
      throw new TokenizerError(`model must have a vocab and merges, got ${shorten(model["type"])}`);
    }
    this.#model = new BPE(model);
    this.vocab = this.#model.vocab;
    this.ids = this.#model.tokens_to_ids;
    const { unk_token: unk } = model;
    this.#unkId = typeof unk === "string" ? this.ids.get(unk) : undefined;
  }

  encode(word: string, ids: number[]): void {
    for (const piece of this.#model.encode([word])) {
      const id = this.ids.get(piece) ?? this.#unkId;
      // As Rust does: what has no piece and no unknown token is left out.
      if (id !== undefined) ids.push(id);
    }
  }
}
