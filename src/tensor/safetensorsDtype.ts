// The element types of the safetensors format and the arrays that hold them here.

import type { Shape } from "./shape.ts";

/** The arrays that hold elements of safetensors files; 16-bit and 8-bit floats as raw words. */
export type SafetensorsData =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

interface Layout {
  /** Bits of one element. */
  readonly bits: number;
  /** The array that holds elements (16-bit floats as their bits, C64 as re, im pairs, below 8 bits as packed bytes). */
  readonly array: new (buffer: ArrayBuffer) => SafetensorsData;
}

/** In the order of the format, by alignment; writers sort tensors from its end. */
const layouts = {
  BOOL: { bits: 8, array: Uint8Array },
  F4: { bits: 4, array: Uint8Array },
  F6_E2M3: { bits: 6, array: Uint8Array },
  F6_E3M2: { bits: 6, array: Uint8Array },
  U8: { bits: 8, array: Uint8Array },
  I8: { bits: 8, array: Int8Array },
  F8_E5M2: { bits: 8, array: Uint8Array },
  F8_E4M3: { bits: 8, array: Uint8Array },
  F8_E8M0: { bits: 8, array: Uint8Array },
  F8_E4M3FNUZ: { bits: 8, array: Uint8Array },
  F8_E5M2FNUZ: { bits: 8, array: Uint8Array },
  I16: { bits: 16, array: Int16Array },
  U16: { bits: 16, array: Uint16Array },
  F16: { bits: 16, array: Uint16Array },
  BF16: { bits: 16, array: Uint16Array },
  I32: { bits: 32, array: Int32Array },
  U32: { bits: 32, array: Uint32Array },
  F32: { bits: 32, array: Float32Array },
  C64: { bits: 64, array: Float32Array },
  F64: { bits: 64, array: Float64Array },
  I64: { bits: 64, array: BigInt64Array },
  U64: { bits: 64, array: BigUint64Array },
} satisfies Record<string, Layout>;

/** Element types of the safetensors format, by its names. */
export type SafetensorsDtype = keyof typeof layouts;
/** Names of all dtypes, in that order. */
export const dtypeOrder: readonly string[] = Object.keys(layouts);

export function isDtype(dtype: unknown): dtype is SafetensorsDtype {
  return typeof dtype === "string" && Object.hasOwn(layouts, dtype);
}

/** The array type that holds elements of `dtype`. */
export function arrayTypeOf(dtype: SafetensorsDtype): Layout["array"] {
  return layouts[dtype].array;
}

/** Bits of all elements; null past 2^64, where the reference implementation overflows. */
export function sizeInBits(dtype: SafetensorsDtype, shape: Shape): bigint | null {
  const limit = 2n ** 64n;
  let size = 1n;
  for (const dim of shape) {
    size *= BigInt(dim);
    if (size >= limit) return null;
  }
  const bits = size * BigInt(layouts[dtype].bits);
  return bits < limit ? bits : null;
}
