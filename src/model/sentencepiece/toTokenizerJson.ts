// A spiece.model as the tokenizer.json that transformers' T5Converter makes of it
// (transformers/convert_slow_tokenizer.py: SpmConverter, T5Converter).

import type { AddedToken } from "../tokenization/addedTokens.ts";
import { checkModel, leftOut } from "./checkModel.ts";
import { PIECE_TYPE, readModelProto, type SentencePieceModel } from "./modelProto.ts";

/** What the model's file does not hold: the files beside it do. */
export interface SpecialTokens {
  /** Ends every text. */
  readonly eosToken: string;
  /** How many tokens <extra_id_...> follow the pieces, the highest number first. */
  readonly sentinels: number;
  /** Tokens whose flags replace those of the model's pieces. */
  readonly described: readonly AddedToken[];
  /** Special tokens; the end token is one. Those that are there already get no other flags. */
  readonly named: readonly AddedToken[];
  readonly prependScheme: "always" | "first" | "never";
}

/**
 * Content of tokenizer.json, and what the model says and the conversion leaves out, each a sentence.
 * @param file name of the model, for messages
 * @throws {TokenizerError} for a file that is damaged, or no unigram model of T5's kind
 */
export async function toTokenizerJson(
  file: string,
  bytes: Uint8Array,
  tokens: SpecialTokens,
): Promise<{ tokenizer: Readonly<Record<string, unknown>>; warnings: readonly string[] }> {
  const model = await readModelProto(file, bytes);
  const unkId = checkModel(file, model);
  const sentinels = Array.from(
    { length: tokens.sentinels },
    (_, i) => `<extra_id_${tokens.sentinels - 1 - i}>`,
  );
  const vocab = [
    ...model.pieces.map(({ text, score }): [string, number] => [text, score]),
    ...sentinels.map((text): [string, number] => [text, 0]),
  ];
  const added = addTokens(model, vocab, tokens);
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
    post_processor: template(added.find(({ content }) => content === tokens.eosToken)!),
    decoder: metaspace,
    model: { type: "Unigram", unk_id: unkId, vocab, byte_fallback: false },
  };
  const warnings = leftOut(file, model);
  for (const { content, id } of added.filter((token) => token.id >= vocab.length)) {
    if (content !== tokens.eosToken) continue;
    warnings.push(
      `${file}: ${content} is no piece of the model and gets the new id ${id}, as in transformers. Name the model's own end token as eos_token in tokenizer_config.json.`,
    );
  }
  return { tokenizer, warnings };
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
  for (const token of named) add(token, false);
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
