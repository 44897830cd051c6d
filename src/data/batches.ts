// Rows to batches, in PyTorch's order.

import { ArgumentError, DatasetError } from "../tensor/errors.ts";
import {
  checkExamples,
  defaultCollate,
  seq2seqCollate,
  type Batch,
  type Example,
} from "./collate.ts";

/** Rows by index: an array will do. */
export interface IndexedDataset {
  readonly length: number;
  /** Row i, 0..length - 1. */
  get(i: number): Example | Promise<Example>;
}

/** Rows by index, or one after another, in their own order and anew for every epoch. */
export type TrainDataset = readonly Example[] | IndexedDataset | AsyncIterable<Example>;

/** Makes a batch of examples; `seq2seqCollate` is one with its options filled in. */
export type Collator = (examples: readonly Example[]) => Batch;

export interface BatchOptions {
  readonly batchSize: number;
  readonly collate: Collator;
  /** Leaves out a last batch that is not full. */
  readonly dropLast?: boolean;
  /** Row numbers in the order wanted, some or all of them; of rows by index only. */
  readonly order?: Uint32Array | undefined;
  /** Batches left out at the beginning, without reading their rows; of rows by index only. */
  readonly skip?: number;
}

export function isStream(dataset: TrainDataset): dataset is AsyncIterable<Example> {
  return Symbol.asyncIterator in dataset;
}

/**
 * Number of rows; null for a stream.
 * @throws {ArgumentError} when it is no dataset
 * @throws {DatasetError} when it is empty
 */
export function rowCount(name: string, dataset: TrainDataset): number | null {
  if (typeof dataset !== "object" || dataset === null || !isDataset(dataset)) {
    throw new ArgumentError(
      `${name}: must be an array, { length, get(i) } or an async iterable of examples, got ${String(dataset)}`,
    );
  }
  if (isStream(dataset)) return null;
  if (dataset.length > 0) return dataset.length;
  throw new DatasetError(`${name}: must hold at least one example, got none`);
}

function isDataset(value: object): boolean {
  if (Array.isArray(value) || Symbol.asyncIterator in value) return true;
  return "length" in value && "get" in value && typeof value.get === "function";
}

/** Number of batches of an epoch; null for a stream. */
export function batchCount(
  rows: number | null,
  batchSize: number,
  dropLast = false,
): number | null {
  if (rows === null) return null;
  return dropLast ? Math.floor(rows / batchSize) : Math.ceil(rows / batchSize);
}

/** The batches of one pass over `dataset`. */
export async function* batches(
  dataset: TrainDataset,
  { batchSize, collate, dropLast = false, order, skip = 0 }: BatchOptions,
): AsyncGenerator<Batch, void, undefined> {
  const rows = isStream(dataset) ? dataset : inOrder(dataset, order, skip * batchSize);
  for await (const examples of groups(rows, batchSize)) {
    if (examples.length === batchSize || !dropLast) yield collate(examples);
  }
}

/** Groups of `size` items; the last one may be smaller. */
export async function* groups<T>(
  items: AsyncIterable<T>,
  size: number,
): AsyncGenerator<T[], void, undefined> {
  let group: T[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

async function* inOrder(
  dataset: readonly Example[] | IndexedDataset,
  order: Uint32Array | undefined,
  first: number,
): AsyncGenerator<Example, void, undefined> {
  const rows = order?.length ?? dataset.length;
  for (let i = first; i < rows; i++) {
    const row = order === undefined ? i : order[i]!;
    const example = "get" in dataset ? await dataset.get(row) : dataset[row]!;
    if (example === undefined || example === null) {
      throw new DatasetError(`dataset: row ${row} must be an example, got ${String(example)}`);
    }
    yield example;
  }
}

/**
 * The collator used unless another one is given. Rows of one length are stacked as they are, with a mask only where
 * they bring one, as transformers does without a tokenizer; others, which transformers refuses then, are padded.
 */
export function defaultCollator(padTokenId: number): Collator {
  return (examples) => {
    checkExamples("dataset", examples);
    const first = examples[0]!;
    const isUniform = examples.every(
      ({ inputIds, attentionMask, labels }) =>
        inputIds.length === first.inputIds.length &&
        attentionMask?.length === first.attentionMask?.length &&
        labels.length === first.labels.length,
    );
    return isUniform ? defaultCollate(examples) : seq2seqCollate(examples, { padTokenId });
  };
}
