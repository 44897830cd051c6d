import { joinBytes } from "../../tensor/joinBytes.ts";

/** Bytes of a file, piece by piece. */
export type Bytes = AsyncIterable<Uint8Array>;

/** Bytes that come in pieces of any size, taken in pieces of known ones. */
export class ByteQueue {
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
