// The pipeline of tokenizer.json (added tokens, normaliser, pre-tokeniser, vocabulary, template, decoder),
// run by @huggingface/tokenizers.

import * as library from "@huggingface/tokenizers";
import { TokenizerError } from "../tensor/errors.ts";

/** What is used of the library, whose own types do not resolve under Node's module rules. */
export interface Pipeline {
  readonly model: VocabularyModel;
  encode(text: string, options?: { readonly add_special_tokens: boolean }): { ids: number[] };
  decode(
    ids: readonly number[],
    options: { readonly clean_up_tokenization_spaces: boolean },
  ): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
  get_added_tokens_decoder(): ReadonlyMap<number, { readonly special: boolean }>;
}

interface VocabularyModel {
  readonly vocab: readonly string[];
  /** Pieces of pre-tokenised texts. */
  encode(texts: readonly string[]): string[];
}

/** Words whose pieces are remembered; DialogSum's 13,000 dialogues have 60,000 different ones. */
const CACHED_WORDS = 100_000;

/**
 * @param file name of the file, for messages
 * @param tokenizerJson content of tokenizer.json
 * @param config content of tokenizer_config.json
 * @throws {TokenizerError} when the library cannot use them
 */
export function buildPipeline(
  file: string,
  tokenizerJson: Readonly<Record<string, unknown>>,
  config: Readonly<Record<string, unknown>>,
): Pipeline {
  try {
    const pipeline: Pipeline = new library.Tokenizer(tokenizerJson, config);
    encodeWordByWord(pipeline.model);
    return pipeline;
  } catch (error) {
    const reason = (error as Error).message.replace(/\s+/g, " ");
    throw new TokenizerError(
      `${file}: must describe a tokenizer, got ${reason}. Download the file again.`,
      { cause: error },
    );
  }
}

/**
 * Lets the vocabulary model see one word at a time, and each word once. The library gives it whole texts,
 * which is six times slower, and adds up scores over the text, so that ties can break in another way than
 * in the Rust tokenizers, which split at ▁. Nothing else changes: no piece of T5 reaches across a ▁.
 */
function encodeWordByWord(model: VocabularyModel): void {
  if (model.vocab.some((piece) => piece.lastIndexOf("▁") > 0)) return;
  const encode = model.encode.bind(model);
  const known = new Map<string, readonly string[]>();
  const encodeWord = (word: string): readonly string[] => {
    const before = known.get(word);
    if (before !== undefined) return before;
    if (known.size === CACHED_WORDS) known.clear();
    const pieces = encode([word]);
    known.set(word, pieces);
    return pieces;
  };
  model.encode = (texts) => texts.flatMap((text) => text.split(/(?=▁)/).flatMap(encodeWord));
}
