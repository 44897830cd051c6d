// The directory of a zip archive, and where in the file the bytes of each entry lie. torch.save stores its entries as they are,
// so that a tensor is a range of the file. Why no library: docs/internals/dependencies.md.
// Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3

import type { ByteSource } from "../../tensor/byteSource.ts";
import { damaged, foreign, quoted } from "./refusals.ts";

/** Bytes from `begin` up to `end` of a file. */
export interface ByteRange {
  readonly begin: number;
  readonly end: number;
}

interface ZipEntry {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** Where its local header begins. */
  readonly header: number;
  /** Neither compressed nor encrypted. */
  readonly isStored: boolean;
}

/** The longest directory that is read, in bytes; that of a model with 1,000 tensors has 80,000. */
const MAX_DIRECTORY_BYTES = 2 ** 22;
const END_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
/** A field whose value stands in a field of zip64. */
const IN_ZIP64 = 0xffffffff;

export class ZipArchive {
  readonly #source: ByteSource;
  readonly #entries: ReadonlyMap<string, ZipEntry>;

  /** @internal Use `openZipArchive`. */
  constructor(source: ByteSource, entries: ReadonlyMap<string, ZipEntry>) {
    this.#source = source;
    this.#entries = entries;
  }

  /** In the order of the directory. */
  get names(): string[] {
    return [...this.#entries.keys()];
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** Where the bytes of an entry lie. */
  async locate(name: string): Promise<ByteRange> {
    const { name: file, size } = this.#source;
    const entry = this.#entries.get(name);
    if (entry === undefined) throw damaged(file, `must hold ${quoted(name)}, got no such entry`);
    if (!entry.isStored) {
      throw foreign(
        file,
        `${quoted(name)} must be stored as it is, got it compressed or encrypted`,
      );
    }
    const header = await viewOf(this.#source, entry.header, entry.header + 30);
    if (header.getUint32(0, true) !== 0x04034b50) {
      throw damaged(file, `${quoted(name)} must begin at byte ${entry.header}, got other bytes`);
    }
    const begin = entry.header + 30 + header.getUint16(26, true) + header.getUint16(28, true);
    const end = begin + entry.size;
    if (end > size) {
      throw damaged(
        file,
        `${quoted(name)} must end within the ${size} bytes, got its end at ${end}`,
      );
    }
    return { begin, end };
  }
}

/** @throws {CheckpointError} when the archive is cut or damaged, or has compressed entries */
export async function openZipArchive(source: ByteSource): Promise<ZipArchive> {
  const { name: file } = source;
  const { count, begin, end } = await findDirectory(source);
  if (end - begin > MAX_DIRECTORY_BYTES) {
    throw foreign(
      file,
      `the directory of the archive must have at most ${MAX_DIRECTORY_BYTES} bytes, got ${end - begin}`,
    );
  }
  const view = await viewOf(source, begin, end);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    const { entry, next } = readEntry(file, view, at);
    if (entries.has(entry.name)) {
      throw damaged(file, `must hold ${quoted(entry.name)} once, got it twice`);
    }
    entries.set(entry.name, entry);
    at = next;
  }
  return new ZipArchive(source, entries);
}

/** Place and number of entries of the central directory, from the record at the end of the file. */
async function findDirectory(source: ByteSource): Promise<ByteRange & { count: number }> {
  const { name: file, size } = source;
  const tailAt = Math.max(0, size - END_BYTES - MAX_COMMENT_BYTES);
  const tail = await viewOf(source, tailAt, size);
  for (let at = tail.byteLength - END_BYTES; at >= 0; at--) {
    if (tail.getUint32(at, true) !== 0x06054b50) continue;
    if (at + END_BYTES + tail.getUint16(at + 20, true) !== tail.byteLength) continue;
    const count = tail.getUint16(at + 10, true);
    const bytes = tail.getUint32(at + 12, true);
    const begin = tail.getUint32(at + 16, true);
    if (count === 0xffff || bytes === IN_ZIP64 || begin === IN_ZIP64) {
      return findZip64Directory(source, tailAt + at);
    }
    return { begin, end: begin + bytes, count };
  }
  throw damaged(
    file,
    `must end with the directory of a zip archive, got ${size} bytes without one`,
  );
}

/** @param end where the record at the end of the file begins: its locator lies before it */
async function findZip64Directory(source: ByteSource, end: number) {
  const locator = await viewOf(source, end - 20, end);
  if (locator.getUint32(0, true) !== 0x07064b50) {
    throw damaged(source.name, `must hold a zip64 locator at byte ${end - 20}, got other bytes`);
  }
  const at = uint64(source.name, locator, 8);
  const record = await viewOf(source, at, at + 56);
  if (record.getUint32(0, true) !== 0x06064b50) {
    throw damaged(source.name, `must hold a zip64 record at byte ${at}, got other bytes`);
  }
  const begin = uint64(source.name, record, 48);
  const bytes = uint64(source.name, record, 40);
  return { begin, end: begin + bytes, count: uint64(source.name, record, 32) };
}

function readEntry(file: string, view: DataView, at: number): { entry: ZipEntry; next: number } {
  const fits = (end: number) => end <= view.byteLength;
  if (!fits(at + 46) || view.getUint32(at, true) !== 0x02014b50) {
    throw damaged(
      file,
      `the directory of the archive must have an entry at its byte ${at}, got none`,
    );
  }
  const nameEnd = at + 46 + view.getUint16(at + 28, true);
  const extraEnd = nameEnd + view.getUint16(at + 30, true);
  const next = extraEnd + view.getUint16(at + 32, true);
  if (!fits(next)) throw damaged(file, `the directory of the archive must be whole, got it cut`);
  const nameBytes = new Uint8Array(view.buffer, at + 46, nameEnd - at - 46);
  const name = new TextDecoder().decode(nameBytes);
  // Method 0 and no encryption.
  const isStored = view.getUint16(at + 10, true) === 0 && (view.getUint16(at + 8, true) & 1) === 0;
  const field = zip64Fields(file, view, nameEnd, extraEnd);
  const size = field(view.getUint32(at + 24, true));
  const bytes = field(view.getUint32(at + 20, true));
  if (isStored && bytes !== size) {
    throw damaged(file, `${quoted(name)} must be stored in its ${size} bytes, got ${bytes}`);
  }
  const header = field(view.getUint32(at + 42, true));
  return { entry: { name, size, header, isStored }, next };
}

/** Gives a field's value, or the next value of the zip64 extra field where the field says so. */
function zip64Fields(file: string, view: DataView, begin: number, end: number) {
  let at = begin;
  while (at + 4 <= end && view.getUint16(at, true) !== 1) at += 4 + view.getUint16(at + 2, true);
  at += 4;
  return (value: number): number => {
    if (value !== IN_ZIP64) return value;
    if (at + 8 > end) throw damaged(file, `a zip64 field of an entry must be there, got none`);
    at += 8;
    return uint64(file, view, at - 8);
  };
}

function uint64(file: string, view: DataView, at: number): number {
  const value = Number(view.getBigUint64(at, true));
  if (Number.isSafeInteger(value)) return value;
  throw damaged(file, `sizes and offsets must be below 2^53, got ${value}`);
}

async function viewOf(source: ByteSource, begin: number, end: number): Promise<DataView> {
  if (begin >= 0 && end <= source.size) return new DataView(await source.read(begin, end));
  throw damaged(
    source.name,
    `must have bytes ${begin} to ${end} of its archive, got ${source.size} bytes`,
  );
}
