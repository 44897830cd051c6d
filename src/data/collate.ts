// Examples to batches: the two collators that transformers' Trainer uses for sequence-to-sequence models.
// B is the batch, S and T the source and target length.

import { IGNORE_INDEX } from "../kernels/rows/crossEntropy.ts";
import { ArgumentError, DatasetError } from "../tensor/errors.ts";

/** One tokenised row. A label of -100 takes no part in the loss; no mask means that every position is read. */
export interface Example {
  readonly inputIds: readonly number[];
  readonly attentionMask?: readonly number[];
  readonly labels: readonly number[];
}

/** What `model.forward` takes: inputIds and attentionMask [B, S], labels [B, T]. */
export interface Batch {
  inputIds: number[][];
  attentionMask?: number[][];
  labels: number[][];
}

/** How `seq2seqCollate` pads. */
export interface Seq2SeqCollateOptions {
  /** Id that fills up inputs, default 0 as in T5. */
  readonly padTokenId?: number;
  /** Value that fills up labels, default -100, which the loss ignores. */
  readonly labelPadId?: number;
  /** Lengths are rounded up to a multiple of this (>= 1), so that fewer different shapes occur. */
  readonly padToMultipleOf?: number;
}

/**
 * Stacks examples as they are (transformers' default_data_collator).
 * @throws {DatasetError} unless all rows are examples, with the same lengths and the same fields
 */
export function defaultCollate(examples: readonly Example[]): Batch {
  checkExamples("defaultCollate", examples);
  const masks = stack(examples, "attentionMask");
  return {
    inputIds: stack(examples, "inputIds") ?? [],
    ...(masks && { attentionMask: masks }),
    labels: stack(examples, "labels") ?? [],
  };
}

/**
 * Fills every example up to the longest one of the batch, on the right (DataCollatorForSeq2Seq): inputs with the pad
 * id, masks with 0, labels with -100. Examples without a mask get one.
 * @throws {ArgumentError} unless padToMultipleOf is an integer >= 1
 * @throws {DatasetError} for an empty batch, a row that is no example, or a mask whose length is not that of its inputs
 */
export function seq2seqCollate(
  examples: readonly Example[],
  { padTokenId = 0, labelPadId = IGNORE_INDEX, padToMultipleOf = 1 }: Seq2SeqCollateOptions = {},
): Batch {
  checkExamples("seq2seqCollate", examples);
  if (!Number.isInteger(padToMultipleOf) || padToMultipleOf < 1) {
    throw new ArgumentError(`padToMultipleOf: must be an integer >= 1, got ${padToMultipleOf}`);
  }
  const roundUp = (length: number): number => Math.ceil(length / padToMultipleOf) * padToMultipleOf;
  const sourceLength = roundUp(longest(examples.map(({ inputIds }) => inputIds)));
  const targetLength = roundUp(longest(examples.map(({ labels }) => labels)));
  return {
    inputIds: examples.map(({ inputIds }) => padRight(inputIds, sourceLength, padTokenId)),
    attentionMask: examples.map((example, i) => padRight(maskOf(example, i), sourceLength, 0)),
    labels: examples.map(({ labels }) => padRight(labels, targetLength, labelPadId)),
  };
}

function stack(examples: readonly Example[], field: keyof Example): number[][] | undefined {
  const length = examples[0]![field]?.length;
  const odd = examples.findIndex((example) => example[field]?.length !== length);
  if (odd >= 0) {
    throw new DatasetError(
      `defaultCollate: every example of a batch must have as many ${field} as the first (${length ?? "none"}), ` +
        `got ${examples[odd]![field]?.length ?? "none"} in example ${odd}. Use seq2seqCollate, which pads.`,
    );
  }
  return length === undefined ? undefined : examples.map((example) => [...example[field]!]);
}

function maskOf({ inputIds, attentionMask }: Example, i: number): readonly number[] {
  if (!attentionMask) return inputIds.map(() => 1);
  if (attentionMask.length === inputIds.length) return attentionMask;
  throw new DatasetError(
    `seq2seqCollate: attentionMask must be as long as inputIds (${inputIds.length}), ` +
      `got ${attentionMask.length} in example ${i}`,
  );
}

/** @throws {DatasetError} for no examples, or a row that is none: what JavaScript lets through must not go into arithmetic */
export function checkExamples(what: string, examples: readonly Example[]): void {
  if (examples.length === 0) {
    throw new DatasetError("collate: a batch must hold at least one example, got none");
  }
  examples.forEach((row, i) => checkExample(what, `example ${i} of a batch`, row));
}

/**
 * @param what names the caller in the message, and `where` the row
 * @param fields those that are read
 * @throws {DatasetError} unless the row is an object whose fields are arrays; it may be without attentionMask
 */
export function checkExample(
  what: string,
  where: string,
  row: unknown,
  fields: readonly (keyof Example)[] = ["inputIds", "attentionMask", "labels"],
): void {
  if (typeof row !== "object" || row === null) {
    throw new DatasetError(`${what}: ${where} must be an example, got ${kindOf(row)}. ${ROW}`);
  }
  for (const field of fields) {
    const value: unknown = Reflect.get(row, field);
    if (Array.isArray(value) || ArrayBuffer.isView(value)) continue;
    if (field === "attentionMask" && (value === undefined || value === null)) continue;
    throw new DatasetError(
      `${what}: ${where} must have ${field}, an array of numbers, got ${kindOf(value)}. ${ROW}`,
    );
  }
}

const ROW = "A row is { inputIds, labels }, as preprocess makes them; attentionMask may be there.";

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function longest(sequences: readonly (readonly number[])[]): number {
  return Math.max(...sequences.map(({ length }) => length));
}

function padRight(values: readonly number[], length: number, fill: number): number[] {
  return [...values, ...new Array<number>(length - values.length).fill(fill)];
}
