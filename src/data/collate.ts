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
 * @throws {DatasetError} unless all examples have the same lengths and the same fields
 */
export function defaultCollate(examples: readonly Example[]): Batch {
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
 * @throws {DatasetError} for an empty batch, or a mask whose length is not that of its inputs
 */
export function seq2seqCollate(
  examples: readonly Example[],
  { padTokenId = 0, labelPadId = IGNORE_INDEX, padToMultipleOf = 1 }: Seq2SeqCollateOptions = {},
): Batch {
  checkNotEmpty(examples);
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
  checkNotEmpty(examples);
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
  if (attentionMask === undefined) return inputIds.map(() => 1);
  if (attentionMask.length === inputIds.length) return attentionMask;
  throw new DatasetError(
    `seq2seqCollate: attentionMask must be as long as inputIds (${inputIds.length}), ` +
      `got ${attentionMask.length} in example ${i}`,
  );
}

function checkNotEmpty(examples: readonly Example[]): void {
  if (examples.length === 0) {
    throw new DatasetError("collate: a batch must hold at least one example, got none");
  }
}

function longest(sequences: readonly (readonly number[])[]): number {
  return Math.max(...sequences.map(({ length }) => length));
}

function padRight(values: readonly number[], length: number, fill: number): number[] {
  return [...values, ...new Array<number>(length - values.length).fill(fill)];
}
