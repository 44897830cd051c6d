// Counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random
// numbers: as easy as 1, 2, 3", section 3.3 and table 2).
//
// A word is a function of (seed, stream offset, index) and of nothing before it, so every device and
// every thread draws the same numbers, and a backward pass draws its forward's again:
//
//   block  = philox(counter = (i >> 2, offset, 0, 0), key = seed)          word i = block[i & 3]

import { ArgumentError } from "./errors.ts";
import type { Synchronous } from "./scope.ts";

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
/** Added to the key between rounds: the golden ratio and sqrt(3) - 1, as fractions of 2^32. */
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;

export type Words4 = readonly [number, number, number, number];

/** The ten rounds. All words are unsigned 32-bit integers. */
export function philox4x32(counter: Words4, key: readonly [number, number]): Words4 {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low0 = Math.imul(MULTIPLIER_0, c0);
    const low1 = Math.imul(MULTIPLIER_1, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** Upper 32 bits of the 64-bit product, from 16-bit halves: no partial sum below exceeds 2^32 - 1. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return aHigh * bHigh + (middle >>> 16) + (carry >>> 16);
}

/** What one random operation draws from. */
export interface RandomStream {
  /** 0..2^53 - 1; both halves enter the key. */
  readonly seed: number;
  /** 0..2^32 - 1, another one for every operation. */
  readonly offset: number;
}

/** Low and high word of a stream's seed. @throws {ArgumentError} for a seed or offset out of range */
export function streamKey({ seed, offset }: RandomStream): readonly [number, number] {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ArgumentError(`random: seed must be a whole number of 0..2^53 - 1, got ${seed}`);
  }
  if (!Number.isInteger(offset) || offset < 0 || offset > 0xffffffff) {
    throw new ArgumentError(`random: offset must be a whole number of 0..2^32 - 1, got ${offset}`);
  }
  return [seed >>> 0, Math.floor(seed / 2 ** 32)];
}

/** Hands out streams: each random operation takes the next offset. Its state is (seed, offset). */
export class Generator {
  readonly seed: number;
  /** Of the next stream. */
  offset: number;

  /** @throws {ArgumentError} for a seed or offset out of range */
  constructor(seed: number, offset = 0) {
    streamKey({ seed, offset });
    this.seed = seed;
    this.offset = offset;
  }

  /** A stream for one random operation; moves `offset` on, so that the next one draws other numbers. */
  next(): RandomStream {
    const { seed, offset } = this;
    if (watched?.has(this) === false) watched.set(this, offset);
    this.offset = (offset + 1) >>> 0;
    return { seed, offset };
  }
}

/** Where generators stood before some work first drew from them. */
export type DrawPositions = ReadonlyMap<Generator, number>;

let watched: Map<Generator, number> | null = null;

/** Runs `fn` and notes which generators it draws from, and from where on. */
export function watchDraws<T>(
  fn: () => T,
  ..._synchronous: Synchronous<T>
): { readonly result: T; readonly positions: DrawPositions } {
  const outer = watched;
  const positions = new Map<Generator, number>();
  watched = positions;
  try {
    return { result: fn(), positions };
  } finally {
    watched = outer;
    for (const [generator, offset] of positions) {
      if (outer?.has(generator) === false) outer.set(generator, offset);
    }
  }
}

/** Runs `fn` so that it draws what was drawn from `positions` on; the generators then stand as before. */
export function repeatDraws<T>(
  positions: DrawPositions,
  fn: () => T,
  ..._synchronous: Synchronous<T>
): T {
  const now = [...positions.keys()].map((generator) => [generator, generator.offset] as const);
  for (const [generator, offset] of positions) generator.offset = offset;
  try {
    return fn();
  } finally {
    for (const [generator, offset] of now) generator.offset = offset;
  }
}

/** The words of a stream, by index. Neighbours share a block, which is kept until another is asked for. */
export class StreamWords {
  readonly #key: readonly [number, number];
  readonly #offset: number;
  #at = -1;
  #block: Words4 = [0, 0, 0, 0];

  /** @param key low and high word of the seed, from `streamKey` */
  constructor(key: readonly [number, number], offset: number) {
    this.#key = key;
    this.#offset = offset;
  }

  /** @param i 0..2^34 - 1 */
  word(i: number): number {
    const at = Math.floor(i / 4);
    if (at !== this.#at) {
      this.#block = philox4x32([at, this.#offset, 0, 0], this.#key);
      this.#at = at;
    }
    return this.#block[i % 4]!;
  }
}

/**
 * Uniform numbers of the half-open interval [low, high), from the generator's next stream.
 * @throws {ArgumentError} unless low <= high
 */
export function uniformArray(
  size: number,
  low: number,
  high: number,
  generator: Generator,
): Float32Array {
  if (!(low <= high)) {
    throw new ArgumentError(`uniformArray: low must be at most high, got ${low} and ${high}`);
  }
  const words = nextWords(generator);
  // 24 bits, so that rounding to f32 cannot reach `high` when the interval is [0, 1).
  const unit = (i: number) => (words.word(i) >>> 8) / 2 ** 24;
  return Float32Array.from({ length: size }, (_, i) => low + (high - low) * unit(i));
}

/**
 * Normal numbers of mean 0, from the generator's next stream.
 * Box & Muller 1958: words 2i and 2i + 1 give elements 2i and 2i + 1.
 * @param std standard deviation, >= 0
 * @throws {ArgumentError} for a negative std
 */
export function normalArray(size: number, std: number, generator: Generator): Float32Array {
  if (!(std >= 0)) throw new ArgumentError(`normalArray: std must be at least 0, got ${std}`);
  const words = nextWords(generator);
  const result = new Float32Array(size);
  for (let i = 0; i < size; i += 2) {
    // In (0, 1]: the logarithm stays finite.
    const radius = std * Math.sqrt(-2 * Math.log((words.word(i) + 1) / 2 ** 32));
    const angle = (2 * Math.PI * words.word(i + 1)) / 2 ** 32;
    result[i] = radius * Math.cos(angle);
    if (i + 1 < size) result[i + 1] = radius * Math.sin(angle);
  }
  return result;
}

function nextWords(generator: Generator): StreamWords {
  const stream = generator.next();
  return new StreamWords(streamKey(stream), stream.offset);
}
