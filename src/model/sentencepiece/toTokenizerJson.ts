// A spiece.model as the tokenizer.json that transformers' T5Converter makes of it
// (transformers/convert_slow_tokenizer.py: SpmConverter, T5Converter).

import { checkModel, leftOut } from "./checkModel.ts";
import { PIECE_TYPE, readModelProto, type SentencePieceModel } from "./modelProto.ts";
import {
  addedToken,
  readSpecialTokens,
  type AddedToken,
  type SpecialTokens,
  type TokenizerConfigs,
} from "./specialTokens.ts";

/** What `toTokenizerJson` gives. */
export interface Converted {
  /** Content of tokenizer.json. */
  readonly tokenizer: Readonly<Record<string, unknown>>;
  /** What the model says and the conversion leaves out, each a sentence. */
  readonly warnings: readonly string[];
}

/**
 * @param path the whole name of a file beside the model, for messages
 * @param file name of the model among them
 * @throws {TokenizerError} for a file that is damaged, or no unigram model of T5's kind
 */
export async function toTokenizerJson(
  path: (file: string) => string,
  file: string,
  bytes: Uint8Array,
  configs: TokenizerConfigs,
): Promise<Converted> {
  const model = await readModelProto(path(file), bytes);
  const unkId = checkModel(path(file), model);
  const tokens = readSpecialTokens(path, configs);
  const vocab = [
    ...model.pieces.map(({ text, score }) => [text, score] as const),
    ...tokens.sentinels.map(({ content }) => [content, 0] as const),
  ];
  const added = addTokens(model, tokens, new Map(vocab.map(([text], id) => [text, id])));
  const eosId = added.find(({ content }) => content === tokens.eosToken.content)!.id;
  const metaspace = {
    type: "Metaspace",
    replacement: "▁",
    prepend_scheme: prependScheme(configs),
    split: true,
  };
  const { base64Encode } = await import("@bufbuild/protobuf/wire");
  const charsmap = base64Encode(model.normalizer.precompiledCharsmap);
  return {
    tokenizer: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: added,
      normalizer: normalizer(charsmap),
      pre_tokenizer: metaspace,
      post_processor: template(tokens.eosToken.content, eosId),
      decoder: metaspace,
      model: { type: "Unigram", unk_id: unkId, vocab, byte_fallback: false },
    },
    warnings: leftOut(path(file), model),
  };
}

/**
 * The tokens that are cut out of a text first: control and user-defined pieces, sentinels, and those that the files name.
 * What the vocabulary lacks gets the next id.
 */
function addTokens(
  { pieces }: SentencePieceModel,
  { described, named, sentinels }: SpecialTokens,
  ids: Map<string, number>,
): (AddedToken & { readonly id: number })[] {
  let next = pieces.length + sentinels.length;
  const tokens = new Map<number, AddedToken>();
  const add = (token: AddedToken, replaces: boolean): void => {
    let id = ids.get(token.content);
    if (id === undefined) ids.set(token.content, (id = next++));
    if (replaces || !tokens.has(id)) tokens.set(id, token);
  };
  for (const { text, type } of pieces) {
    const isControl = type === PIECE_TYPE.control;
    if (isControl || type === PIECE_TYPE.userDefined) {
      add(addedToken(text, { normalized: false }, isControl), true);
    }
  }
  for (const token of described) add(token, true);
  for (const token of [...named, ...sentinels]) add(token, false);
  return [...tokens].sort(([a], [b]) => a - b).map(([id, token]) => ({ id, ...token }));
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

/** Where a ▁ is put: before every part of a text, before its first, or nowhere. */
function prependScheme({ config }: TokenizerConfigs): "always" | "first" | "never" {
  if (config["add_prefix_space"] === false) return "never";
  return config["legacy"] === false ? "first" : "always";
}

/** `$A </s>`, and for pairs `$A </s> $B </s>`. */
function template(end: string, id: number): object {
  const text = (part: "A" | "B") => ({ Sequence: { id: part, type_id: 0 } });
  const special = { SpecialToken: { id: end, type_id: 0 } };
  return {
    type: "TemplateProcessing",
    single: [text("A"), special],
    pair: [text("A"), special, text("B"), special],
    special_tokens: { [end]: { id: end, ids: [id], tokens: [end] } },
  };
}
