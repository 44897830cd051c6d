// The normalisers of tokenizer.json, as the Rust tokenizers apply them.

import { Charsmap } from "./charsmap.ts";
import { skipWhiteSpace, skipWhiteSpaceBack } from "./characters.ts";
import { listField, refuseKind, stringField, type Description } from "./description.ts";
import { NEWER_FORMS, NEWER_MARKS } from "./newerCharacters.ts";
import { prepend, Rewriting, slice, type Normalized, type Normalizer } from "./normalized.ts";
import { compilePattern } from "./pattern.ts";

/** A mark, as Rust's tables have them. */
const ACCENT = new RegExp(`^(?![${NEWER_MARKS}])\\p{M}$`, "u");
/** Longest parts of a text that Rust and JavaScript normalise alike. */
const KNOWN_FORMS = new RegExp(`[^${NEWER_FORMS}]+`, "gu");

/** Kinds of normaliser that are applied; every other is refused by name. */
export const NORMALIZERS: Readonly<Record<string, (description: Description) => Normalizer>> = {
  Sequence: sequence,
  Precompiled: ({ precompiled_charsmap: map }) => {
    const charsmap = Charsmap.fromBase64(map);
    return (input) => charsmap.normalize(input);
  },
  Replace: replace,
  Strip: strip,
  Prepend: (description) => {
    const prefix = stringField(description, "prepend");
    return (input) => prepend(input, prefix);
  },
  Lowercase: () => (input) => mapCharacters(input, (character) => character.toLowerCase()),
  StripAccents: () => (input) => mapCharacters(input, (c) => (ACCENT.test(c) ? "" : c)),
  NFC: () => unicodeForm("NFC"),
  NFD: () => unicodeForm("NFD"),
  NFKC: () => unicodeForm("NFKC"),
  NFKD: () => unicodeForm("NFKD"),
  Nmt: () => (input) => mapCharacters(input, nmt),
};

/** @throws {TokenizerError} for a normaliser that is not supported, by its name */
export function buildNormalizer(description: Description | null): Normalizer {
  if (description === null) return (input) => input;
  const build = NORMALIZERS[description.type] ?? refuseKind("normalizer", description, NORMALIZERS);
  return build(description);
}

function sequence(description: Description): Normalizer {
  const steps = listField(description, "normalizers").map(buildNormalizer);
  return (input) => steps.reduce((text, step) => step(text), input);
}

function replace(description: Description): Normalizer {
  const pattern = compilePattern(description);
  const content = stringField(description, "content");
  return (input) => {
    const rewriting = new Rewriting(input, "last");
    for (const match of input.text.matchAll(pattern)) {
      rewriting.replace(match.index, match.index + match[0].length, content);
    }
    return rewriting.finish();
  };
}

function strip({ strip_left: left = true, strip_right: right = true }: Description): Normalizer {
  return (input) => {
    const { text } = input;
    const start = left === true ? skipWhiteSpace(text, 0) : 0;
    const end = right === true ? skipWhiteSpaceBack(text, text.length) : text.length;
    return slice(input, start, Math.max(start, end));
  };
}

/** Character by character: Rust knows no final sigma here. */
function mapCharacters(input: Normalized, map: (character: string) => string): Normalized {
  const rewriting = new Rewriting(input, "each");
  let at = 0;
  for (const character of input.text) {
    const mapped = map(character);
    if (mapped !== character) rewriting.replace(at, at + character.length, mapped);
    at += character.length;
  }
  return rewriting.finish();
}

function unicodeForm(form: "NFC" | "NFD" | "NFKC" | "NFKD"): Normalizer {
  const normalize = (text: string) => text.replace(KNOWN_FORMS, (part) => part.normalize(form));
  return ({ text, head }) => ({
    text: normalize(text),
    head: normalize(text.slice(0, head)).length,
  });
}

/** SentencePiece's rules for machine translation: control characters vanish, separators become spaces. */
function nmt(character: string): string {
  if (/^[\u0001-\u0008\u000b\u000e-\u001f\u007f\u008f\u009f]$/.test(character)) return "";
  return /^[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]$/.test(character)
    ? " "
    : character;
}
