// Files of torch.save (pytorch_model.bin, adapter_model.bin): a zip archive of a pickle, which says what tensors there are, and
// of the storages of their elements; or the older form of legacyFile.ts. Tensors are read one by one.
//
//   NAME/data.pkl      the dictionary, pickled; any NAME
//   NAME/byteorder     "little" or "big"; little in files without it
//   NAME/data/KEY      the elements of storage KEY, as they are
//
// Source: https://github.com/pytorch/pytorch/blob/main/torch/serialization.py

import { openByteSource, type ByteSource } from "../../tensor/byteSource.ts";
import { CheckpointError } from "../../tensor/errors.ts";
import { mistakenFor } from "../../tensor/mistakenFiles.ts";
import type { SafetensorsTensor } from "../../tensor/safetensors.ts";
import { arrayTypeOf } from "../../tensor/safetensorsDtype.ts";
import { isLegacy, readLegacy, type TorchContents } from "./legacyFile.ts";
import { damaged, foreign, quoted } from "./refusals.ts";
import { stateDictWorld, tensorsOf, type Storage, type StridedTensor } from "./stateDict.ts";
import { bytesPerElement, gather, isContiguous, span, swapBytes } from "./strides.ts";
import { MAX_PICKLE_BYTES, unpickle } from "./unpickler.ts";
import { openZipArchive, type ByteRange, type ZipArchive } from "./zipArchive.ts";

/** An open file whose dictionary has been checked; its tensors are read one by one. */
export class TorchFile {
  /** Name of the file, for messages. */
  readonly name: string;
  /** dtype, shape and place of every tensor, in the order of the dictionary. */
  readonly entries: ReadonlyMap<string, StridedTensor>;
  readonly #source: ByteSource;
  readonly #contents: TorchContents;
  #closed = false;

  /** @internal Use `openTorchFile`. */
  constructor(source: ByteSource, contents: TorchContents) {
    this.name = source.name;
    this.entries = contents.tensors;
    this.#source = source;
    this.#contents = contents;
  }

  /**
   * Reads one tensor into an array of its own, row-major whatever its strides.
   * @throws {CheckpointError} when there is no tensor `name`, or after `close`
   */
  async read(name: string): Promise<SafetensorsTensor> {
    if (this.#closed)
      throw new CheckpointError(`${this.name}: must be open to be read, got closed`);
    const tensor = this.entries.get(name);
    if (tensor === undefined) {
      throw new CheckpointError(
        `${this.name}: has no tensor ${quoted(name)} among its ${this.entries.size}`,
      );
    }
    const { dtype, shape, storage, offset, strides } = tensor;
    const bytes = bytesPerElement(dtype);
    const begin = this.#contents.storages.get(storage.key)!.begin + offset * bytes;
    let buffer = await this.#source.read(begin, begin + span(shape, strides) * bytes);
    if (!isContiguous(shape, strides)) buffer = gather(buffer, shape, strides, bytes);
    if (this.#contents.isBigEndian) swapBytes(buffer, bytes);
    return { dtype, shape, data: new (arrayTypeOf(dtype))(buffer) };
  }

  /** Closes the file. Safe to repeat. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#source.close();
  }
}

/**
 * Opens a file of torch.save and reads what tensors it holds. Nothing of the file is run. Close it when done.
 * @param place path (Node only), bytes or Blob
 * @throws {CheckpointError} when the file is missing, cut or damaged, or holds more than a dictionary of tensors
 */
export async function openTorchFile(place: string | Uint8Array | Blob): Promise<TorchFile> {
  const source = await openByteSource(place, { name: "torch file", error: CheckpointError });
  try {
    return new TorchFile(source, await readContents(source));
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function readContents(source: ByteSource): Promise<TorchContents> {
  const start = await source.read(0, Math.min(source.size, 64));
  if (isLegacy(new Uint8Array(start))) return readLegacy(source);
  const text = new TextDecoder().decode(start);
  if (text.startsWith("PK")) return readArchive(source, await openZipArchive(source));
  const other = mistakenFor(start);
  const statement = `must be a file of torch.save, got one that begins with ${quoted(text.slice(0, 8))}`;
  if (other === null) throw damaged(source.name, statement);
  throw new CheckpointError(`${source.name}: ${statement}. ${other}`);
}

async function readArchive(source: ByteSource, archive: ZipArchive): Promise<TorchContents> {
  const { name: file } = source;
  const root = archive.names[0]?.split("/")[0] ?? "";
  const entry = (name: string) => `${root}/${name}`;
  if (archive.has(entry("constants.pkl"))) {
    throw foreign(file, `must be a file of torch.save, got a program of TorchScript`);
  }
  if (!archive.has(entry("data.pkl"))) {
    throw foreign(
      file,
      `must hold ${quoted(entry("data.pkl"))}, as torch.save writes it, got ${archive.names.length} other entries`,
    );
  }
  const bytes = await readLimited(source, await archive.locate(entry("data.pkl")));
  const { value, end } = unpickle(file, bytes, stateDictWorld(file));
  if (end !== bytes.length) {
    throw damaged(file, `data.pkl must end with its pickle, got ${bytes.length - end} bytes more`);
  }
  const tensors = tensorsOf(file, value);
  const storages = new Map<string, ByteRange>();
  for (const { storage } of tensors.values()) {
    if (storages.has(storage.key)) continue;
    const range = await archive.locate(entry(`data/${storage.key}`));
    checkSize(file, storage, range);
    storages.set(storage.key, range);
  }
  return { tensors, storages, isBigEndian: await isBigEndian(source, archive, entry("byteorder")) };
}

function checkSize(file: string, { key, dtype, size }: Storage, { begin, end }: ByteRange): void {
  const bytes = size * bytesPerElement(dtype);
  if (end - begin === bytes) return;
  throw damaged(
    file,
    `storage ${quoted(key)} must have the ${bytes} bytes of ${size} elements ${dtype}, got ${end - begin}`,
  );
}

async function isBigEndian(source: ByteSource, archive: ZipArchive, name: string) {
  if (!archive.has(name)) return false;
  const text = new TextDecoder().decode(await readLimited(source, await archive.locate(name)));
  if (text === "big" || text === "little") return text === "big";
  throw damaged(source.name, `byteorder must be little or big, got ${quoted(text)}`);
}

async function readLimited(source: ByteSource, { begin, end }: ByteRange): Promise<Uint8Array> {
  if (end - begin <= MAX_PICKLE_BYTES) return new Uint8Array(await source.read(begin, end));
  throw foreign(
    source.name,
    `its pickle must have at most ${MAX_PICKLE_BYTES} bytes, got ${end - begin}`,
  );
}
