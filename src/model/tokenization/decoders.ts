// The decoders of tokenizer.json, as the Rust tokenizers apply them: tokens to text.

import { byteLevelDecoder } from "./byteLevel.ts";
import { listField, refuseKind, stringField, type Description } from "./description.ts";
import { metaspaceOptions } from "./metaspace.ts";
import { compilePattern } from "./pattern.ts";

type Step = (tokens: readonly string[]) => readonly string[];

/** Kinds of decoder that are applied; every other is refused by name. */
export const DECODERS: Readonly<Record<string, (description: Description) => Step>> = {
  Sequence: (description) => {
    const steps = listField(description, "decoders").map(buildStep);
    return (tokens) => steps.reduce((list, step) => step(list), tokens);
  },
  Metaspace: metaspace,
  ByteFallback: () => joinBytes,
  Fuse: () => (tokens) => [tokens.join("")],
  Strip: strip,
  Replace: (description) => {
    const pattern = compilePattern(description);
    const content = stringField(description, "content");
    return (tokens) => tokens.map((token) => token.replace(pattern, () => content));
  },
  ByteLevel: byteLevelDecoder,
};

/**
 * Text of tokens.
 * @throws {TokenizerError} for a decoder that is not supported, by its name
 */
export function buildDecoder(
  description: Description | null,
): (tokens: readonly string[]) => string {
  if (description === null) return (tokens) => tokens.join(" ");
  const step = buildStep(description);
  return (tokens) => step(tokens).join("");
}

function buildStep(description: Description): Step {
  const build = DECODERS[description.type] ?? refuseKind("decoder", description, DECODERS);
  return build(description);
}

/** Marks become spaces; those of the first token vanish, unless no mark was ever put before a text. */
function metaspace(description: Description): Step {
  const { mark, scheme } = metaspaceOptions(description);
  return (tokens) =>
    tokens.map((token, i) => token.replaceAll(mark, i === 0 && scheme !== "never" ? "" : " "));
}

/** Runs of tokens <0x00> to <0xFF> become the text of their bytes, or one U+FFFD a byte where they are no UTF-8. */
function joinBytes(tokens: readonly string[]): string[] {
  const result: string[] = [];
  let bytes: number[] = [];
  const flush = () => {
    if (bytes.length === 0) return;
    const text = utf8(Uint8Array.from(bytes));
    if (text !== undefined) result.push(text);
    else bytes.forEach(() => result.push("\ufffd"));
    bytes = [];
  };
  for (const token of tokens) {
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
    if (byte === undefined) {
      flush();
      result.push(token);
    } else {
      bytes.push(Number.parseInt(byte, 16));
    }
  }
  flush();
  return result;
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Takes up to `start` and `stop` copies of a character from the ends of each token. */
function strip(description: Description): Step {
  const content = stringField(description, "content");
  const [start, stop] = [Number(description["start"] ?? 0), Number(description["stop"] ?? 0)];
  return (tokens) =>
    tokens.map((token) => {
      const characters = [...token];
      let from = 0;
      while (from < start && characters[from] === content) from += 1;
      let end = characters.length;
      while (characters.length - end < stop && characters[end - 1] === content) end -= 1;
      return characters.slice(from, Math.max(from, end)).join("");
    });
}
