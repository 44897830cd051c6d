// Writing safetensors files, byte for byte as the reference implementation does.

import { SafetensorsError } from "./errors.ts";
import {
  arrayTypeOf,
  dtypeOrder,
  isDtype,
  sizeInBits,
  type SafetensorsData,
  type SafetensorsDtype,
} from "./safetensorsDtype.ts";
import {
  compareEntries,
  formatHeader,
  isWholeNumbers,
  quoted,
  type SafetensorsEntry,
} from "./safetensorsHeader.ts";
import { formatShape, type Shape } from "./shape.ts";
import { writeAtomically } from "./writeAtomically.ts";

/** A tensor as `writeSafetensors` takes it. */
export interface SafetensorsInput {
  readonly dtype: SafetensorsDtype;
  readonly shape: Shape;
  /** Elements, or a function that gives them when their turn comes, so that they need not all be in memory. */
  readonly data: SafetensorsData | (() => SafetensorsData | Promise<SafetensorsData>);
}

/** What `writeSafetensors` writes: tensors by name. */
export type SafetensorsInputs =
  ReadonlyMap<string, SafetensorsInput> | Readonly<Record<string, SafetensorsInput>>;

/**
 * Writes a safetensors file: whole, or not at all. Node only; browsers make a Blob of `safetensorsChunks`.
 * @param path replaced when it exists
 * @param metadata texts for `__metadata__`; transformers wants { format: "pt" }
 * @throws {SafetensorsError} when a tensor's data does not fit its dtype and shape
 * @throws {GradloomError} when the file cannot be written
 */
export async function writeSafetensors(
  path: string,
  tensors: SafetensorsInputs,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeAtomically(path, safetensorsChunks(tensors, metadata));
}

/**
 * The bytes of a safetensors file: the header, then every tensor (views of the given data).
 * @throws {SafetensorsError} as writeSafetensors; before the first chunk, but for data that functions give
 */
export async function* safetensorsChunks(
  tensors: SafetensorsInputs,
  metadata: Readonly<Record<string, string>> = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const inputs = [...(isMap(tensors) ? tensors : Object.entries(tensors))];
  for (const [name, input] of inputs) checkInput(name, input);
  checkMetadata(metadata);
  inputs.sort(compareEntries);
  const entries: [string, SafetensorsEntry][] = [];
  let end = 0;
  for (const [name, { dtype, shape }] of inputs) {
    const begin = end;
    end += Number(sizeInBits(dtype, shape)! / 8n);
    entries.push([name, { dtype, shape, begin, end }]);
  }
  yield formatHeader(entries, metadata);
  for (const [name, input] of inputs) {
    const data = typeof input.data === "function" ? await input.data() : input.data;
    checkData(name, input, data);
    yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
}

function isMap(tensors: SafetensorsInputs): tensors is ReadonlyMap<string, SafetensorsInput> {
  return tensors instanceof Map;
}

function fail(name: string, what: string): never {
  throw new SafetensorsError(`writeSafetensors: tensor ${quoted(name)}: ${what}`);
}

function checkInput(name: string, input: SafetensorsInput): void {
  const { dtype, shape, data } = input;
  if (name === "__metadata__") fail(name, "the name is reserved, give the tensor another one");
  if (!isDtype(dtype)) {
    fail(name, `dtype must be one of ${dtypeOrder.join(", ")}, got ${JSON.stringify(dtype)}`);
  }
  if (!isWholeNumbers(shape)) {
    fail(name, `shape must be a list of whole numbers, got ${JSON.stringify(shape)}`);
  }
  const bits = sizeInBits(dtype, shape);
  if (bits === null || bits % 8n !== 0n || bits / 8n > Number.MAX_SAFE_INTEGER) {
    fail(name, `shape must fill whole bytes, fewer than 2^53, got ${dtype} ${formatShape(shape)}`);
  }
  if (typeof data !== "function") checkData(name, input, data);
}

function checkData(name: string, { dtype, shape }: SafetensorsInput, data: SafetensorsData): void {
  const wanted = arrayTypeOf(dtype);
  if (!(data instanceof wanted)) {
    fail(name, `data of dtype ${dtype} must be a ${wanted.name}, got ${typeName(data)}`);
  }
  const bytes = sizeInBits(dtype, shape)! / 8n;
  if (BigInt(data.byteLength) !== bytes) {
    fail(
      name,
      `data must hold the ${bytes} bytes of ${dtype} ${formatShape(shape)}, got ${data.byteLength}`,
    );
  }
}

function typeName(value: unknown): string {
  return typeof value === "object" && value !== null ? value.constructor.name : typeof value;
}

function checkMetadata(metadata: Readonly<Record<string, string>>): void {
  for (const [key, text] of Object.entries(metadata)) {
    if (typeof text !== "string") {
      throw new SafetensorsError(
        `writeSafetensors: metadata ${quoted(key)} must be a text, got ${typeName(text)}`,
      );
    }
  }
}
