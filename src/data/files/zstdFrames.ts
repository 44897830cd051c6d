// Zstandard's frames (RFC 8878), as far as to see how much memory each asks for: fzstd makes a buffer of whatever size a
// header of six bytes says.

import { ByteQueue, type Bytes } from "./byteQueue.ts";

/** Bytes of a frame that must be there to unpack the next ones: what zstd itself takes unless told (its --long=27). */
const MOST_WINDOW = 2 ** 27;
const [MAGIC, SKIPPED_MAGIC] = [0xfd2fb528, 0x184d2a50];
const RLE = 1;

/**
 * The same bytes, each frame's header seen before it is passed on. What is no frame passes too, for fzstd to refuse.
 * @throws {Error} while iterating, for a frame that asks for more than 128 MiB
 */
export async function* zstdFrames(bytes: Bytes): AsyncGenerator<Uint8Array, void, undefined> {
  const queue = new ByteQueue(bytes);
  try {
    while (yield* frame(queue));
    for (let rest = await queue.take(PIECE); rest.length > 0; rest = await queue.take(PIECE))
      yield rest;
  } finally {
    await queue.close();
  }
}

const PIECE = 2 ** 16;

/** @returns whether it was a whole frame */
async function* frame(queue: ByteQueue): AsyncGenerator<Uint8Array, boolean, undefined> {
  const magic = await queue.take(4);
  yield magic;
  const kind = number(magic);
  if ((kind & ~15) >>> 0 === SKIPPED_MAGIC) {
    const size = await queue.take(4);
    yield size;
    return yield* passed(queue, number(size));
  }
  if (magic.length < 4 || kind !== MAGIC) return false;
  const descriptor = await queue.take(1);
  const flags = descriptor[0] ?? 0;
  const isSingle = (flags & 32) !== 0;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][flags >> 6]!;
  const dictionaryBytes = [0, 1, 2, 4][flags & 3]!;
  const header = await queue.take((isSingle ? 0 : 1) + dictionaryBytes + sizeBytes);
  const window = isSingle ? number(header.slice(dictionaryBytes)) : windowOf(header[0] ?? 0);
  if (window > MOST_WINDOW) throw new Error(`a frame that asks for ${window} bytes of memory`);
  yield descriptor;
  yield header;
  for (let isLast = false; !isLast;) {
    const block = await queue.take(3);
    yield block;
    if (block.length < 3) return false;
    isLast = (block[0]! & 1) === 1;
    const isRle = ((block[0]! >> 1) & 3) === RLE;
    if (!(yield* passed(queue, isRle ? 1 : number(block) >>> 3))) return false;
  }
  return yield* passed(queue, (flags & 4) === 0 ? 0 : 4); // the checksum
}

/** Exponent and mantissa. */
function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

/** Little-endian. */
function number(bytes: Uint8Array): number {
  return bytes.reduceRight((sum, byte) => sum * 256 + byte, 0);
}

async function* passed(
  queue: ByteQueue,
  size: number,
): AsyncGenerator<Uint8Array, boolean, undefined> {
  for (let left = size; left > 0;) {
    const piece = await queue.take(Math.min(left, PIECE));
    if (piece.length === 0) return false;
    yield piece;
    left -= piece.length;
  }
  return true;
}
