// Files of torch.save before PyTorch 1.6, as the first T5 checkpoints are: pickles one after the other (a magic number, a
// version, facts about the machine, the dictionary, the keys of the storages), then each storage behind its size.
// Source: https://github.com/pytorch/pytorch/blob/main/torch/serialization.py, _legacy_load

import type { ByteSource } from "../../tensor/byteSource.ts";
import { describe } from "./pickleValues.ts";
import { damaged, foreign, quoted } from "./refusals.ts";
import { stateDictWorld, tensorsOf, type StridedTensor } from "./stateDict.ts";
import { bytesPerElement } from "./strides.ts";
import { MAX_PICKLE_BYTES, unpickle } from "./unpickler.ts";
import type { ByteRange } from "./zipArchive.ts";

/** PROTO 2, LONG1 of 10 bytes 0x1950a86a20f9469cfc6c, STOP. */
const MAGIC = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
const VERSION = 1001;

export function isLegacy(start: Uint8Array): boolean {
  return MAGIC.every((byte, i) => start[i] === byte);
}

export interface TorchContents {
  readonly tensors: ReadonlyMap<string, StridedTensor>;
  /** Where the elements of each storage lie, by its key. */
  readonly storages: ReadonlyMap<string, ByteRange>;
  readonly isBigEndian: boolean;
}

/** @throws {CheckpointError} when the file is cut or damaged, or holds more than tensors */
export async function readLegacy(source: ByteSource): Promise<TorchContents> {
  const { name: file } = source;
  const bytes = new Uint8Array(await source.read(0, Math.min(source.size, MAX_PICKLE_BYTES)));
  const world = stateDictWorld(file);
  const version = unpickle(file, bytes, world, MAGIC.length);
  if (version.value !== VERSION) {
    throw foreign(file, `must be of version ${VERSION}, got ${describe(version.value)}`);
  }
  const machine = unpickle(file, bytes, world, version.end);
  const isLittle = machine.value instanceof Map && machine.value.get("little_endian");
  if (typeof isLittle !== "boolean") {
    throw damaged(file, `must say whether it is little-endian, got ${describe(isLittle)}`);
  }
  const state = unpickle(file, bytes, world, machine.end);
  const tensors = tensorsOf(file, state.value);
  const keys = unpickle(file, bytes, world, state.end);
  const storages = await findStorages(source, tensors, keys.value, keys.end);
  return { tensors, storages, isBigEndian: !isLittle };
}

async function findStorages(
  source: ByteSource,
  tensors: ReadonlyMap<string, StridedTensor>,
  keys: unknown,
  start: number,
): Promise<Map<string, ByteRange>> {
  const { name: file } = source;
  if (!Array.isArray(keys)) {
    throw damaged(file, `must list the keys of its storages, got ${describe(keys)}`);
  }
  const used = new Map([...tensors.values()].map(({ storage }) => [storage.key, storage]));
  const places = new Map<string, ByteRange>();
  let at = start;
  for (const key of keys as unknown[]) {
    const storage = typeof key === "string" ? used.get(key) : undefined;
    if (storage === undefined || places.has(storage.key)) {
      throw damaged(file, `each storage must be there once, for a tensor, got ${describe(key)}`);
    }
    if (at + 8 > source.size)
      throw damaged(file, `must hold storage ${quoted(storage.key)}, got its end before it`);
    const size = new DataView(await source.read(at, at + 8)).getBigInt64(0, true);
    const begin = at + 8;
    at = begin + storage.size * bytesPerElement(storage.dtype);
    if (size !== BigInt(storage.size) || at > source.size) {
      throw damaged(
        file,
        `storage ${quoted(storage.key)} must hold its ${storage.size} elements up to byte ${at}, got ${size} in a file of ${source.size} bytes`,
      );
    }
    places.set(storage.key, { begin, end: at });
  }
  for (const key of used.keys()) {
    if (!places.has(key))
      throw damaged(file, `must hold storage ${quoted(key)}, got no such storage`);
  }
  return places;
}
