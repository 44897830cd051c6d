// Thrift's compact protocol, as far as Parquet's headers use it
// (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md): read with limits, because
// hyparquet believes every length in it; and written for pages that go on to hyparquet unpacked.

import { refuse } from "./damage.ts";

/** The numbers of a struct by their ids (booleans as 0 and 1), and structs in it likewise. Texts and lists are passed over. */
export interface Fields {
  readonly numbers: ReadonlyMap<number, number>;
  readonly structs: ReadonlyMap<number, Fields>;
}

/** Structs in structs: Parquet's own go six deep. */
const MOST_DEPTH = 16;
/** Values of one footer: each becomes an object of some hundred bytes. A file of 1,000 row groups and 100 columns has 3 million. */
const MOST_VALUES = 4_000_000;
/** Bytes of an integer of 64 bits, seven bits in each. */
const MOST_VARINT = 10;

const TRUE = 1;
const FALSE = 2;
const BYTE = 3;
const I16 = 4;
const I32 = 5;
const I64 = 6;
const DOUBLE = 7;
const BINARY = 8;
const LIST = 9;
const STRUCT = 12;

/** Reads bytes from `offset` on. */
export class Cursor {
  readonly bytes: Uint8Array;
  offset: number;
  /** Behind the last byte that may be read. */
  readonly end: number;

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.bytes = bytes;
    this.offset = offset;
    this.end = end;
  }

  get left(): number {
    return this.end - this.offset;
  }

  byte(): number {
    if (this.offset >= this.end) refuse("a value that is cut off");
    return this.bytes[this.offset++]!;
  }

  skip(count: number): void {
    if (!(count >= 0 && count <= this.left)) refuse("a value that is cut off");
    this.offset += count;
  }

  /** An unsigned integer; exact up to 2^53. */
  varint(): number {
    let value = 0;
    for (let i = 0, unit = 1; i < MOST_VARINT; i++, unit *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
    }
    return refuse("an integer of more than 64 bits");
  }

  zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  uint32(): number {
    this.skip(4);
    const { bytes, offset } = this;
    return (
      (bytes[offset - 4]! |
        (bytes[offset - 3]! << 8) |
        (bytes[offset - 2]! << 16) |
        (bytes[offset - 1]! << 24)) >>>
      0
    );
  }
}

/** @throws {ParquetDamage} for what is not a struct within the cursor's bytes */
export function readStruct(cursor: Cursor): Fields {
  let values = 0;
  const struct = (depth: number): Fields => {
    if (depth > MOST_DEPTH) refuse(`structs more than ${MOST_DEPTH} deep`);
    const numbers = new Map<number, number>();
    const structs = new Map<number, Fields>();
    for (let id = 0; ;) {
      const head = cursor.byte();
      const type = head & 15;
      if (type === 0) return { numbers, structs };
      id = head >> 4 === 0 ? cursor.zigzag() : id + (head >> 4);
      if (type === STRUCT) structs.set(id, struct(depth + 1));
      else if (type === TRUE || type === FALSE) numbers.set(id, type === TRUE ? 1 : 0);
      else {
        const value = other(type, depth);
        if (value !== undefined) numbers.set(id, value);
      }
    }
  };
  const other = (type: number, depth: number): number | undefined => {
    if (++values > MOST_VALUES) refuse(`more than ${MOST_VALUES} values in its footer`);
    switch (type) {
      case BYTE:
        return (cursor.byte() << 24) >> 24;
      case I16:
      case I32:
      case I64:
        return cursor.zigzag();
      case DOUBLE:
        return void cursor.skip(8);
      case BINARY:
        return void cursor.skip(cursor.varint());
      case LIST: {
        const head = cursor.byte();
        const size = head >> 4 === 15 ? cursor.varint() : head >> 4;
        if (size > cursor.left) refuse("a list longer than the file");
        const element = head & 15;
        // Booleans in a list are a byte each.
        const kind = element === TRUE || element === FALSE ? BYTE : element;
        for (let i = 0; i < size; i++) {
          if (kind !== STRUCT) other(kind, depth);
          else if (++values > MOST_VALUES) refuse(`more than ${MOST_VALUES} values in its footer`);
          else struct(depth + 1);
        }
        return undefined;
      }
      default:
        return refuse(`a value of the unknown type ${type}`);
    }
  };
  return struct(1);
}

/** A value that `writeStruct` writes. */
export type Writable = number | boolean | { readonly [id: number]: Writable };

/** The bytes of a struct of 32-bit integers, booleans and such structs. */
export function writeStruct(fields: { readonly [id: number]: Writable }): number[] {
  const bytes: number[] = [];
  let last = 0;
  for (const [key, value] of Object.entries(fields)) {
    const id = Number(key);
    const head = (type: number) => bytes.push(((id - last) << 4) | type);
    if (typeof value === "boolean") head(value ? TRUE : FALSE);
    else if (typeof value === "number") {
      head(I32);
      bytes.push(...varintBytes(value * 2));
    } else {
      head(STRUCT);
      bytes.push(...writeStruct(value));
    }
    last = id;
  }
  bytes.push(0);
  return bytes;
}

function varintBytes(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  bytes.push(value);
  return bytes;
}
