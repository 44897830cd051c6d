// Reading safetensors files (and, re-exported, writing them). 16-bit floats stay the bits they are (Uint16Array); what the
// numbers mean to a tensor is the business of who loads them.

import { openByteSource, type ByteSource } from "./byteSource.ts";
import { SafetensorsError } from "./errors.ts";
import { mistakenFor } from "./mistakenFiles.ts";
import {
  arrayTypeOf,
  sizeInBits,
  type SafetensorsData,
  type SafetensorsDtype,
} from "./safetensorsDtype.ts";
import {
  DAMAGED,
  MAX_HEADER_BYTES,
  parseHeader,
  quoted,
  type SafetensorsEntry,
  type SafetensorsHeader,
} from "./safetensorsHeader.ts";
import type { Shape } from "./shape.ts";

export type { SafetensorsData, SafetensorsDtype, SafetensorsEntry };
export { safetensorsChunks, writeSafetensors } from "./safetensorsWriter.ts";
export type { SafetensorsInput, SafetensorsInputs } from "./safetensorsWriter.ts";

/** A tensor as `readSafetensors` gives it. */
export interface SafetensorsTensor {
  readonly dtype: SafetensorsDtype;
  readonly shape: Shape;
  /** Row-major elements: 16-bit floats as Uint16Array, I64 and U64 as BigInt arrays, BOOL and 8-bit floats as Uint8Array. */
  readonly data: SafetensorsData;
}

/** The cure for a file that begins like none that is known. */
const WRITE_AGAIN = "The file is damaged or not safetensors: download or write it again.";

/** An open file whose header has been checked; its tensors are read one by one. */
export class SafetensorsFile {
  /** Name of the file, for messages. */
  readonly name: string;
  /** dtype, shape and place of every tensor, in the order of their bytes. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #source: ByteSource;
  readonly #dataStart: number;
  #closed = false;

  /** @internal Use `openSafetensors`. */
  constructor(source: ByteSource, header: SafetensorsHeader, dataStart: number) {
    this.name = source.name;
    this.entries = header.entries;
    this.metadata = header.metadata;
    this.#source = source;
    this.#dataStart = dataStart;
  }

  /**
   * Reads one tensor into an array of its own.
   * @throws {SafetensorsError} when there is no tensor `name`, or after `close`
   */
  async read(name: string): Promise<SafetensorsTensor> {
    const { dtype, shape, begin, end } = this.#entry(name);
    const buffer = await this.#source.read(this.#dataStart + begin, this.#dataStart + end);
    return { dtype, shape, data: new (arrayTypeOf(dtype))(buffer) };
  }

  /**
   * @internal Reads elements first..last of a tensor, row-major, so that a large one need not be in memory whole.
   * @throws {SafetensorsError} as `read`
   */
  async readPart(name: string, first: number, last: number): Promise<SafetensorsData> {
    const { dtype, begin } = this.#entry(name);
    const bytes = Number(sizeInBits(dtype, [1])!) / 8;
    const at = this.#dataStart + begin;
    const buffer = await this.#source.read(at + first * bytes, at + last * bytes);
    return new (arrayTypeOf(dtype))(buffer);
  }

  #entry(name: string): SafetensorsEntry {
    if (this.#closed) {
      throw new SafetensorsError(`safetensors: ${this.name} must be open to be read, got closed`);
    }
    const entry = this.entries.get(name);
    if (entry !== undefined) return entry;
    throw new SafetensorsError(
      `safetensors: ${this.name}: has no tensor ${quoted(name)} among its ${this.entries.size}`,
    );
  }

  /** Closes the file. Safe to repeat. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#source.close();
  }
}

/**
 * Opens a safetensors file and reads its header only. Close it when done.
 * @param source path (Node only), bytes or Blob
 * @throws {SafetensorsError} when the file is missing or breaks a rule of the format
 */
export async function openSafetensors(
  source: string | Uint8Array | Blob,
): Promise<SafetensorsFile> {
  const bytes = await openByteSource(source);
  try {
    const headerBytes = await readHeaderLength(bytes);
    const dataStart = 8 + headerBytes;
    const json = decodeUtf8(bytes.name, await bytes.read(8, dataStart));
    const header = parseHeader(bytes.name, json, bytes.size - dataStart);
    return new SafetensorsFile(bytes, header, dataStart);
  } catch (error) {
    await bytes.close();
    throw error;
  }
}

/**
 * Reads all tensors of a safetensors file.
 * @param source path (Node only), bytes or Blob
 * @throws {SafetensorsError} when the file is missing or breaks a rule of the format
 */
export async function readSafetensors(source: string | Uint8Array | Blob): Promise<{
  tensors: Map<string, SafetensorsTensor>;
  metadata: Readonly<Record<string, string>>;
}> {
  const file = await openSafetensors(source);
  try {
    const tensors = new Map<string, SafetensorsTensor>();
    for (const name of file.entries.keys()) tensors.set(name, await file.read(name));
    return { tensors, metadata: file.metadata };
  } finally {
    await file.close();
  }
}

async function readHeaderLength(bytes: ByteSource): Promise<number> {
  if (bytes.size < 8) {
    throw new SafetensorsError(
      `safetensors: ${bytes.name}: the file must hold at least 8 bytes, got ${bytes.size}. ${DAMAGED}`,
    );
  }
  const start = await bytes.read(0, Math.min(bytes.size, 64));
  const length = new DataView(start).getBigUint64(0, true);
  const limit = Math.min(MAX_HEADER_BYTES, bytes.size - 8);
  if (length > limit) {
    throw new SafetensorsError(
      `safetensors: ${bytes.name}: the length of the header must be at most ${limit} bytes, got ${length}. ${mistakenFor(start) ?? WRITE_AGAIN}`,
    );
  }
  return Number(length);
}

function decodeUtf8(file: string, buffer: ArrayBuffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(buffer);
  } catch (error) {
    throw new SafetensorsError(
      `safetensors: ${file}: the header must be UTF-8 text, got other bytes. ${DAMAGED}`,
      { cause: error },
    );
  }
}
