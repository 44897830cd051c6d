// The unigram model: the path of pieces with the highest sum of scores through a word. Source: tokenizers'
// models/unigram/model.rs, encode_optimized.

import { TokenizerError } from "../../tensor/errors.ts";
import { shorten } from "./description.ts";

/** How far below the lowest piece a character without a piece scores. */
const UNKNOWN_PENALTY = 10;
/** Words whose ids are remembered; DialogSum's 13,000 dialogues have 60,000 different ones. */
const CACHED_WORDS = 100_000;
/** Longer words hardly come twice. */
const LONGEST_CACHED = 64;

/** Words to ids; every kind of model has this. */
export interface VocabularyModel {
  readonly vocab: readonly string[];
  readonly ids: ReadonlyMap<string, number>;
  /** Appends the ids of one word. */
  encode(word: string, ids: number[]): void;
}

export class Unigram implements VocabularyModel {
  readonly vocab: readonly string[];
  readonly ids: ReadonlyMap<string, number>;
  readonly #scores: readonly number[];
  readonly #unkId: number | undefined;
  readonly #unkScore: number;
  readonly #usesBytes: boolean;
  /** Units of the longest piece that begins with a unit. */
  readonly #longest = new Map<string, number>();
  readonly #cache = new Map<string, readonly number[]>();

  /** @throws {TokenizerError} for a vocabulary that cannot be used */
  constructor(model: Readonly<Record<string, unknown>>) {
    const pieces = readPieces(model["vocab"]);
    this.vocab = pieces.map(([piece]) => piece);
    this.#scores = pieces.map(([, score]) => score);
    this.ids = new Map(this.vocab.map((piece, id) => [piece, id]));
    this.#unkId = readUnkId(model["unk_id"], pieces.length);
    this.#unkScore = this.#scores.reduce((a, b) => Math.min(a, b), Infinity) - UNKNOWN_PENALTY;
    this.#usesBytes = model["byte_fallback"] === true;
    for (const piece of this.vocab) {
      const longest = Math.max(this.#longest.get(piece.charAt(0)) ?? 0, piece.length);
      this.#longest.set(piece.charAt(0), longest);
    }
  }

  encode(word: string, ids: number[]): void {
    const known = this.#cache.get(word);
    const found = known ?? this.#idsOf(word);
    for (const id of found) ids.push(id);
    if (known !== undefined || word.length > LONGEST_CACHED) return;
    if (this.#cache.size === CACHED_WORDS) this.#cache.clear();
    this.#cache.set(word, found);
  }

  #idsOf(word: string): number[] {
    const ids: number[] = [];
    for (const piece of this.#split(word)) {
      const id = this.ids.get(piece);
      const bytes = id === undefined && this.#usesBytes ? this.#bytesOf(piece) : undefined;
      if (bytes !== undefined) for (const byte of bytes) ids.push(byte);
      else ids.push(id ?? this.#unknown(piece));
    }
    return ids;
  }

  /** Pieces of the best path; neighbouring unknown characters are one piece. */
  #split(word: string): string[] {
    const { starts, ids } = this.#bestPath(word);
    const pieces: string[] = [];
    let unknownEnd = -1;
    let end = word.length;
    while (end > 0) {
      const start = starts[end]!;
      const isUnknown = ids[end] === this.#unkId;
      if (isUnknown && unknownEnd < 0) unknownEnd = end;
      if (!isUnknown && unknownEnd >= 0) {
        pieces.push(word.slice(end, unknownEnd));
        unknownEnd = -1;
      }
      if (!isUnknown) pieces.push(word.slice(start, end));
      end = start;
    }
    if (unknownEnd >= 0) pieces.push(word.slice(0, unknownEnd));
    return pieces.reverse();
  }

  /** For each place in the word, where the last piece of the best path to it begins, and its id. */
  #bestPath(word: string): { starts: Int32Array; ids: Int32Array } {
    const scores = new Float64Array(word.length + 1);
    const starts = new Int32Array(word.length + 1).fill(-1);
    const ids = new Int32Array(word.length + 1);
    const offer = (start: number, end: number, id: number, score: number) => {
      // Of equal paths the first stays: the one whose last piece is the longest.
      if (starts[end]! >= 0 && !(scores[start]! + score > scores[end]!)) return;
      scores[end] = scores[start]! + score;
      starts[end] = start;
      ids[end] = id;
    };
    let start = 0;
    while (start < word.length) {
      const width = word.codePointAt(start)! > 0xffff ? 2 : 1;
      const stop = Math.min(word.length, start + (this.#longest.get(word[start]!) ?? 0));
      let isKnown = false;
      for (let end = start + width; end <= stop; end += 1) {
        const id = this.ids.get(word.slice(start, end));
        if (id === undefined) continue;
        isKnown ||= end === start + width;
        offer(start, end, id, this.#scores[id]!);
      }
      if (!isKnown) offer(start, start + width, this.#unknown(word[start]!), this.#unkScore);
      start += width;
    }
    return { starts, ids };
  }

  #unknown(piece: string): number {
    if (this.#unkId !== undefined) return this.#unkId;
    throw new TokenizerError(
      `encode: the vocabulary must have every character, for tokenizer.json names no unk_id, got ${shorten(piece)}`,
    );
  }

  /** Tokens <0x00> to <0xFF> of a piece, where the vocabulary has them all. */
  #bytesOf(piece: string): number[] | undefined {
    const bytes = Array.from(new TextEncoder().encode(piece), (byte) =>
      this.ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`),
    );
    return bytes.includes(undefined) ? undefined : (bytes as number[]);
  }
}

function readPieces(vocab: unknown): readonly (readonly [string, number])[] {
  if (!Array.isArray(vocab) || vocab.length === 0) {
    throw new TokenizerError(`model.vocab must be a list of pieces, got ${shorten(vocab)}`);
  }
  const pieces = vocab as readonly unknown[];
  const odd = pieces.find(
    (pair) =>
      !(Array.isArray(pair) && typeof pair[0] === "string" && Number.isFinite(pair[1] as number)),
  );
  if (odd === undefined) return pieces as readonly (readonly [string, number])[];
  throw new TokenizerError(`model.vocab must hold [piece, score], got ${shorten(odd)}`);
}

function readUnkId(unkId: unknown, size: number): number | undefined {
  if (unkId === undefined || unkId === null) return undefined;
  if (Number.isInteger(unkId) && (unkId as number) >= 0 && (unkId as number) < size) {
    return unkId as number;
  }
  throw new TokenizerError(`model.unk_id must be an id below ${size}, got ${shorten(unkId)}`);
}
