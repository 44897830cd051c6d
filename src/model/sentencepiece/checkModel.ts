// What a spiece.model must be for its ids to be those of transformers' conversion, and what of it the conversion leaves
// out: refused or warned of by name.

import { TokenizerError } from "../../tensor/errors.ts";
import { MODEL_TYPE, PIECE_TYPE, type SentencePieceModel } from "./modelProto.ts";

/**
 * @returns the id of the unknown piece
 * @throws {TokenizerError} for a model that is damaged or not T5's kind
 */
export function checkModel(file: string, model: SentencePieceModel): number {
  const fail = (what: string, must: string, actual: string, cure: string): never => {
    throw new TokenizerError(`${file}: ${what} must ${must}, got ${actual}. ${cure}`);
  };
  const { trainer, normalizer } = model;
  if (trainer.modelType !== MODEL_TYPE.unigram) {
    const name = Object.entries(MODEL_TYPE).find(([, type]) => type === trainer.modelType)?.[0];
    fail(
      "trainer_spec.model_type",
      "be unigram, as in T5",
      name ?? `type ${trainer.modelType}`,
      "Name a T5 model: this is another model's tokenizer.",
    );
  }
  const convert = "Convert it with a tokenizer that knows this and save tokenizer.json.";
  if (trainer.treatWhitespaceAsSuffix) {
    fail("trainer_spec.treat_whitespace_as_suffix", "be false, as in T5", "true", convert);
  }
  if (!normalizer.escapeWhitespaces) {
    fail("normalizer_spec.escape_whitespaces", "be true, as in T5", "false", convert);
  }
  checkPieces(fail, model);
  checkCharsmap(fail, normalizer.precompiledCharsmap);
  return unknownId(fail, model);
}

type Fail = (what: string, must: string, actual: string, cure: string) => never;

const DAMAGED = "The file is damaged: download it again.";

/** SentencePiece refuses the same, save the scores, which it trusts. */
function checkPieces(fail: Fail, { pieces }: SentencePieceModel): void {
  if (pieces.length === 0) fail("the file", "hold pieces", "none", DAMAGED);
  const known = new Set<string>();
  const types: readonly number[] = Object.values(PIECE_TYPE);
  pieces.forEach(({ text, score, type }, id) => {
    const what = `piece ${id}`;
    if (text === "") fail(what, "have a text", "an empty one", DAMAGED);
    if (known.has(text)) fail(what, "differ from the others", JSON.stringify(text), DAMAGED);
    if (!Number.isFinite(score)) fail(what, "have a finite score", String(score), DAMAGED);
    if (!types.includes(type)) fail(what, "have a type from 1 to 6", String(type), DAMAGED);
    known.add(text);
  });
}

/** A length, a trie of so many bytes (32-bit units), and texts of UTF-8. */
function checkCharsmap(fail: Fail, map: Uint8Array): void {
  const what = "normalizer_spec.precompiled_charsmap";
  if (map.length === 0) return;
  if (map.length < 4) fail(what, "have at least 4 bytes", String(map.length), DAMAGED);
  const trie = new DataView(map.buffer, map.byteOffset).getUint32(0, true);
  if (trie === 0 || trie % 4 !== 0 || trie > map.length - 4) {
    const must = `hold a trie of 4 to ${map.length - 4} bytes`;
    fail(what, must, `${trie}`, DAMAGED);
  }
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(map.subarray(4 + trie));
  } catch {
    fail(what, "hold texts of UTF-8", "other bytes", DAMAGED);
  }
}

function unknownId(fail: Fail, { pieces, trainer }: SentencePieceModel): number {
  const unknown = [...pieces.keys()].filter((id) => pieces[id]!.type === PIECE_TYPE.unknown);
  const [id] = unknown;
  if (id === undefined || unknown.length > 1) {
    return fail("the file", "have one piece for unknown text", `${unknown.length}`, DAMAGED);
  }
  if (trainer.unkId !== undefined && trainer.unkId !== id) {
    fail("trainer_spec.unk_id", `name the unknown piece, ${id}`, `${trainer.unkId}`, DAMAGED);
  }
  return id;
}

/** What the model says and transformers' conversion leaves out, each a sentence. */
export function leftOut(file: string, { trainer, normalizer, denormalizer }: SentencePieceModel) {
  const follows = "as in transformers' fast tokenizers";
  const warnings: string[] = [];
  if (trainer.byteFallback) {
    warnings.push(
      `${file}: trainer_spec.byte_fallback is left out: characters without a piece become the unknown token and not bytes, ${follows}.`,
    );
  }
  if (!normalizer.addDummyPrefix) {
    warnings.push(
      `${file}: normalizer_spec.add_dummy_prefix false is left out: a text begins with ▁, ${follows}. Set "add_prefix_space": false in tokenizer_config.json to keep it.`,
    );
  }
  if (!normalizer.removeExtraWhitespaces) {
    warnings.push(
      `${file}: normalizer_spec.remove_extra_whitespaces false is left out: runs of blanks become one ▁, ${follows}.`,
    );
  }
  if (denormalizer.precompiledCharsmap.length > 0) {
    warnings.push(`${file}: denormalizer_spec is left out when ids are decoded, ${follows}.`);
  }
  return warnings;
}
