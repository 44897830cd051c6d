// The headers of Arrow's messages, which are flatbuffers (https://flatbuffers.dev/internals, Arrow's format/*.fbs): whether
// every offset and length in one stays inside it. apache-arrow believes them, and loops or fails in its own code.

/** What an Arrow file holds that no writer writes, or more than is read here. */
export class ArrowDamage extends Error {}

export function refuse(got: string): never {
  throw new ArrowDamage(got);
}

/** A field: bytes of a number, "text", a table, a list of such, or a union, whose kind is the field before it. */
type Field =
  | number
  | "text"
  | (() => Table)
  | { readonly each: Field }
  | { readonly union: Readonly<Record<number, Table>> };
/** By the ids of its fields. */
type Table = Readonly<Record<number, Field>>;

const list = (each: Field): Field => ({ each });
const KEY_VALUE: Table = { 0: "text", 1: "text" };
const metadata = list(() => KEY_VALUE);
/** Of a column, by the number of its type: Null, Int, FloatingPoint and so on. */
const TYPES: Readonly<Record<number, Table>> = {
  ...{ 1: {}, 2: { 0: 4, 1: 1 }, 3: { 0: 2 }, 4: {}, 5: {}, 6: {}, 7: { 0: 4, 1: 4, 2: 4 } },
  ...{ 8: { 0: 2 }, 9: { 0: 2, 1: 4 }, 10: { 0: 2, 1: "text" }, 11: { 0: 2 }, 12: {}, 13: {} },
  ...{ 14: { 0: 2, 1: list(4) }, 15: { 0: 4 }, 16: { 0: 4 }, 17: { 0: 1 }, 18: { 0: 2 } },
  ...{ 19: {}, 20: {}, 21: {}, 22: {}, 23: {}, 24: {}, 25: {}, 26: {} },
};
const DICTIONARY: Table = { 0: 8, 1: () => TYPES[2]!, 2: 1, 3: 2 };
const FIELD: Table = {
  ...{ 0: "text", 1: 1, 2: 1, 3: { union: TYPES }, 4: () => DICTIONARY },
  ...{ 5: list(() => FIELD), 6: metadata },
};
const SCHEMA: Table = { 0: 2, 1: list(() => FIELD), 2: metadata, 3: list(8) };
const COMPRESSION: Table = { 0: 1, 1: 1 };
/** Nodes and buffers are pairs of numbers. */
const BATCH: Table = { 0: 8, 1: list(16), 2: list(16), 3: () => COMPRESSION, 4: list(8) };
const DICTIONARY_BATCH: Table = { 0: 8, 1: () => BATCH, 2: 1 };
const MESSAGE: Table = {
  ...{ 0: 2, 1: 1, 2: { union: { 1: SCHEMA, 2: DICTIONARY_BATCH, 3: BATCH } } },
  ...{ 3: 8, 4: metadata },
};
const [KIND, BODY_LENGTH] = [1, 3];
/** Behind the messages of a file; the lists are of places of 24 bytes. */
const FOOTER: Table = { 0: 2, 1: () => SCHEMA, 2: list(24), 3: list(24), 4: metadata };

/** Tables in tables; and all tables of a header, for two offsets may lead to one table. */
const [MOST_DEPTH, MOST_TABLES] = [64, 1_000_000];

/** Kind of the message that holds a schema. */
export const SCHEMA_KIND = 1;

/** @returns its kind, and bytes of the body that follows @throws {ArrowDamage} for a header that cannot be */
export function checkMessage(bytes: Uint8Array): { readonly kind: number; readonly size: number } {
  const header = new Header(bytes);
  const at = header.table(header.offset(0), MESSAGE, 0);
  const kind = header.number(at, KIND, 1);
  if (kind === 0) refuse("a message of no kind");
  return { kind, size: header.number(at, BODY_LENGTH, 8) };
}

