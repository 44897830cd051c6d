// GPT-2's byte level: text as bytes of UTF-8, each shown as one printable character.

import { prepend, type Normalized } from "./normalized.ts";
import type { Description } from "./description.ts";
import { splitBy } from "./splits.ts";

/** GPT-2's words, with Rust's white space. */
const WORDS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const CHARACTERS = byteCharacters();
const BYTES = new Map(CHARACTERS.map((character, byte) => [character, byte]));

export function byteLevelPreTokenizer({
  add_prefix_space: addsPrefix = true,
  use_regex: usesWords = true,
}: Description): (input: Normalized) => readonly Normalized[] {
  const encoder = new TextEncoder();
  return (input) => {
    const text = addsPrefix === true && !input.text.startsWith(" ") ? prepend(input, " ") : input;
    const words = usesWords === false ? [text] : splitBy(text, WORDS, "Isolated");
    return words.map((word) => {
      const shown = Array.from(encoder.encode(word.text), (byte) => CHARACTERS[byte]!).join("");
      return { text: shown, head: Math.min(word.head, 1) };
    });
  };
}

/** Tokens back to text; a token that is not of the byte level keeps its own bytes. */
export function byteLevelDecoder(): (tokens: readonly string[]) => string[] {
  return (tokens) => {
    const bytes: number[] = [];
    for (const token of tokens) {
      const shown = Array.from(token, (character) => BYTES.get(character));
      const known = shown.includes(undefined) ? new TextEncoder().encode(token) : shown;
      for (const byte of known) bytes.push(byte!);
    }
    return [new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes))];
  };
}

/** Printable bytes stand for themselves, the others for the characters from U+0100 on. */
function byteCharacters(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    if (isPrintable) return String.fromCharCode(byte);
    next += 1;
    return String.fromCharCode(next - 1);
  });
}
