// The names that torch.save uses for a dictionary of tensors, and what they stand for here: descriptions, no tensors yet.
// Source: https://github.com/pytorch/pytorch/blob/main/torch/_utils.py and torch/_weights_only_unpickler.py

import { CheckpointError } from "../../tensor/errors.ts";
import type { SafetensorsDtype } from "../../tensor/safetensors.ts";
import { formatShape, type Shape } from "../../tensor/shape.ts";
import { describe, PickleTuple } from "./pickleValues.ts";
import { damaged, foreign, quoted } from "./refusals.ts";
import { span } from "./strides.ts";
import type { PickleWorld } from "./unpickler.ts";

/** The elements behind one or several tensors. */
export interface Storage {
  readonly dtype: SafetensorsDtype;
  /** Its name in the file. */
  readonly key: string;
  /** Number of elements. */
  readonly size: number;
}

/** A tensor as the file describes it; offset and strides in elements of its storage. */
export interface StridedTensor {
  readonly dtype: SafetensorsDtype;
  readonly shape: Shape;
  readonly storage: Storage;
  readonly offset: number;
  readonly strides: readonly number[];
}

const STORAGES: ReadonlyMap<string, SafetensorsDtype> = new Map([
  ["torch.FloatStorage", "F32"],
  ["torch.HalfStorage", "F16"],
  ["torch.BFloat16Storage", "BF16"],
  ["torch.DoubleStorage", "F64"],
  ["torch.LongStorage", "I64"],
  ["torch.IntStorage", "I32"],
  ["torch.ShortStorage", "I16"],
  ["torch.CharStorage", "I8"],
  ["torch.ByteStorage", "U8"],
  ["torch.BoolStorage", "BOOL"],
]);
const ORDERED_DICT = "collections.OrderedDict";
const TENSOR = "torch._utils._rebuild_tensor_v2";
const PARAMETER = "torch._utils._rebuild_parameter";
/** PyTorch's own operations take no more. Without a limit, a small file can have millions of them walked millions of times. */
const MAX_AXES = 64;

/** Every name that a pickle may mention. */
export const PICKLE_NAMES: readonly string[] = [
  ORDERED_DICT,
  TENSOR,
  PARAMETER,
  ...STORAGES.keys(),
];

/** A name that a pickle may mention. */
class Named {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

class Described implements StridedTensor {
  readonly dtype: SafetensorsDtype;
  readonly shape: Shape;
  readonly storage: Storage;
  readonly offset: number;
  readonly strides: readonly number[];

