// The pages of a column: checked, unpacked, and put together again for hyparquet as pages that are not packed.

import type { CompressionCodec } from "hyparquet";
import { refuse } from "./damage.ts";
import { checkRuns, checkSizedRuns, checkValues, type Values } from "./encodings.ts";
import type { Chunk } from "./layout.ts";
import { Cursor, readStruct, writeStruct, type Fields, type Writable } from "./thrift.ts";

/** Bytes of a page when it is unpacked. Writers make pages of 1 MiB, longer ones only for one long text. */
const MOST_PAGE = 2 ** 28;

export type Unpack = (codec: CompressionCodec, bytes: Uint8Array, size: number) => Uint8Array;

/** Bytes that a row group may still become. */
export interface Budget {
  left: number;
}

const DATA = 0;
const INDEX = 1;
const DICTIONARY = 2;
const DATA_2 = 3;
const RLE = 3;

/**
 * @param bytes of the chunk
 * @returns the same pages, unpacked, in pieces
 * @throws {ParquetDamage} for pages that are not what their headers say, or hold other than the chunk's values
 */
export function unpackedPages(
  bytes: Uint8Array,
  chunk: Chunk,
  unpack: Unpack,
  budget: Budget,
): Uint8Array[] {
  const { metadata, values } = chunk;
  const cursor = new Cursor(bytes);
  const pieces: Uint8Array[] = [];
  let hasDictionary = false;
  let left = values;
  const emit = (page: Uint8Array, header: { readonly [id: number]: Writable }, type: number) => {
    const sizes = { 1: type, 2: page.length, 3: page.length };
    pieces.push(Uint8Array.from(writeStruct({ ...sizes, ...header })), page);
  };
  while (left > 0) {
    if (cursor.left === 0) refuse(`${values - left} of ${values} values`);
    const header = readStruct(cursor);
    const type = number(header, 1, 3);
    const size = number(header, 2, MOST_PAGE);
    const packedSize = number(header, 3, cursor.left);
    const packed = bytes.subarray(cursor.offset, cursor.offset + packedSize);
    cursor.skip(packedSize);
    if (type === INDEX) continue;
    budget.left -= size;
    if (budget.left < 0) refuse("a row group that unpacks to far more bytes than it has");
    const open = (part: Uint8Array, partSize: number) => {
      const page = unpack(metadata.codec, part, partSize);
      if (page.length !== partSize) refuse(`a page of ${page.length} bytes instead of ${partSize}`);
      return page;
    };
    if (type === DICTIONARY) {
      if (hasDictionary) refuse("two dictionaries");
      const head = struct(header, 7);
      const count = number(head, 1, size + 1);
      const page = open(packed, size);
      checkValues(new Cursor(page), 0, valuesOf(chunk, count, false));
      hasDictionary = true;
      emit(page, { 7: { 1: count, 2: 0 } }, type);
      continue;
    }
    const head = struct(header, type === DATA ? 5 : 8);
    const count = number(head, 1, left);
    left -= count;
    const held = valuesOf(chunk, count, hasDictionary);
    if (type === DATA) {
      const page = open(packed, size);
      const encoding = checkDataPage(page, head, chunk, held);
      emit(page, { 5: { 1: count, 2: encoding, 3: RLE, 4: RLE } }, type);
    } else if (type === DATA_2) {
      const { page, sizes, encoding, nulls } = checkDataPage2(
        packed,
        size,
        head,
        chunk,
        held,
        open,
      );
      const rows = number(head, 3, count);
      const [repetition, definition] = sizes;
      const written = { 1: count, 2: nulls, 3: rows, 4: encoding, 5: definition, 6: repetition };
      emit(page, { 8: { ...written, 7: false } }, type);
    }
  }
  return pieces;
}

function valuesOf({ leaf }: Chunk, count: number, hasDictionary: boolean): Values {
  const { type, typeLength } = leaf;
  return { type, typeLength, count, hasDictionary, mostBytes: MOST_PAGE };
}

