// Arrow's IPC format (https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format), message by message. A file is
// a stream between two marks, with a list of its messages behind, which reading from front to back does not need. Only files
// that apache-arrow itself wrote have their schema nowhere else.

import { joinBytes } from "../../tensor/joinBytes.ts";
import { checkMessage, refuse, SCHEMA_KIND, schemaOfFooter } from "./arrowTables.ts";
import type { Bytes } from "./packedStreams.ts";

const MAGIC = "ARROW1";
const [MAGIC_AND_PADDING, CONTINUATION] = [8, -1];

/**
 * The messages of a file or stream with their bodies, each whole and with a header that can be read.
 * @throws {ArrowDamage} while iterating
 */
export async function* arrowMessages(
  bytes: Bytes,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const queue = new Queue(bytes);
  try {
    const isFile = await queue.begins(MAGIC);
    if (isFile) await queue.take(MAGIC_AND_PADDING);
    for (let isFirst = true; ; isFirst = false) {
      const prefix = await queue.take(4);
      if (prefix.length === 0 && !isFile) return;
      const isNew = int32(prefix) === CONTINUATION; // without it, of before Arrow 0.15
      const length = isNew ? int32(await queue.take(4)) : int32(prefix);
      if (length === 0) break;
      if (length < 0) refuse(`a message of ${length} bytes`);
      const header = whole(await queue.take(length), length);
      const { kind, size } = checkMessage(header);
      if (isFile && isFirst && kind !== SCHEMA_KIND) yield message(await schemaAtEnd(queue));
      yield message(header, whole(await queue.take(size), size));
    }
    if (isFile && !(await queue.ends(MAGIC))) refuse(`no ${MAGIC} at its end`);
  } finally {
    await queue.close();
  }
}

function message(header: Uint8Array, body?: Uint8Array): Uint8Array<ArrayBuffer> {
  const prefix = Int32Array.of(CONTINUATION, header.length);
  return joinBytes([new Uint8Array(prefix.buffer), header, ...(body ? [body] : [])]);
}

/** Reads on to the end, which is a footer, its length and the mark, without taking anything. */
async function schemaAtEnd(queue: Queue): Promise<Uint8Array> {
  const rest = await queue.take(Infinity);
  queue.putBack(rest);
  const tail = 4 + MAGIC.length;
  if (rest.length < tail) refuse("a message that is cut off");
  const length = int32(rest.slice(-tail));
  if (!(length > 0 && length <= rest.length - tail)) refuse(`a footer of ${length} bytes`);
  return schemaOfFooter(rest.slice(-tail - length, -tail));
}

function whole(bytes: Uint8Array, length: number): Uint8Array {
  return bytes.length === length ? bytes : refuse("a message that is cut off");
}

function int32(bytes: Uint8Array): number {
  if (bytes.length < 4) refuse("a message that is cut off");
  return new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true);
}

/** Bytes that come in pieces of any size, taken in pieces of known ones. */
class Queue {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(bytes: Bytes) {
    this.#source = bytes[Symbol.asyncIterator]();
  }

  /** The next bytes; fewer where there are no more. */
  async take(length: number): Promise<Uint8Array> {
    const pieces = [this.#rest];
    let size = this.#rest.length;
    while (size < length) {
      const { done, value } = await this.#source.next();
      if (done) break;
      pieces.push(value);
      size += value.length;
    }
    const all = pieces.length === 1 ? this.#rest : joinBytes(pieces);
    this.#rest = all.subarray(length);
    return all.subarray(0, length);
  }

  putBack(bytes: Uint8Array): void {
    this.#rest = joinBytes([bytes, this.#rest]);
  }

  async begins(text: string): Promise<boolean> {
    const head = await this.take(text.length);
    this.putBack(head);
    return new TextDecoder("latin1").decode(head) === text;
  }

  /** Whether the last bytes of all are a text. */
  async ends(text: string): Promise<boolean> {
    let tail = this.#rest;
    for (;;) {
      const { done, value } = await this.#source.next();
      if (done) break;
      tail = joinBytes([tail.subarray(-text.length), value]);
    }
    return new TextDecoder("latin1").decode(tail.subarray(-text.length)) === text;
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }
}
