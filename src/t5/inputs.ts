// From rows of numbers to the tensors a forward pass reads, with the checks that belong there.

import { formatValue } from "../fields/rules.ts";
import { IGNORE_INDEX } from "../kernels/rows/crossEntropy.ts";
import { shiftRightForward } from "../kernels/moves/shiftRight.ts";
import type { Device } from "../tensor/device.ts";
import { ArgumentError, ShapeError } from "../tensor/errors.ts";
import { formatShape, sameShape, type Shape } from "../tensor/shape.ts";
import { tensor, Tensor } from "../tensor/tensor.ts";
import type { T5Config } from "./config.ts";

/** Rows of token ids, or an i32 tensor [B, L] that the caller vouches for. */
export type TokenIds = readonly (readonly number[])[] | Tensor;

/**
 * What a caller from JavaScript may leave out.
 * @throws {ArgumentError} unless there are inputs with inputIds
 */
export function checkInputs(caller: string, inputs: unknown): void {
  const given = typeof inputs === "object" && inputs !== null ? inputs : {};
  if ("inputIds" in given && given.inputIds !== undefined) return;
  const got = given === inputs ? `{ ${Object.keys(given).join(", ")} }` : nameOf(inputs);
  throw new ArgumentError(
    `${caller}: needs inputs with inputIds, got ${got}. ` +
      "Pass { inputIds: [[...ids of a row]] }, which a tokenizer makes of text.",
  );
}

function nameOf(value: unknown): string {
  if (value === undefined) return "nothing";
  return value === null ? "null" : `a ${typeof value}`;
}

/** @throws {ArgumentError} unless they are lists of lists @throws {ShapeError} unless rows are of one length of at least 1 */
function checkRows(name: string, rows: readonly (readonly number[])[]): Shape {
  const wrong = Array.isArray(rows)
    ? (rows as readonly unknown[]).find((row) => !Array.isArray(row) && !ArrayBuffer.isView(row))
    : rows;
  if (!Array.isArray(rows) || wrong !== undefined || rows.includes(undefined)) {
    const where = Array.isArray(rows) ? "a row that is " : "";
    throw new ArgumentError(
      `${name}: must be rows of token ids ([[5, 1]]), got ${where}${nameOf(wrong)}. Text becomes ids by a tokenizer's encode().`,
    );
  }
  const width = rows[0]?.length ?? 0;
  if (width === 0) {
    throw new ShapeError(
      `${name}: must be at least one row of at least one id, got ${rows.length} rows of ${width}`,
    );
  }
  const ragged = rows.findIndex((row) => row.length !== width);
  if (ragged >= 0) {
    throw new ShapeError(
      `${name}: rows must have one length, got ${width} in row 0 and ${rows[ragged]!.length} in row ${ragged}. Pad them.`,
    );
  }
  return [rows.length, width];
}

function toTensor(
  name: string,
  ids: TokenIds,
  device: Device,
  allowed: (id: number) => boolean,
  range: string,
): Tensor {
  if (ids instanceof Tensor) {
    if (ids.rank !== 2 || ids.dtype !== "i32") {
      throw new ShapeError(
        `${name}: must be an i32 tensor [B, L], got ${ids.dtype} ${formatShape(ids.shape)}`,
      );
    }
    return ids;
  }
  const { flat, shape } = flatIds(name, ids, allowed, range);
  return tensor(flat, shape, { device });
}

/** @throws as checkRows, and {ArgumentError} for an id that is not allowed */
function flatIds(
  name: string,
  ids: readonly (readonly number[])[],
  allowed: (id: number) => boolean,
  range: string,
): FlatRows {
  const shape = checkRows(name, ids);
  checkEach(name, ids, allowed, range);
  const flat = new Int32Array(shape[0]! * shape[1]!);
  ids.forEach((row, b) => flat.set(row, b * shape[1]!));
  return { flat, shape };
}

/** @throws {ArgumentError} for a number that is not allowed */
function checkEach(
  name: string,
  rows: readonly (readonly number[])[],
  allowed: (id: number) => boolean,
  range: string,
): void {
  rows.forEach((row, b) =>
    row.forEach((id, i) => {
      if (Number.isInteger(id) && allowed(id)) return;
      throw new ArgumentError(
        `${name}: must be ${range}, got ${formatValue(id)} in row ${b} at ${i}. Do tokenizer and model belong together?`,
      );
    }),
  );
}

/** Rows of token ids and what is hidden of them, as a tokenizer gives them. */
export interface EncoderInputs {
  readonly inputIds: readonly (readonly number[])[];
  /** 1 keeps, 0 hides. */
  readonly attentionMask?: readonly (readonly number[])[] | undefined;
}

/**
 * What generation reads, checked.
 * @param ragged lets rows be of different lengths
 * @throws {ArgumentError} for what is no row, an id outside 0..vocabSize-1, a mask of other numbers than 0 and 1
 * @throws {ShapeError} for rows of no or different lengths, and a mask of another shape
 */
