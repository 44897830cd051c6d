// Reads TensorBoard's event files by another way than they are written: checksums bit by bit, protobuf by hand.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** A field of a message: a number, or the bytes of a text or another message. */
type Value = number | Uint8Array;
type Message = Map<number, Value[]>;

export interface ReadEvent {
  readonly wallTime: number;
  readonly step: number;
  readonly fileVersion?: string;
  readonly tag?: string;
  /** Of a scalar. */
  readonly value?: number;
  /** Of a text. */
  readonly text?: string;
  readonly plugin?: string;
}

/** Every event of the only event file of a folder. */
export async function readEvents(folder: string): Promise<ReadEvent[]> {
  const names = (await readdir(folder)).filter((name) => name.startsWith("events.out.tfevents."));
  if (names.length !== 1)
    throw new Error(`${folder}: one event file expected, got ${names.join()}`);
  const bytes = new Uint8Array(await readFile(join(folder, names[0]!)));
  const events: ReadEvent[] = [];
  for (let at = 0; at < bytes.length;) {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const length = Number(view.getBigUint64(at, true));
    check(bytes.subarray(at, at + 8), view.getUint32(at + 8, true));
    const data = bytes.subarray(at + 12, at + 12 + length);
    if (data.length < length) throw new Error("a record is cut off");
    check(data, view.getUint32(at + 12 + length, true));
    events.push(toEvent(fields(data)));
    at += length + 16;
  }
  return events;
}

function toEvent(event: Message): ReadEvent {
  const summary = event.get(5)?.[0] as Uint8Array | undefined;
  const value = summary && fields(fields(summary).get(1)![0] as Uint8Array);
  const inner = (message: Message | undefined, ...path: number[]): Value | undefined =>
    path.reduce<Value | undefined>((found, field, i) => {
      const from = i === 0 ? message : found instanceof Uint8Array ? fields(found) : undefined;
      return from?.get(field)?.[0];
    }, undefined);
  const text = (bytes: Value | undefined): string | undefined =>
    bytes instanceof Uint8Array ? new TextDecoder().decode(bytes) : undefined;
  const found = {
    fileVersion: text(inner(event, 3)),
    tag: text(inner(value, 1)),
    value: inner(value, 2) as number | undefined,
    text: text(inner(value, 8, 8)),
    plugin: text(inner(value, 9, 1, 1)),
  };
  return {
    wallTime: inner(event, 1) as number,
    step: (inner(event, 2) as number | undefined) ?? 0,
    ...(Object.fromEntries(
      Object.entries(found).filter(([, each]) => each !== undefined),
    ) as object),
  };
}

function fields(bytes: Uint8Array): Message {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let at = 0;
  const varint = (): number => {
    for (let [value, factor] = [0, 1]; ; factor *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  const readers: Record<number, () => Value> = {
    0: varint,
    1: () => view.getFloat64((at += 8) - 8, true),
    2: () => {
      const length = varint();
      return bytes.subarray(at, (at += length));
    },
    5: () => view.getFloat32((at += 4) - 4, true),
  };
  const message: Message = new Map();
  while (at < bytes.length) {
    const key = varint();
    const value = readers[key % 8]!();
    message.set(key >> 3, [...(message.get(key >> 3) ?? []), value]);
  }
  return message;
}

function check(bytes: Uint8Array, masked: number): void {
  let crc = 0xffffffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n;
  }
  crc ^= 0xffffffffn;
  const expected = (((crc >> 15n) | (crc << 17n)) + 0xa282ead8n) & 0xffffffffn;
  if (BigInt(masked) !== expected) throw new Error("a checksum is wrong");
}
