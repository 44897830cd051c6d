// Element types, and every fact about one of them that the engine goes by. f16 and bf16 are storage: their raw 16-bit words travel as Uint16Array and
// arithmetic happens in f32. q8 is storage, too: blocks of 32 numbers of 8 bits with a scale (q8.ts), whose words travel as
// Uint32Array. `bool` is stored as one 32-bit word (0 or 1), as WGSL has no 1-byte type.

import {
  float16ToFloat32,
  float32ToFloat16,
  float32ToBfloat16,
  bfloat16ToFloat32,
} from "./half.ts";
import { dequantizeQ8, Q8_BLOCK, Q8_WORDS, quantizeQ8 } from "./q8.ts";
import type { SafetensorsDtype } from "./safetensorsDtype.ts";

/**
 * Element type of a tensor. f16 and bf16 are stored only: arithmetic is f32, or f64 in gradient checks. So is q8, 8-bit weights
 * with a scale for every 32 of a row: matmul's b and embedding's table may be stored in it, and cast reads it.
 */
export type Dtype = "f32" | "f64" | "f16" | "bf16" | "q8" | "i32" | "u32" | "bool";

/** A floating-point array in which kernels compute: f32 in use, f64 in gradient checks. */
export type FloatArray = Float32Array | Float64Array;
/** What a tensor's storage looks like on the CPU. */
export type StorageArray = FloatArray | Uint16Array | Int32Array | Uint32Array;
/** `reduce` over numbers: TypeScript calls no method of a union whose members overload it, as typed arrays do this one. */
export interface Reducible {
  /** Combines the elements from left to right, beginning with `start`, or with the first one without it. */
  reduce(combine: (sum: number, value: number, index: number) => number, start?: number): number;
}
/** What `tensor.data()` returns. 16-bit floats come back as Float32Array, bool as Uint8Array. */
export type DataArray = (FloatArray | Int32Array | Uint32Array | Uint8Array) & Reducible;

type StorageConstructor = {
  readonly prototype: StorageArray;
  new (buffer: ArrayBufferLike, offset: number, size: number): StorageArray;
};

interface DtypeFacts {
  /** Of one element; of blocks the mean. */
  readonly bytes: number;
  /** `float` is computed in, `half` and `blocks` are stored and widened where they are read. */
  readonly kind: "float" | "half" | "blocks" | "integer" | "bool";
  /** Holds the elements on the CPU. */
  readonly array: StorageConstructor;
  /** How kernels that take elements as they are declare the binding. */
  readonly binding: "float" | Exclude<Dtype, "f64" | "bool">;
  /** Element of a WGSL array; null where webgpu has no such dtype. 16-bit floats travel in pairs, in words. */
  readonly wgslElement: "f32" | "i32" | "u32" | null;
  /** What safetensors files call it; null for what no file here holds. */
  readonly safetensors: SafetensorsDtype | null;
  /** Numbers as they are stored: 16-bit floats rounded to nearest even. */
  store(values: ArrayLike<number>): StorageArray;
  /** A copy of stored elements, in the array type that users see. */
  read(stored: StorageArray): DataArray;
}