export function checkEncoderInputs(
  caller: string,
  inputs: EncoderInputs,
  { vocabSize }: Pick<T5Config, "vocabSize">,
  ragged: boolean,
): void {
  checkInputs(caller, inputs);
  const { inputIds, attentionMask: mask } = inputs;
  if (ragged) for (const row of checkList("inputIds", inputIds)) checkRows("inputIds", [row]);
  else checkRows("inputIds", inputIds);
  const isId = (id: number): boolean => id >= 0 && id < vocabSize;
  checkEach("inputIds", inputIds, isId, `ids in 0..${vocabSize - 1}`);
  if (mask === undefined) return;
  if (ragged) for (const row of checkList("attentionMask", mask)) checkRows("attentionMask", [row]);
  else checkRows("attentionMask", mask);
  checkEach("attentionMask", mask, (keep) => keep === 0 || keep === 1, "0 or 1");
  const other = inputIds.findIndex((row, b) => row.length !== mask[b]?.length);
  if (other < 0 && mask.length === inputIds.length) return;
  const shapes = [inputIds, mask].map((rows) =>
    formatShape([rows.length, rows[Math.max(other, 0)]?.length ?? 0]),
  );
  throw new ShapeError(
    `attentionMask: must be ${shapes[0]} as inputIds, got ${shapes[1]}${ragged ? ` (row ${Math.max(other, 0)})` : ""}`,
  );
}

/** @throws {ArgumentError} unless it is a list */
function checkList<T>(name: string, rows: readonly T[]): readonly T[] {
  if (Array.isArray(rows)) return rows as readonly T[];
  throw new ArgumentError(
    `${name}: must be rows of token ids ([[5, 1]]), got ${nameOf(rows)}. Text becomes ids by a tokenizer's encode().`,
  );
}

/** Which ids are allowed, and how a message says it. */
const inVocabulary = (vocabSize: number) =>
  [(id: number) => id >= 0 && id < vocabSize, `ids in 0..${vocabSize - 1}`] as const;
const inLabels = (vocabSize: number) => {
  const [isId, range] = inVocabulary(vocabSize);
  return [(id: number) => id === IGNORE_INDEX || isId(id), `${range}, or ${IGNORE_INDEX}`] as const;
};

/** Token ids as i32 [B, L]. @throws {ArgumentError} for an id outside 0..vocabSize-1 */
export function tokenTensor(
  name: string,
  ids: TokenIds,
  vocabSize: number,
  device: Device,
): Tensor {
  return toTensor(name, ids, device, ...inVocabulary(vocabSize));
}

/** Labels as i32 [B, T]; IGNORE_INDEX is allowed. @throws {ShapeError} unless there are `batch` rows */
export function labelsTensor(
  ids: TokenIds,
  batch: number,
  vocabSize: number,
  device: Device,
): Tensor {
  const labels = toTensor("labels", ids, device, ...inLabels(vocabSize));
  checkRowCount(labels.shape, batch);
  return labels;
}

function checkRowCount(labels: Shape, batch: number): void {
  if (labels[0] === batch) return;
  throw new ShapeError(`labels: must have ${batch} rows as inputIds, got ${labels[0]}`);
}

/** Rows of one length as one array. */
export interface FlatRows {
  readonly flat: Int32Array<ArrayBuffer>;
  /** [B, L] */
  readonly shape: Shape;
}

/** As tokenTensor, on the host. */
export function flatTokens(
  name: string,
  rows: readonly (readonly number[])[],
  vocabSize: number,
): FlatRows {
  return flatIds(name, rows, ...inVocabulary(vocabSize));
}

/** As labelsTensor, on the host. */
export function flatLabels(
  rows: readonly (readonly number[])[],
  batch: number,
  vocabSize: number,
): FlatRows {
  const labels = flatIds("labels", rows, ...inLabels(vocabSize));
  checkRowCount(labels.shape, batch);
  return labels;
}

/** The mask as i32 [B, S], or undefined when it hides nothing. @throws {ShapeError} unless it matches the ids */
export function maskTensor(
  mask: TokenIds | undefined,
  shape: Shape,
  device: Device,
): Tensor | undefined {
  if (mask === undefined) return undefined;
  if (!(mask instanceof Tensor)) {
    checkRows("attentionMask", mask);
    const keepsAll = mask.every((row) => row.every((keep) => keep === 1));
    if (keepsAll && mask.length === shape[0] && mask[0]?.length === shape[1]) return undefined;
  }
  const result = toTensor(
    "attentionMask",
    mask,
    device,
    (keep) => keep === 0 || keep === 1,
    "0 or 1",
  );
  if (!sameShape(result.shape, shape)) {
    throw new ShapeError(
      `attentionMask: must be ${formatShape(shape)} as inputIds, got ${formatShape(result.shape)}`,
    );
  }
  return result;
}

/**
 * What the decoder reads: given ids, or labels moved right by one behind the start token, with ignored
 * labels as pad (docs/guide/hugging-face-semantics.md 1.9).
 * @throws {ArgumentError} when there is neither
 */
export function decoderInput(
  ids: TokenIds | undefined,
  labels: Tensor | undefined,
  config: T5Config,
  device: Device,
): Tensor {
  const { decoderStartTokenId, padTokenId, vocabSize } = config;
  if (ids !== undefined) {
    const given = tokenTensor("decoderInputIds", ids, vocabSize, device);
    if (labels && !sameShape(given.shape, labels.shape)) {
      throw new ShapeError(
        `labels: must be ${formatShape(given.shape)} as decoderInputIds, got ${formatShape(labels.shape)}`,
      );
    }
    return given;
  }
  if (labels)
    return shiftRightForward(labels, {
      start: decoderStartTokenId,
      ignored: IGNORE_INDEX,
      pad: padTokenId,
    });
  throw new ArgumentError(
    "forward: needs labels or decoderInputIds, got neither. Pass one of them.",
  );
}
