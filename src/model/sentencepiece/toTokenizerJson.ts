// A spiece.model as the tokenizer.json that transformers' T5Converter makes of it
// (transformers/convert_slow_tokenizer.py: SpmConverter, T5Converter).

import type { AddedToken } from "../tokenization/addedTokens.ts";
import { checkModel, leftOut } from "./checkModel.ts";
import { PIECE_TYPE, readModelProto, type SentencePieceModel } from "./modelProto.ts";

/** What the model's file does not hold: the files beside it do. */
export interface SpecialTokens {
  /** Ends every text. */
  readonly eosToken: string;
  /**
   * How many tokens <extra_id_...> follow the pieces, the highest number first. Undefined where no file says: none where
   * the model has pieces of that name, as mT5's, else T5's 100.
   */
  readonly sentinels: number | undefined;
  /** Tokens whose flags replace those of the model's pieces. */
  readonly described: readonly AddedToken[];
  /** Special tokens; the end token is one. They replace the flags of pieces, not those of described tokens. */
  readonly named: readonly AddedToken[];
  readonly prependScheme: "always" | "first" | "never";
}

export interface Converted {
  /** Content of tokenizer.json. */
  readonly tokenizer: Readonly<Record<string, unknown>>;
  readonly sentinels: number;
  /** What the model says and the conversion leaves out, each a sentence. */
  readonly warnings: readonly string[];
}

const T5_SENTINELS = 100;

/**
 * @param file name of the model, for messages
 * @throws {TokenizerError} for a file that is damaged, or no unigram model of T5's kind
 */
export async function toTokenizerJson(
  file: string,
  bytes: Uint8Array,
  tokens: SpecialTokens,
): Promise<Converted> {
  const model = await readModelProto(file, bytes);
  const unkId = checkModel(file, model);
  const hasOwn = model.pieces.some(({ text }) => /^▁?<extra_id_0>$/.test(text));
  const sentinels = tokens.sentinels ?? (hasOwn ? 0 : T5_SENTINELS);
  const vocab = [
    ...model.pieces.map(({ text, score }): [string, number] => [text, score]),
    ...sentinelPieces(sentinels),
  ];
  const added = addTokens(model, vocab, tokens);
  const end = added.find(({ content }) => content === tokens.eosToken)!;
  const metaspace = {
    type: "Metaspace",
    replacement: "▁",
    prepend_scheme: tokens.prependScheme,
    split: true,
  };
  const { base64Encode } = await import("@bufbuild/protobuf/wire");
  const charsmap = base64Encode(model.normalizer.precompiledCharsmap);
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: normalizer(charsmap),
    pre_tokenizer: metaspace,
    post_processor: template(end),
    decoder: metaspace,
    model: { type: "Unigram", unk_id: unkId, vocab, byte_fallback: false },
  };
  const warnings = leftOut(file, model);
  if (end.id >= vocab.length) {
    warnings.push(
      `${file}: ${end.content} is no piece of the model and gets the new id ${end.id}, as in transformers. Name the model's own end token as eos_token in tokenizer_config.json.`,
    );
  }
  return { tokenizer, sentinels, warnings };
}

function sentinelPieces(count: number): [string, number][] {
  return Array.from({ length: count }, (_, i) => [`<extra_id_${count - 1 - i}>`, 0]);
}

type NumberedToken = AddedToken & { readonly id: number };

/**
 * The tokens that are cut out of a text first: control and user-defined pieces, sentinels, and those that the files name.
 * What the vocabulary lacks gets the next id.
 */
function addTokens(
  { pieces }: SentencePieceModel,
  vocab: readonly (readonly [string, number])[],
  { described, named }: SpecialTokens,
): NumberedToken[] {
  const ids = new Map(vocab.map(([text], id) => [text, id]));
  let next = vocab.length;
  const tokens = new Map<number, AddedToken>();
  const add = (token: AddedToken, replaces: boolean): void => {
    let id = ids.get(token.content);
    if (id === undefined) ids.set(token.content, (id = next++));
    if (replaces || !tokens.has(id)) tokens.set(id, token);
  };
  for (const { text, type } of pieces) {
    if (type === PIECE_TYPE.control) add(plainToken(text, true), true);
    if (type === PIECE_TYPE.userDefined) add(plainToken(text, false), true);
  }
  for (const token of described) add(token, true);
  const texts = new Set(described.map(({ content }) => content));
  for (const token of named) add(token, !texts.has(token.content));
  for (const [text] of vocab.slice(pieces.length)) add(plainToken(text, true), false);
  return [...tokens].sort(([a], [b]) => a - b).map(([id, token]) => ({ id, ...token }));
}

function plainToken(content: string, special: boolean): AddedToken {
  return { content, single_word: false, lstrip: false, rstrip: false, normalized: false, special };
}

/** The end of a text loses its blanks, and several blanks become one: what SentencePiece itself does. */
function normalizer(charsmap: string): object {
  return {
    type: "Sequence",
    normalizers: [
      ...(charsmap === "" ? [] : [{ type: "Precompiled", precompiled_charsmap: charsmap }]),
      { type: "Strip", strip_left: false, strip_right: true },
      { type: "Replace", pattern: { Regex: " {2,}" }, content: "▁" },
    ],
  };
}

/** `$A </s>`, and for pairs `$A </s> $B </s>`. */
function template({ content, id }: NumberedToken): object {
  const text = (part: "A" | "B") => ({ Sequence: { id: part, type_id: 0 } });
  const end = { SpecialToken: { id: content, type_id: 0 } };
  return {
    type: "TemplateProcessing",
    single: [text("A"), end],
    pair: [text("A"), end, text("B"), end],
    special_tokens: { [content]: { id: content, ids: [id], tokens: [content] } },
  };
}
