// Compressed files, known by their first bytes as `datasets` knows them, whatever their names.

import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { DatasetError } from "../../tensor/errors.ts";

/** Bytes of a file, piece by piece. */
export type Bytes = AsyncIterable<Uint8Array>;

export type Packing = "none" | "gzip" | "xz" | "zstd" | "zip";

const SIGNATURES: readonly (readonly [name: string, bytes: readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["zip", [0x50, 0x4b, 0x03, 0x04]],
  ["zip", [0x50, 0x4b, 0x05, 0x06]], // one without members
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["lz4", [0x04, 0x22, 0x4d, 0x18]],
  ["7z", [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c]],
  ["rar", [0x52, 0x61, 0x72, 0x21, 0x1a, 0x07]],
];
const READ: readonly string[] = ["gzip", "xz", "zstd", "zip"];

/** A bzip2 file goes on with a level and the digits of pi, which no text does. */
const BZIP2_BLOCK = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];

/**
 * How a file is compressed.
 * @throws {DatasetError} for what cannot be unpacked; errors of the file system as they are
 */
export async function packingOf(file: string): Promise<Packing> {
  const handle = await open(file);
  const head = Buffer.alloc(10);
  await handle.read(head, 0, head.length, 0).finally(() => handle.close());
  const begins = (bytes: readonly number[], at = 0): boolean =>
    bytes.every((byte, i) => head[at + i] === byte);
  const [name] = SIGNATURES.find(([, bytes]) => begins(bytes)) ?? ["none"];
  if (name === "none" || (name === "bzip2" && !begins(BZIP2_BLOCK, 4))) return "none";
  if (READ.includes(name)) return name as Packing;
  throw new DatasetError(
    `${file}: must be plain or packed with gzip, zip, xz or zstd, got ${name}. Unpack it, or pack it with gzip.`,
  );
}

/**
 * The bytes of a file as they were before it was compressed.
 * @throws {DatasetError} while iterating, for damaged files
 */
export function unpacked(file: string, packing: Exclude<Packing, "zip">): Bytes {
  if (packing === "none") return createReadStream(file);
  return withMessage(file, packing, unpack(createReadStream(file), packing));
}

function unpack(bytes: Readable, packing: "gzip" | "xz" | "zstd"): Bytes {
  if (packing === "xz") return xz(bytes);
  if (packing === "zstd") return zstd(bytes);
  const gunzip = createGunzip();
  bytes.on("error", (error) => gunzip.destroy(error));
  return bytes.pipe(gunzip);
}

async function* xz(bytes: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  const { XzReadableStream } = await import("xz-decompress");
  const stream = new XzReadableStream(Readable.toWeb(bytes) as ReadableStream<Uint8Array>);
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value.slice(); // the library uses its buffer again
    }
  } finally {
    await reader.cancel().catch(() => undefined);
    bytes.destroy();
  }
}

async function* zstd(bytes: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  const { Decompress } = await import("fzstd");
  let ready: Uint8Array[] = [];
  const decompress = new Decompress((piece) => ready.push(piece));
  for await (const chunk of bytes as AsyncIterable<Buffer>) {
    decompress.push(chunk);
    yield* ready;
    ready = [];
  }
  decompress.push(new Uint8Array(0), true);
  yield* ready;
}

async function* withMessage(
  file: string,
  packing: string,
  bytes: Bytes,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* bytes;
  } catch (error) {
    const { code, syscall, message } = error as NodeJS.ErrnoException;
    if (syscall !== undefined) throw error; // of the file system
    throw new DatasetError(
      `${file}: must be a whole ${packing} file, got ${code === undefined ? message : `${message} (${code})`}. Download or pack it again.`,
      { cause: error },
    );
  }
}

/** All of it, for formats that are read from their end. */
export async function allBytes(bytes: Bytes): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of bytes) pieces.push(piece);
  return Buffer.concat(pieces);
}
