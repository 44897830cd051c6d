// What the bytes of a page must be so that hyparquet's loops over them end, stay in the page and take memory in
// proportion to it (https://parquet.apache.org/docs/file-format/data-pages/encodings). hyparquet itself checks little: a
// run of 2^31 equal values is written into an array one by one.

import type { ParquetType } from "hyparquet";
import { refuse } from "./damage.ts";
import type { Cursor } from "./thrift.ts";

/** Bits of a dictionary index. hyparquet collects bits in 32, so wider ones come out wrong; 2^24 entries are in no page. */
const MOST_INDEX_BITS = 24;
/** Values of a block of deltas. Writers use 128 or 256. */
const MOST_BLOCK = 2 ** 16;

/** Bytes of a value where all are as long. */
const WIDTHS: Partial<Record<ParquetType, number>> = {
  INT32: 4,
  INT64: 8,
  INT96: 12,
  FLOAT: 4,
  DOUBLE: 8,
};

/** The column of a page, and what it holds. */
export interface Values {
  readonly type: ParquetType;
  /** Bytes of a value of FIXED_LEN_BYTE_ARRAY. */
  readonly typeLength: number | undefined;
  readonly count: number;
  /** Whether a dictionary page came before. */
  readonly hasDictionary: boolean;
  /** Bytes that values may become in memory. */
  readonly mostBytes: number;
}

/**
 * @param encoding its number in the format
 * @throws {ParquetDamage} unless the cursor's bytes hold `count` values
 */
export function checkValues(cursor: Cursor, encoding: number, values: Values): void {
  const { type, count } = values;
  switch (encoding) {
    case 0:
      return checkPlain(cursor, values);
    case 2: // PLAIN_DICTIONARY
    case 8: {
      if (!values.hasDictionary) refuse("indices without a dictionary");
      if (type === "BOOLEAN") refuse("a dictionary of booleans");
      if (count === 0) return;
      const bits = cursor.byte();
      if (bits > MOST_INDEX_BITS) refuse(`dictionary indices of ${bits} bits`);
      return checkRuns(cursor, bits, count);
    }
    case 3: // RLE
      if (type !== "BOOLEAN") refuse("runs of values that are no booleans");
      return checkSizedRuns(cursor, 1, count);
    case 5:
      if (type !== "INT32" && type !== "INT64") refuse("deltas of values that are no integers");
      return void readDeltas(cursor, count);
    case 6:
      return checkBytes(cursor, values, undefined);
    case 7:
      return checkBytes(cursor, values, readDeltas(cursor, count, true));
    case 9:
      if (type === "INT96" || type === "BOOLEAN" || type === "BYTE_ARRAY")
        refuse(`split streams of ${type}`);
      return cursor.skip(count * fixedWidth(values));
    default:
      return refuse(`values of the unknown encoding ${encoding}`);
  }
}

/** Runs behind their length in bytes. */
export function checkSizedRuns(cursor: Cursor, bits: number, count: number): void {
  const length = cursor.uint32();
  if (length > cursor.left) refuse("levels that are cut off");
  const end = cursor.offset + length;
  checkRuns(cursor, bits, count, end);
  cursor.offset = end;
}

/** Values of so many bits, as runs of equal ones and packed in eights. */
export function checkRuns(cursor: Cursor, bits: number, count: number, end = cursor.end): void {
  for (let left = count; left > 0;) {
    const head = cursor.varint();
    const length = Math.floor(head / 2);
    if (head >= 2 ** 31) refuse("a run without an end");
    if (head % 2 === 0) {
      if (length > left) refuse(`a run of ${length} values where ${left} are left`);
      cursor.skip((bits + 7) >> 3);
      left -= length;
    } else {
      // The last eight may be filled up, and writers fill up to some more.
      if (length * 8 >= left + 512) refuse(`${length * 8} packed values where ${left} are left`);
      cursor.skip(length * bits);
      left -= length * 8;
    }
  }
  if (cursor.offset > end) refuse("runs that are cut off");
}

function checkPlain(cursor: Cursor, values: Values): void {
  const { type, count } = values;
  if (type === "BOOLEAN") cursor.skip(Math.ceil(count / 8));
  else if (type !== "BYTE_ARRAY") cursor.skip(count * fixedWidth(values));
  else for (let i = 0; i < count; i++) cursor.skip(cursor.uint32());
}

function fixedWidth({ type, typeLength }: Values): number {
  const width = type === "FIXED_LEN_BYTE_ARRAY" ? typeLength : WIDTHS[type];
  return width ?? refuse(`values of ${type} without a length`);
}

/** @param prefixes bytes that each value has in common with the one before */
function checkBytes(cursor: Cursor, values: Values, prefixes: Float64Array | undefined): void {
  const { type, count, mostBytes } = values;
  if (type !== "BYTE_ARRAY" && type !== "FIXED_LEN_BYTE_ARRAY") refuse(`lengths of ${type}`);
  const lengths = readDeltas(cursor, count, true);
  let sum = 0;
  for (let i = 0, previous = 0; i < count; i++) {
    const prefix = prefixes?.[i] ?? 0;
    if (!(prefix >= 0 && prefix <= previous && lengths[i]! >= 0))
      refuse("texts of impossible lengths");
    previous = prefix + lengths[i]!;
    sum += previous;
    if (sum > mostBytes) refuse(`texts of more than ${mostBytes} bytes in a page`);
    cursor.skip(lengths[i]!);
  }
}

/**
 * Integers as differences, with a walk that steps over bits where nobody asks for the values.
 * @returns the values when they are wanted, else an empty array
 */
function readDeltas(cursor: Cursor, count: number, isWanted = false): Float64Array {
  const block = cursor.varint();
  const parts = cursor.varint();
  const inPart = block / parts;
  const isPossible = block > 0 && block <= MOST_BLOCK && parts > 0 && inPart % 8 === 0;
  if (!isPossible) refuse(`blocks of ${block} deltas in ${parts} parts`);
  if (cursor.varint() < count) refuse("fewer deltas than values");
  const values = new Float64Array(isWanted ? count : 0);
  let value = cursor.zigzag();
  if (isWanted && count > 0) values[0] = value;
  for (let done = 1; done < count;) {
    const least = cursor.zigzag();
    const widths = cursor.offset;
    cursor.skip(parts);
    for (let part = 0; part < parts && done < count; part++) {
      const bits = cursor.bytes[widths + part]!;
      if (bits > 64) refuse(`deltas of ${bits} bits`);
      const begin = cursor.offset;
      cursor.skip((inPart * bits) / 8);
      for (let i = 0; isWanted && i < inPart && done + i < count; i++) {
        value += least + bitsAt(cursor.bytes, begin * 8 + i * bits, bits);
        values[done + i] = value | 0; // lengths are integers of 32 bits, which go round
        value = values[done + i]!;
      }
      done += inPart;
    }
  }
  return values;
}

function bitsAt(bytes: Uint8Array, place: number, count: number): number {
  let value = 0;
  for (let i = 0, unit = 1; i < count; i++, unit *= 2) {
    const bit = place + i;
    if ((bytes[bit >> 3]! >> (bit & 7)) & 1) value += unit;
  }
  return value;
}