  constructor(storage: Storage, offset: number, shape: Shape, strides: readonly number[]) {
    this.dtype = storage.dtype;
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

class DescribedStorage implements Storage {
  readonly dtype: SafetensorsDtype;
  readonly key: string;
  readonly size: number;

  constructor(dtype: SafetensorsDtype, key: string, size: number) {
    this.dtype = dtype;
    this.key = key;
    this.size = size;
  }
}

/**
 * The world of a state dict: ordered dictionaries, storages, tensors and parameters.
 * @param file begins messages
 */
export function stateDictWorld(file: string): PickleWorld {
  const names = new Map(PICKLE_NAMES.map((name) => [name, new Named(name)]));
  const storages = new Map<string, Storage>();
  return {
    find(module, name) {
      const found = names.get(`${module}.${name}`);
      if (found !== undefined) return found;
      throw foreign(
        file,
        `the pickle must name only what tensors need, got ${quoted(`${module}.${name}`)}, which was not run`,
      );
    },
    call(callee, args) {
      const name = callee instanceof Named ? callee.name : describe(callee);
      if (name === ORDERED_DICT && args.length === 0) return new Map<string, unknown>();
      if (name === TENSOR) return rebuildTensor(file, args);
      if (name === PARAMETER && args[0] instanceof Described) return args[0];
      throw foreign(
        file,
        `the pickle must call only what makes tensors, got ${name} of ${args.length} values`,
      );
    },
    // Modules attach their versions, `_metadata`, which T5's loading in transformers does not read.
    build(object, state) {
      const isMetadata =
        object instanceof Map && state instanceof Map && [...state.keys()].join() === "_metadata";
      if (isMetadata) return;
      throw foreign(
        file,
        `the pickle must attach only _metadata to a dictionary, got ${describe(state)} for ${describe(object)}`,
      );
    },
    persistent(id) {
      const storage = findStorage(file, id);
      const known = storages.get(storage.key) ?? storage;
      if (known.dtype !== storage.dtype || known.size !== storage.size) {
        throw damaged(
          file,
          `storage ${quoted(storage.key)} must be one thing, got ${known.size} ${known.dtype} and ${storage.size} ${storage.dtype}`,
        );
      }
      storages.set(storage.key, known);
      return known;
    },
  };
}

/** The storage of ("storage", class, key, location, size); the device it was on does not matter. */
function findStorage(file: string, id: unknown): Storage {
  const [kind, type, key, , size, view] = id instanceof PickleTuple ? id.items : [];
  const dtype = type instanceof Named ? STORAGES.get(type.name) : undefined;
  if (kind !== "storage" || dtype === undefined || typeof key !== "string" || !isCount(size)) {
    throw damaged(
      file,
      `a storage must be given as its class, key, device and size, got ${describe(id)}`,
    );
  }
  // Files of before PyTorch 0.4 keep parts of a storage as storages of their own.
  if (view !== undefined && view !== null) {
    throw foreign(file, `storage ${quoted(key)} must be whole, got a view of another storage`);
  }
  return new DescribedStorage(dtype, key, size);
}

function rebuildTensor(file: string, args: readonly unknown[]): StridedTensor {
  const [storage, offset, size, stride] = args;
  const shape = size instanceof PickleTuple ? size.items : null;
  const strides = stride instanceof PickleTuple ? stride.items : null;
  if (shape !== null && shape.length > MAX_AXES) {
    throw foreign(file, `a tensor must have at most ${MAX_AXES} axes, got ${shape.length}`);
  }
  if (
    !(storage instanceof DescribedStorage && isCount(offset)) ||
    !(shape?.length === strides?.length && shape?.every(isCount) && strides?.every(isCount))
  ) {
    throw damaged(
      file,
      `a tensor must have a storage, an offset, a shape and as many strides, got other values`,
    );
  }
  const tensor = new Described(storage, offset, shape, strides);
  checkBounds(file, tensor);
  return tensor;
}

function checkBounds(file: string, { storage, offset, shape, strides }: StridedTensor): void {
  const elements = shape.includes(0) ? 0 : shape.reduce((product, dim) => product * dim, 1);
  const end = offset + span(shape, strides);
  const what = `a tensor ${formatShape(shape.slice(0, 8))} with strides ${formatShape(strides.slice(0, 8))}`;
  if (end > storage.size) {
    throw damaged(
      file,
      `${what} must lie within the ${storage.size} elements of storage ${quoted(storage.key)}, got its end at ${end}`,
    );
  }
  // Also what keeps a small file from describing a tensor larger than memory.
  if (elements > storage.size) {
    throw foreign(
      file,
      `${what} must not repeat elements, got ${elements} from a storage of ${storage.size}`,
    );
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/**
 * The tensors of what a pickle holds.
 * @throws {CheckpointError} unless it is a dictionary from names to tensors
 */
export function tensorsOf(file: string, value: unknown): Map<string, StridedTensor> {
  if (!(value instanceof Map)) {
    throw foreign(file, `must hold a dictionary of tensors, got ${describe(value)}`);
  }
  const tensors = new Map<string, StridedTensor>();
  for (const [name, item] of value as Map<string, unknown>) {
    if (!(item instanceof Described)) throw notATensor(file, name, item);
    tensors.set(name, item);
  }
  return tensors;
}

/** transformers reads no nested dictionary either: it would leave every weight random. */
function notATensor(file: string, name: string, item: unknown): Error {
  const statement = `${quoted(name)} must be a tensor, got ${describe(item)}`;
  if (!(item instanceof Map)) return foreign(file, statement);
  return new CheckpointError(
    `${file}: ${statement}. Save it alone: torch.save(torch.load(file)[${quoted(name)}], "pytorch_model.bin")`,
  );
}
