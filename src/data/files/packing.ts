// Compressed files, known by their first bytes as `datasets` knows them, whatever their names.

import { DatasetError } from "../../tensor/errors.ts";
import { joinBytes } from "../../tensor/joinBytes.ts";
import { files } from "../../tensor/files/files.ts";
import { unpackStream, type Bytes } from "./packedStreams.ts";

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
  const handle = await files.open(file, "r");
  const head = new Uint8Array(10);
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
  if (packing === "none") return files.stream(file);
  return withMessage(file, packing, unpackStream(files.stream(file), packing));
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

/** Bytes that may come out of a packed file at least, and for each byte of it, where all of them must be in memory. */
const FREE_BYTES = 2 ** 28;
const UNPACKED_TO_PACKED = 16;

/**
 * What comes out of a packed file, for formats that must have all of it in memory.
 * @param file its name in messages
 * @param stored size of the packed file, or of the archive that it lies in
 * @throws {DatasetError} while iterating, before a file that unpacks to far more than others do fills the memory
 */
export async function* limited(
  file: string,
  bytes: Bytes,
  stored: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const most = FREE_BYTES + UNPACKED_TO_PACKED * stored;
  let size = 0;
  for await (const piece of bytes) {
    size += piece.length;
    if (size > most) {
      throw new DatasetError(
        `${file}: must unpack to at most ${most} bytes (256 MiB, and 16 times its packed size), got more. Unpack the file.`,
      );
    }
    yield piece;
  }
}

/** All of it, for formats that are read from their end. */
export async function allBytes(bytes: Bytes): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  for await (const piece of bytes) pieces.push(piece);
  return joinBytes(pieces);
}
