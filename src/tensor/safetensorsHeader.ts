// The header of a safetensors file: what it may say, how it is checked, how it is written.
//
//   8 bytes     length N of the header, little-endian
//   N bytes     JSON { name: { dtype, shape, data_offsets: [begin, end] }, __metadata__: { key: text } }, padded with spaces
//   the rest    elements, little-endian, row-major; offsets count from its first byte
//
// Source: https://github.com/huggingface/safetensors (README and safetensors/src/tensor.rs).

import { findDuplicateKey } from "./duplicateKeys.ts";
import { SafetensorsError } from "./errors.ts";
import { parseJson as parseJsonText } from "./json.ts";
import { dtypeOrder, isDtype, sizeInBits, type SafetensorsDtype } from "./safetensorsDtype.ts";
import { formatShape, type Shape } from "./shape.ts";

/** Longest header that readers accept, in bytes: a limit of the format, against hostile files. */
export const MAX_HEADER_BYTES = 100_000_000;

/** Lists and objects in each other that Rust's reader accepts. */
const MOST_DEPTH = 127;

/** Where a tensor lies: `begin` and `end` in bytes from the start of the data. */
export interface SafetensorsEntry {
  readonly dtype: SafetensorsDtype;
  readonly shape: Shape;
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** Tensors by name, in the order of their bytes. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  /** The texts of `__metadata__`; empty when the file has none. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The cure for a file that breaks the rules of the format. */
export const DAMAGED = "The file is damaged: download or write it again.";

/** A name as messages show it: quoted, on one line, not endless. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}...` : name);
}

/**
 * Parses the header's JSON and checks every statement in it against the size of the data.
 * @param file name of the file, for messages
 * @param json the header's text, padding included
 * @param dataBytes bytes of the file after the header
 * @throws {SafetensorsError} for anything the format forbids
 */
export function parseHeader(file: string, json: string, dataBytes: number): SafetensorsHeader {
  const fields = Object.entries(parseJson(file, json));
  const entries = fields
    .filter(([name]) => name !== "__metadata__")
    .map(([name, value]): [string, SafetensorsEntry] => [name, parseEntry(file, name, value)])
    .sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  checkCoverage(file, entries, dataBytes);
  const metadata = fields.find(([name]) => name === "__metadata__")?.[1];
  return { entries: new Map(entries), metadata: parseMetadata(file, metadata) };
}

function parseJson(file: string, json: string): Record<string, unknown> {
  if (!json.startsWith("{")) {
    throw new SafetensorsError(
      `safetensors: ${file}: the header must begin with "{", got ${quoted(json.slice(0, 20))}. ${DAMAGED}`,
    );
  }
  let parsed: unknown;
  try {
    parsed = parseJsonText(json, MOST_DEPTH);
  } catch (error) {
    const reason = (error as Error).message.replace(/\s+/g, " ");
    throw new SafetensorsError(
      `safetensors: ${file}: the header must be JSON, got ${reason}. ${DAMAGED}`,
      { cause: error },
    );
  }
  const duplicate = findDuplicateKey(json);
  if (duplicate !== null) {
    throw new SafetensorsError(
      `safetensors: ${file}: every key of the header must be unique, got ${quoted(duplicate)} twice. ${DAMAGED}`,
    );
  }
  const half = json.includes("\\u") ? halfPairIn(parsed) : undefined;
  if (half !== undefined) {
    throw new SafetensorsError(
      `safetensors: ${file}: texts of the header must be Unicode, got half of a surrogate pair in ${quoted(half)}. ${DAMAGED}`,
    );
  }
  return parsed as Record<string, unknown>;
}

/** A text with half of a surrogate pair, which JSON can say as \ud800 and UTF-8 has no bytes for; undefined where there is none. */
function halfPairIn(value: unknown): string | undefined {
  if (typeof value === "string") return /\p{Surrogate}/u.test(value) ? value : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  for (const inner of Object.entries(value).flat()) {
    const found = halfPairIn(inner);
    if (found !== undefined) return found;
  }
  return undefined;
}

function parseEntry(file: string, name: string, value: unknown): SafetensorsEntry {
  const fail = (what: string, actual: unknown): never => {
    const shown = quoted(JSON.stringify(actual) ?? "nothing")
      .slice(1, -1)
      .replaceAll('\\"', '"');
    throw new SafetensorsError(
      `safetensors: ${file}: tensor ${quoted(name)}: ${what}, got ${shown}. ${DAMAGED}`,
    );
  };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return fail("must be an object with dtype, shape and data_offsets", value);
  }
  const info = value as Record<string, unknown>;
  const { dtype, shape, data_offsets: offsets } = info;
  if (!isDtype(dtype)) return fail(`dtype must be one of ${dtypeOrder.join(", ")}`, dtype);
  if (!isWholeNumbers(shape))
    return fail("shape must be a list of whole numbers below 2^53", shape);
  if (!isWholeNumbers(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    return fail("data_offsets must be [begin, end] with 0 <= begin <= end", offsets);
  }
  const [begin, end] = offsets as [number, number];
  const bits = sizeInBits(dtype, shape);
  if (bits === null) return fail(`shape must describe fewer than 2^64 bits of ${dtype}`, shape);
  if (bits % 8n !== 0n) return fail(`shape must fill whole bytes of ${dtype}`, shape);
  if (bits / 8n !== BigInt(end - begin)) {
    return fail(
      `data_offsets must span the ${bits / 8n} bytes of ${dtype} ${formatShape(shape)}`,
      offsets,
    );
  }
  return { dtype, shape, begin, end };
}

/** Checks that the tensors, in the order of their offsets, fill the data without gap or overlap. */
function checkCoverage(
  file: string,
  entries: readonly (readonly [string, SafetensorsEntry])[],
  dataBytes: number,
): void {
  let end = 0;
  let before = "the header";
  for (const [name, entry] of entries) {
    if (entry.begin !== end) {
      const fault = entry.begin < end ? "overlaps" : "leaves unused bytes after";
      throw new SafetensorsError(
        `safetensors: ${file}: tensor ${quoted(name)} ${fault} ${before}: data_offsets must begin at ${end}, got [${entry.begin}, ${entry.end}]. ${DAMAGED}`,
      );
    }
    end = entry.end;
    before = `tensor ${quoted(name)}`;
    if (end > dataBytes) {
      throw new SafetensorsError(
        `safetensors: ${file}: tensor ${quoted(name)}: data_offsets must end within the ${dataBytes} bytes of data, got [${entry.begin}, ${end}]. The file is cut short: download or write it again.`,
      );
    }
  }
  if (end !== dataBytes) {
    throw new SafetensorsError(
      `safetensors: ${file}: the file must end with ${before}, got ${dataBytes - end} bytes more. ${DAMAGED}`,
    );
  }
}

function parseMetadata(file: string, value: unknown): Record<string, string> {
  // The reference implementation takes null for none.
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new SafetensorsError(
      `safetensors: ${file}: __metadata__ must be an object of texts, got ${quoted(JSON.stringify(value))}. ${DAMAGED}`,
    );
  }
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") {
      throw new SafetensorsError(
        `safetensors: ${file}: __metadata__: ${quoted(key)} must be a text, got ${quoted(JSON.stringify(text))}. ${DAMAGED}`,
      );
    }
  }
  return value as Record<string, string>;
}

