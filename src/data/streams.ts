// Streams of rows: shuffled, and tokenised. Both can be iterated again, once an epoch.

import { Mt19937 } from "../tensor/mt19937.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { groups } from "./batches.ts";
import type { Example } from "./collate.ts";
import type { Row } from "./dataset.ts";
import { rowEncoder, type Encoder, type RowEncoding } from "./preprocess.ts";

/** Rows tokenised at a time. */
const CHUNK = 64;

/** How many rows `shuffle` mixes, and its seed. */
export interface ShuffleOptions {
  /** Rows held in memory; each is drawn from as many. 1 keeps the order. */
  readonly bufferSize: number;
  /** Any integer. Iteration number e is shuffled with seed + e, counted from 0. */
  readonly seed?: number;
}

/**
 * Shuffles as `datasets.IterableDataset.shuffle` does: a buffer is filled, then a random row leaves it for every row that
 * comes. The same seed gives the same order (not that of NumPy's generator, which datasets draws from).
 * @throws {ArgumentError} for a bufferSize that is no whole number of at least 1
 */
export function shuffle<T>(
  rows: AsyncIterable<T>,
  { bufferSize, seed = 42 }: ShuffleOptions,
): AsyncIterable<T> {
  if (!Number.isInteger(bufferSize) || bufferSize < 1) {
    throw new ArgumentError(`shuffle: bufferSize must be an integer >= 1, got ${bufferSize}`);
  }
  let epoch = 0;
  return {
    [Symbol.asyncIterator]: () => shuffled(rows, bufferSize, new Mt19937(seed + epoch++)),
  };
}

async function* shuffled<T>(
  rows: AsyncIterable<T>,
  bufferSize: number,
  random: Mt19937,
): AsyncGenerator<T, void, undefined> {
  const buffer: T[] = [];
  for await (const row of rows) {
    if (buffer.length < bufferSize) {
      buffer.push(row);
      continue;
    }
    const i = random.nextUint32() % bufferSize;
    yield buffer[i]!;
    buffer[i] = row;
  }
  for (let left = buffer.length; left > 0; left--) {
    const i = random.nextUint32() % left;
    yield buffer[i]!;
    buffer[i] = buffer[left - 1]!;
  }
}

/**
 * Token ids of rows, a few rows at a time: what the Trainer takes as a stream (it needs maxSteps then).
 * @throws {ArgumentError} at once as `preprocess`
 */
export function tokenizedStream(
  rows: AsyncIterable<Row>,
  tokenizer: Encoder,
  options: RowEncoding = {},
): AsyncIterable<Example> {
  const encode = rowEncoder(tokenizer, options);
  return {
    async *[Symbol.asyncIterator]() {
      let done = 0;
      for await (const group of groups(rows, CHUNK)) {
        yield* encode(group, done);
        done += group.length;
      }
    },
  };
}
