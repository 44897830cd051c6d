// The bytes of a pickle, read one after the other: every length is checked before it is believed.

import { damaged } from "./refusals.ts";

/** The longest module or name after GLOBAL. */
const MAX_NAME_BYTES = 256;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class PickleCursor {
  /** Of the next byte. */
  position: number;
  readonly #file: string;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(file: string, bytes: Uint8Array, start: number) {
    this.#file = file;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = start;
  }

  /** The position of the next `count` bytes, which it steps over. */
  take(count: number): number {
    const at = this.position;
    if (at + count > this.#bytes.length) {
      throw damaged(
        this.#file,
        `the pickle must go on to its STOP, got ${count} bytes wanted at byte ${at} of ${this.#bytes.length}`,
      );
    }
    this.position += count;
    return at;
  }

  uint(size: 1 | 2 | 4): number {
    const at = this.take(size);
    if (size === 1) return this.#view.getUint8(at);
    return size === 2 ? this.#view.getUint16(at, true) : this.#view.getUint32(at, true);
  }

  /** An integer of `length` bytes, two's complement. */
  long(): number {
    const length = this.uint(1);
    const at = this.take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[at + i]!);
    const number = Number(BigInt.asIntN(8 * length, value));
    if (Number.isSafeInteger(number)) return number;
    throw damaged(this.#file, `an integer of the pickle must be below 2^53, got ${number}`);
  }

  text(): string {
    const length = this.uint(4);
    const at = this.take(length);
    return this.#decode(at, at + length);
  }

  /** The text up to the end of the line. */
  line(): string {
    const begin = this.position;
    const end = this.#bytes.subarray(begin, begin + MAX_NAME_BYTES).indexOf(0x0a);
    if (end < 0) {
      throw damaged(
        this.#file,
        `a name in the pickle must end within ${MAX_NAME_BYTES} bytes, got no end at byte ${begin}`,
      );
    }
    this.take(end + 1);
    return this.#decode(begin, begin + end);
  }

  #decode(begin: number, end: number): string {
    try {
      return decoder.decode(this.#bytes.subarray(begin, end));
    } catch {
      throw damaged(this.#file, `a text of the pickle must be UTF-8, got other bytes at ${begin}`);
    }
  }

  int32(): number {
    return this.#view.getInt32(this.take(4), true);
  }
}