/** One record for each dtype: a new one does not compile until everything here is said of it. */
export const dtypes = {
  f32: {
    ...{ bytes: 4, kind: "float", array: Float32Array, binding: "float", wgslElement: "f32" },
    safetensors: "F32",
    store: (values) => Float32Array.from(values),
    read: (stored) => Float32Array.from(stored),
  },
  f16: {
    ...{ bytes: 2, kind: "half", array: Uint16Array, binding: "f16", wgslElement: "u32" },
    safetensors: "F16",
    store: (values) => mapInto(new Uint16Array(values.length), values, float32ToFloat16),
    read: (stored) => mapInto(new Float32Array(stored.length), stored, float16ToFloat32),
  },
  bf16: {
    ...{ bytes: 2, kind: "half", array: Uint16Array, binding: "bf16", wgslElement: "u32" },
    safetensors: "BF16",
    store: (values) => mapInto(new Uint16Array(values.length), values, float32ToBfloat16),
    read: (stored) => mapInto(new Float32Array(stored.length), stored, bfloat16ToFloat32),
  },
  q8: {
    ...{ bytes: (4 * Q8_WORDS) / Q8_BLOCK, kind: "blocks", array: Uint32Array, binding: "q8" },
    ...{ wgslElement: "u32", safetensors: null, store: quantizeQ8 },
    read: (stored) => dequantizeQ8(stored as Uint32Array),
  },
  i32: {
    ...{ bytes: 4, kind: "integer", array: Int32Array, binding: "i32", wgslElement: "i32" },
    safetensors: "I32",
    store: (values) => Int32Array.from(values),
    read: (stored) => Int32Array.from(stored),
  },
  u32: {
    ...{ bytes: 4, kind: "integer", array: Uint32Array, binding: "u32", wgslElement: "u32" },
    safetensors: "U32",
    store: (values) => Uint32Array.from(values),
    read: (stored) => Uint32Array.from(stored),
  },
  bool: {
    ...{ bytes: 4, kind: "bool", array: Uint32Array, binding: "u32", wgslElement: "u32" },
    safetensors: null,
    store: (values) => Uint32Array.from(values, (value) => (value === 0 ? 0 : 1)),
    read: (stored) => Uint8Array.from(stored),
  },
  f64: {
    ...{ bytes: 8, kind: "float", array: Float64Array, binding: "float", wgslElement: null },
    safetensors: "F64",
    store: (values) => Float64Array.from(values),
    read: (stored) => Float64Array.from(stored),
  },
} as const satisfies Record<Dtype, DtypeFacts>;

/** The array that holds elements of dtype D on the CPU. */
export type StorageArrayOf<D extends Dtype> = (typeof dtypes)[D]["array"]["prototype"];

/** The 16-bit floats: stored, not computed in. */
export type HalfDtype = {
  [D in Dtype]: (typeof dtypes)[D]["kind"] extends "half" ? D : never;
}[Dtype];

/**
 * Bytes that `size` elements take. 16-bit floats are padded to an even count, because the GPU
 * addresses 32-bit words; of q8 it must be whole blocks.
 */
export function byteLength(dtype: Dtype, size: number): number {
  return 4 * Math.ceil((size * dtypes[dtype].bytes) / 4);
}

/** Elements that a stored array holds. */
export function storedSize(dtype: Dtype, { length }: StorageArray): number {
  return dtype === "q8" ? (length / Q8_WORDS) * Q8_BLOCK : length;
}

/** Dtypes of floating-point numbers that can be trained; blocks of 8 bits cannot. */
export function isFloat(dtype: Dtype): boolean {
  return dtypes[dtype].kind === "float" || isHalf(dtype);
}

/** f16 and bf16: dtypes that are stored but not computed in. */
export function isHalf(dtype: Dtype): dtype is HalfDtype {
  return dtypes[dtype].kind === "half";
}

/** A typed view of `size` elements at `offset` (bytes) of `buffer`. */
export function storageView(
  dtype: Dtype,
  buffer: ArrayBufferLike,
  offset: number,
  size: number,
): StorageArray {
  const { array: Elements }: DtypeFacts = dtypes[dtype];
  return new Elements(buffer, offset, dtype === "q8" ? byteLength(dtype, size) / 4 : size);
}

/** target[i] = convert(source[i]). `from` with a function takes ten times as long: it goes through an iterator. */
export function mapInto<T extends Uint16Array | Float32Array>(
  target: T,
  source: ArrayLike<number>,
  convert: (value: number) => number,
): T {
  for (let i = 0; i < source.length; i++) target[i] = convert(source[i]!);
  return target;
}

/** Converts numbers to what `dtype` stores; 16-bit floats are rounded to nearest even. */
export function toStorage(dtype: Dtype, values: ArrayLike<number>): StorageArray {
  return dtypes[dtype].store(values);
}

/** Copies stored elements out into the array type that users see. */
export function fromStorage(dtype: Dtype, stored: StorageArray): DataArray {
  return dtypes[dtype].read(stored);
}
