// SentencePiece's precompiled character map: a double array (Darts) from UTF-8 to places in a blob of NUL-terminated
// replacements. Source: spm_precompiled and tokenizers' normalizers/precompiled.rs, whose ids a tokenizer.json means.

import { TokenizerError } from "../../tensor/errors.ts";
import { Rewriting, type Normalized } from "./normalized.ts";

/** Clusters of this many bytes of UTF-8 and more are looked up character by character only. */
const LONG_CLUSTER = 6;
const ASCII = 128;
/** Bytes that a character may become. The longest of nmt_nfkc has 33; without a limit a text would grow a million times. */
const MOST_REPLACEMENT = 1024;

/** Finds what a SentencePiece normaliser replaces characters by. */
export class Charsmap {
  readonly #units: Uint32Array;
  readonly #blob: Uint8Array;
  readonly #replacements = new Map<number, string>();
  readonly #ascii: readonly (string | undefined)[];
  readonly #encoder = new TextEncoder();
  readonly #clusters = new Intl.Segmenter("und", { granularity: "grapheme" });

  /**
   * @param bytes little-endian size of the double array in bytes, the array, the blob
   * @throws {TokenizerError} for bytes that are no such map
   */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = bytes.length < 4 ? -1 : view.getUint32(0, true);
    if (size < 4 || size % 4 !== 0 || size > bytes.length - 4) {
      throw damaged(`${bytes.length} bytes with an array of ${size}`);
    }
    this.#units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.#blob = bytes.slice(4 + size);
    this.#ascii = Array.from({ length: ASCII }, (_, code) => this.#find(Uint8Array.of(code)));
  }

  /** @throws {TokenizerError} for text that is no base64 of a map */
  static fromBase64(text: unknown): Charsmap {
    if (typeof text !== "string" || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
      throw damaged("no base64");
    }
    return new Charsmap(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)));
  }

  /** Replaces what the map holds, grapheme cluster by grapheme cluster. */
  normalize(input: Normalized): Normalized {
    const { text } = input;
    const rewriting = new Rewriting(input, "charsmap");
    let at = 0;
    while (at < text.length) {
      const end = this.#plainEnd(text, at);
      if (end > at) {
        this.#rewriteAscii(rewriting, text, at, end);
        at = end;
      } else {
        const stop = clusteredEnd(text, at);
        this.#rewriteClusters(rewriting, text, at, stop);
        at = stop;
      }
    }
    return rewriting.finish();
  }

  /**
   * End of the run of ASCII characters from `at` that are clusters of their own: all but one that is followed by
   * another script (which may combine with it) and the pair CR LF.
   */
  #plainEnd(text: string, at: number): number {
    let end = at;
    while (end < text.length && text.charCodeAt(end) < ASCII) end += 1;
    if (end < text.length && end > at) end -= 1;
    const pair = text.slice(at, end + 1).indexOf("\r\n"); // not of the whole text, for each run
    return pair >= 0 ? at + pair : end;
  }

  #rewriteAscii(rewriting: Rewriting, text: string, start: number, end: number): void {
    for (let i = start; i < end; i += 1) {
      const replacement = this.#ascii[text.charCodeAt(i)];
      if (replacement !== undefined) rewriting.replace(i, i + 1, replacement);
    }
  }

  #rewriteClusters(rewriting: Rewriting, text: string, start: number, end: number): void {
    for (const { segment, index } of this.#clusters.segment(text.slice(start, end))) {
      const bytes = this.#encoder.encode(segment);
      const whole = bytes.length < LONG_CLUSTER ? this.#find(bytes) : undefined;
      const at = start + index;
      if (whole !== undefined) rewriting.replace(at, at + segment.length, whole);
      else this.#rewriteCharacters(rewriting, segment, at);
    }
  }

  #rewriteCharacters(rewriting: Rewriting, cluster: string, start: number): void {
    let at = start;
    for (const character of cluster) {
      const replacement = this.#find(this.#encoder.encode(character));
      if (replacement !== undefined) rewriting.replace(at, at + character.length, replacement);
      at += character.length;
    }
  }

  /** Replacement of the shortest key that the bytes begin with. */
  #find(bytes: Uint8Array): string | undefined {
    let node = offset(this.#unit(0));
    for (const byte of bytes) {
      if (byte === 0) return undefined;
      node ^= byte;
      const unit = this.#unit(node);
      if ((unit & 0x800000ff) >>> 0 !== byte) return undefined;
      node ^= offset(unit);
      if (((unit >>> 8) & 1) === 1) return this.#replacement(this.#unit(node) & 0x7fffffff);
    }
    return undefined;
  }

  #unit(index: number): number {
    const unit = this.#units[index];
    if (unit === undefined) throw damaged(`a link to unit ${index} of ${this.#units.length}`);
    return unit;
  }

  #replacement(start: number): string {
    const known = this.#replacements.get(start);
    if (known !== undefined) return known;
    if (start > this.#blob.length) {
      throw damaged(`a replacement at byte ${start} of ${this.#blob.length}`);
    }
    const stop = this.#blob.indexOf(0, start);
    const bytes = this.#blob.subarray(start, stop < 0 ? undefined : stop);
    if (bytes.length > MOST_REPLACEMENT) throw damaged(`a replacement of ${bytes.length} bytes`);
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
    this.#replacements.set(start, text);
    return text;
  }
}

function offset(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}

/** End of a stretch that must be cut into clusters: up to two ASCII characters in a row, which never combine. */
function clusteredEnd(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i += 1) {
    const before = text.charCodeAt(i - 1);
    const code = text.charCodeAt(i);
    const isPair = before === 13 && code === 10;
    if (before < ASCII && code < ASCII && !isPair) return i;
  }
  return text.length;
}

function damaged(got: string): TokenizerError {
  return new TokenizerError(
    `precompiled_charsmap must be SentencePiece's character map, got ${got}. The tokenizer's file is damaged: download it again.`,
  );
}