/** Levels, then values, packed together. @returns the encoding of the values */
function checkDataPage(page: Uint8Array, head: Fields, { leaf }: Chunk, values: Values): number {
  const cursor = new Cursor(page);
  const encoding = number(head, 2, 9);
  if (leaf.mostRepetition > 0) {
    if (number(head, 4, 9) !== RLE) refuse("levels that are not runs");
    checkSizedRuns(cursor, bitsOf(leaf.mostRepetition), values.count);
  }
  let { count } = values;
  if (leaf.mostDefinition > 0) {
    if (number(head, 3, 9) !== RLE) refuse("levels that are not runs");
    const begin = cursor.offset + 4;
    checkSizedRuns(cursor, bitsOf(leaf.mostDefinition), count);
    count = definedValues(new Cursor(page, begin, cursor.offset), leaf.mostDefinition, count);
  }
  checkValues(cursor, encoding, { ...values, count });
  return encoding;
}

/** Levels as they are, behind them the values, packed or not. */
function checkDataPage2(
  packed: Uint8Array,
  size: number,
  head: Fields,
  { leaf }: Chunk,
  values: Values,
  open: (part: Uint8Array, size: number) => Uint8Array,
) {
  const { count } = values;
  const encoding = number(head, 4, 9);
  const nulls = number(head, 2, count);
  const definition = number(head, 5, Math.min(size, packed.length));
  const repetition = number(head, 6, Math.min(size, packed.length) - definition);
  const levels = repetition + definition;
  const check = (most: number, begin: number, length: number) => {
    if (most > 0) checkRuns(new Cursor(packed, begin, begin + length), bitsOf(most), count);
    else if (length > 0) refuse("levels of a column without levels");
  };
  check(leaf.mostRepetition, 0, repetition);
  check(leaf.mostDefinition, repetition, definition);
  const defined =
    leaf.mostDefinition === 0
      ? count
      : definedValues(new Cursor(packed, repetition, levels), leaf.mostDefinition, count);
  if (defined !== count - nulls) refuse(`${count - defined} missing values instead of ${nulls}`);
  const isPacked = (head.numbers.get(7) ?? 1) === 1;
  const rest = packed.subarray(levels);
  const content = isPacked ? open(rest, size - levels) : rest;
  if (content.length !== size - levels)
    refuse(`a page of ${packed.length} bytes instead of ${size}`);
  checkValues(new Cursor(content), encoding, { ...values, count: defined });
  const page = new Uint8Array(size);
  page.set(packed.subarray(0, levels));
  page.set(content, levels);
  return { page, sizes: [repetition, definition] as const, encoding, nulls };
}

/** How many of the levels are the highest, which a value stands for. The runs have been checked. */
function definedValues(cursor: Cursor, most: number, count: number): number {
  const bits = bitsOf(most);
  let defined = 0;
  for (let left = count; left > 0;) {
    const head = cursor.varint();
    const length = Math.floor(head / 2);
    if (head % 2 === 0) {
      if (cursor.byte() === most) defined += length;
      left -= length;
      continue;
    }
    const begin = cursor.offset * 8;
    cursor.skip(length * bits);
    const here = Math.min(left, length * 8);
    for (let i = 0; i < here; i++) {
      const bit = begin + i * bits;
      const pair = cursor.bytes[bit >> 3]! | ((cursor.bytes[(bit >> 3) + 1] ?? 0) << 8);
      if (((pair >> (bit & 7)) & (2 ** bits - 1)) === most) defined++;
    }
    left -= here;
  }
  return defined;
}

/** Bits of a level; at most 6, for columns are at most 32 deep. */
function bitsOf(most: number): number {
  return 32 - Math.clz32(most);
}

function number({ numbers }: Fields, id: number, most: number): number {
  const value = numbers.get(id) ?? NaN;
  if (Number.isInteger(value) && value >= 0 && value <= most) return value;
  return refuse(Number.isNaN(value) ? "a page without sizes" : "a page of impossible sizes");
}

function struct({ structs }: Fields, id: number): Fields {
  return structs.get(id) ?? refuse("a page without its header");
}
