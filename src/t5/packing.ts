// Packed batches: the rows of a batch one behind another, without the padding that their mask and labels tell of.
//
// What is left out is what the padded computation would not look at: source positions that the mask hides on the right, which
// no token attends to, and target positions from a row's last label on that is not -100, which come after all that counts.
// Pads that count stay: those of a batch without a mask, and labels that hold the pad id instead of -100.

import { IGNORE_INDEX } from "../kernels/rows/crossEntropy.ts";
import type { Device } from "../tensor/device.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { tensor } from "../tensor/tensor.ts";
import type { T5Config } from "./config.ts";
import { flatLabels, flatTokens, type TokenIds } from "./inputs.ts";

type Rows = readonly (readonly number[])[];

/** Token ids of rows one behind another. */
export interface PackedTokens {
  /** i32 [tokens] */
  readonly ids: Tensor;
  /** Tokens of each row; they add up to those of `ids`. */
  readonly lengths: readonly number[];
  /** Length of the rows with their padding. */
  readonly paddedLength: number;
}

export interface PackedBatch {
  readonly source: PackedTokens;
  /** What the decoder reads. */
  readonly target: PackedTokens;
  /** i32 [tokens of target] */
  readonly labels: Tensor;
}

interface BatchInputs {
  readonly inputIds: TokenIds;
  readonly attentionMask?: TokenIds | undefined;
  readonly labels?: TokenIds | undefined;
  readonly decoderInputIds?: TokenIds | undefined;
}

/**
 * The batch without its padding, or null where that cannot be done or saves nothing: a mask that hides positions before or
 * between those it keeps, or a whole row (which then attends to everything, pads too); no label that counts, whose loss is NaN;
 * ids on the device; decoderInputIds; no padding.
 * @throws as `forward` for ids outside the vocabulary and ragged rows
 */
export function packBatch(
  { inputIds, attentionMask, labels, decoderInputIds }: BatchInputs,
  config: T5Config,
  device: Device,
): PackedBatch | null {
  if (!isRows(inputIds) || !isRows(labels) || decoderInputIds !== undefined) return null;
  const sources = attentionMask === undefined ? inputIds.map((row) => row.length) : null;
  const sourceLengths = sources ?? keptLengths(attentionMask, inputIds);
  const targetLengths = labels.map((row) => row.findLastIndex((id) => id !== IGNORE_INDEX) + 1);
  if (sourceLengths === null || sum(targetLengths) === 0) return null;
  const [source, target] = [
    flatTokens("inputIds", inputIds, config.vocabSize),
    flatLabels(labels, inputIds.length, config.vocabSize),
  ];
  const kept = sum(sourceLengths) + sum(targetLengths);
  if (kept === source.flat.length + target.flat.length) return null;
  const vector = (ids: Int32Array<ArrayBuffer>): Tensor => tensor(ids, [ids.length], { device });
  const [sourceWidth, targetWidth] = [source.shape[1]!, target.shape[1]!];
  const packedLabels = pack(target.flat, targetWidth, targetLengths);
  return {
    source: {
      ids: vector(pack(source.flat, sourceWidth, sourceLengths)),
      ...{ lengths: sourceLengths, paddedLength: sourceWidth },
    },
    target: {
      ids: vector(shiftRight(packedLabels, targetLengths, config)),
      ...{ lengths: targetLengths, paddedLength: targetWidth },
    },
    labels: vector(packedLabels),
  };
}

function isRows(ids: TokenIds | undefined): ids is Rows {
  return Array.isArray(ids) && ids.every((row) => Array.isArray(row));
}

/** How many positions a mask keeps of each row; null unless they are the first ones of every row, and at least one. */
function keptLengths(mask: TokenIds | undefined, ids: Rows): number[] | null {
  if (!isRows(mask) || mask.length !== ids.length) return null;
  const lengths = mask.map((row) => row.lastIndexOf(1) + 1);
  const isPacked = mask.every(
    (row, b) =>
      lengths[b]! > 0 &&
      row.length === ids[b]!.length &&
      row.every((keep, i) => keep === (i < lengths[b]! ? 1 : 0)),
  );
  return isPacked ? lengths : null;
}

function sum(lengths: readonly number[]): number {
  return lengths.reduce((a, b) => a + b, 0);
}

/** The first `lengths[b]` of each row of `width`. */
function pack(
  flat: Int32Array<ArrayBuffer>,
  width: number,
  lengths: readonly number[],
): Int32Array<ArrayBuffer> {
  const packed = new Int32Array(sum(lengths));
  let at = 0;
  for (const [b, length] of lengths.entries()) {
    packed.set(flat.subarray(b * width, b * width + length), at);
    at += length;
  }
  return packed;
}

/** Labels moved right by one in each row, as src/kernels/moves/shiftRight.ts does. */
function shiftRight(
  labels: Int32Array<ArrayBuffer>,
  lengths: readonly number[],
  { decoderStartTokenId, padTokenId }: T5Config,
): Int32Array<ArrayBuffer> {
  const ids = labels.map((_, i) =>
    labels[i - 1] === IGNORE_INDEX ? padTokenId : (labels[i - 1] ?? 0),
  );
  let at = 0;
  for (const length of lengths) {
    if (length > 0) ids[at] = decoderStartTokenId;
    at += length;
  }
  return ids;
}