/**
 * The bytes before the data: length, JSON, spaces up to a multiple of 8.
 * @param entries in the order in which the header names them
 */
export function formatHeader(
  entries: Iterable<readonly [string, SafetensorsEntry]>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const fields: string[] = [];
  if (Object.keys(metadata).length > 0) fields.push(`"__metadata__":${JSON.stringify(metadata)}`);
  for (const [name, { dtype, shape, begin, end }] of entries) {
    const info = JSON.stringify({ dtype, shape, data_offsets: [begin, end] });
    fields.push(`${JSON.stringify(name)}:${info}`);
  }
  const json = new TextEncoder().encode(`{${fields.join(",")}}`);
  const padded = Math.ceil(json.length / 8) * 8;
  if (padded > MAX_HEADER_BYTES) {
    throw new SafetensorsError(
      `writeSafetensors: names, shapes and metadata must fit in ${MAX_HEADER_BYTES} bytes, got ${padded}. Write several files.`,
    );
  }
  const bytes = new Uint8Array(8 + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  return bytes;
}

/** The order of tensors in a file: wide dtypes first, so that elements stay aligned; then by name, bytewise. */
export function compareEntries(
  [nameA, a]: readonly [string, { readonly dtype: SafetensorsDtype }],
  [nameB, b]: readonly [string, { readonly dtype: SafetensorsDtype }],
): number {
  return (
    dtypeOrder.indexOf(b.dtype) - dtypeOrder.indexOf(a.dtype) || compareCodePoints(nameA, nameB)
  );
}

/** UTF-8 sorts as code points do; `<` on strings compares UTF-16 units, which differs above U+FFFF. */
function compareCodePoints(a: string, b: string): number {
  const pointsA = Array.from(a);
  const pointsB = Array.from(b);
  for (let i = 0; i < Math.min(pointsA.length, pointsB.length); i++) {
    const difference = pointsA[i]!.codePointAt(0)! - pointsB[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return pointsA.length - pointsB.length;
}

export function isWholeNumbers(list: unknown): list is number[] {
  return Array.isArray(list) && list.every((item) => Number.isSafeInteger(item) && item >= 0);
}