/** @returns the header of a message with the schema that a footer holds @throws {ArrowDamage} for a footer that cannot be */
export function schemaOfFooter(footer: Uint8Array): Uint8Array<ArrayBuffer> {
  const header = new Header(footer);
  const at = header.table(header.offset(0), FOOTER, 0);
  const schema = header.reference(at, 1) ?? refuse("a footer without a schema");
  const version = header.number(at, 0, 2);
  // One table in front of the footer: where it is, places of its fields, the table: version, kind, where the schema is.
  const message = new Uint8Array(FRONT + footer.length);
  message.set(footer, FRONT);
  const view = new DataView(message.buffer);
  view.setUint32(0, 16, true);
  [10, 12, 4, 6, 8].forEach((value, i) => view.setUint16(4 + 2 * i, value, true));
  view.setInt32(16, 12, true);
  view.setInt16(20, version, true);
  view.setUint8(22, SCHEMA_KIND);
  view.setUint32(24, FRONT + schema - 24, true);
  return message;
}

const FRONT = 32;

class Header {
  readonly #view: DataView;
  #tables = 0;

  constructor({ buffer, byteOffset, byteLength }: Uint8Array) {
    this.#view = new DataView(buffer, byteOffset, byteLength);
  }

  /** Where the offset that stands at a place leads. */
  offset(at: number): number {
    return at + this.#view.getUint32(this.#inside(at, 4), true);
  }

  table(at: number, fields: Table, depth: number): number {
    if (depth > MOST_DEPTH || ++this.#tables > MOST_TABLES) refuse("tables in tables without end");
    const places = this.#inside(at - this.#view.getInt32(this.#inside(at, 4), true), 4);
    this.#inside(places, this.#view.getUint16(places, true));
    for (const [id, field] of Object.entries(fields)) {
      const place = this.#place(at, Number(id));
      if (place === undefined) continue;
      if (typeof field === "object" && "union" in field) {
        const kind = this.number(at, Number(id) - 1, 1);
        const table = field.union[kind] ?? refuse(`an unknown kind ${kind} of message or type`);
        this.table(this.offset(place), table, depth + 1);
      } else this.#value(place, field, depth);
    }
    return at;
  }

  /** A number of a table, 0 where it has none. @throws {ArrowDamage} for one below 0 or above 2^53 */
  number(table: number, id: number, size: 1 | 2 | 8): number {
    const place = this.#place(table, id);
    if (place === undefined) return 0;
    this.#inside(place, size);
    if (size < 8) return size === 1 ? this.#view.getUint8(place) : this.#view.getInt16(place, true);
    const value = Number(this.#view.getBigInt64(place, true));
    return Number.isSafeInteger(value) && value >= 0 ? value : refuse(`a length of ${value}`);
  }

  /** Where the table or list of a field is; undefined where there is none. */
  reference(table: number, id: number): number | undefined {
    const place = this.#place(table, id);
    return place && this.offset(place);
  }

  #value(place: number, field: Exclude<Field, { readonly union: unknown }>, depth: number): void {
    if (typeof field === "number") this.#inside(place, field);
    else if (typeof field === "function") this.table(this.offset(place), field(), depth + 1);
    else {
      const each = field === "text" ? 1 : field.each;
      const begin = this.offset(place);
      const count = this.#view.getUint32(this.#inside(begin, 4), true);
      this.#inside(begin + 4, count * (typeof each === "number" ? each : 4));
      if (typeof each === "number") return;
      for (let i = 0; i < count; i++) this.#value(begin + 4 + 4 * i, each as () => Table, depth);
    }
  }

  /** Where a field of a table stands; undefined where it has its default. */
  #place(table: number, id: number): number | undefined {
    const places = table - this.#view.getInt32(table, true);
    const at = 4 + 2 * id;
    if (at + 2 > this.#view.getUint16(places, true)) return undefined;
    const offset = this.#view.getUint16(places + at, true);
    return offset === 0 ? undefined : table + offset;
  }

  #inside(at: number, size: number): number {
    if (at >= 0 && size >= 0 && at + size <= this.#view.byteLength) return at;
    return refuse("an offset that leads out of its message");
  }
}
