// Element types. f16 and bf16 are storage: their raw 16-bit words travel as Uint16Array and
// arithmetic happens in f32. `bool` is stored as one 32-bit word (0 or 1), as WGSL has no 1-byte type.

import {
  float16ToFloat32,
  float32ToFloat16,
  float32ToBfloat16,
  bfloat16ToFloat32,
} from "./half.ts";

/** Element type of a tensor. f16 and bf16 are stored only: arithmetic is f32, or f64 in gradient checks. */
export type Dtype = "f32" | "f64" | "f16" | "bf16" | "i32" | "u32" | "bool";

/** A floating-point array in which kernels compute: f32 in use, f64 in gradient checks. */
export type FloatArray = Float32Array | Float64Array;
/** What a tensor's storage looks like on the CPU. */
export type StorageArray = FloatArray | Uint16Array | Int32Array | Uint32Array;
/** What `tensor.data()` returns. 16-bit floats come back as Float32Array, bool as Uint8Array. */
export type DataArray = FloatArray | Int32Array | Uint32Array | Uint8Array;

const BYTES: Record<Dtype, number> = { f32: 4, f64: 8, f16: 2, bf16: 2, i32: 4, u32: 4, bool: 4 };

/**
 * Bytes that `size` elements take. 16-bit floats are padded to an even count, because the GPU
 * addresses 32-bit words.
 */
export function byteLength(dtype: Dtype, size: number): number {
  return 4 * Math.ceil((size * BYTES[dtype]) / 4);
}

export function isFloat(dtype: Dtype): boolean {
  return dtype === "f32" || dtype === "f64" || isHalf(dtype);
}

/** f16 and bf16: dtypes that are stored but not computed in. */
export function isHalf(dtype: Dtype): dtype is "f16" | "bf16" {
  return dtype === "f16" || dtype === "bf16";
}

/** A typed view of `size` elements at `offset` (bytes) of `buffer`. */
export function storageView(
  dtype: Dtype,
  buffer: ArrayBufferLike,
  offset: number,
  size: number,
): StorageArray {
  switch (dtype) {
    case "f32":
      return new Float32Array(buffer, offset, size);
    case "f64":
      return new Float64Array(buffer, offset, size);
    case "f16":
    case "bf16":
      return new Uint16Array(buffer, offset, size);
    case "i32":
      return new Int32Array(buffer, offset, size);
    case "u32":
    case "bool":
      return new Uint32Array(buffer, offset, size);
  }
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
  switch (dtype) {
    case "f32":
      return Float32Array.from(values);
    case "f64":
      return Float64Array.from(values);
    case "f16":
      return mapInto(new Uint16Array(values.length), values, float32ToFloat16);
    case "bf16":
      return mapInto(new Uint16Array(values.length), values, float32ToBfloat16);
    case "i32":
      return Int32Array.from(values);
    case "u32":
      return Uint32Array.from(values);
    case "bool":
      return Uint32Array.from(values, (value) => (value === 0 ? 0 : 1));
  }
}

/** Copies stored elements out into the array type that users see. */
export function fromStorage(dtype: Dtype, stored: StorageArray): DataArray {
  switch (dtype) {
    case "f16":
      return mapInto(new Float32Array(stored.length), stored, float16ToFloat32);
    case "bf16":
      return mapInto(new Float32Array(stored.length), stored, bfloat16ToFloat32);
    case "bool":
      return Uint8Array.from(stored);
    case "f64":
      return Float64Array.from(stored);
    case "f32":
      return Float32Array.from(stored);
    case "i32":
      return Int32Array.from(stored);
    case "u32":
      return Uint32Array.from(stored);
  }
}
