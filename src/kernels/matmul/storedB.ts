// How b of a matrix product may be stored: floats of some width, or q8.

import { SLICE_ALIGNMENT } from "../../tensor/device.ts";
import { dtypes, type FloatArray } from "../../tensor/dtype.ts";
import { dequantizeQ8, Q8_BLOCK } from "../../tensor/q8.ts";
import { storedFloats, type StoredFloat } from "../storedFloats.ts";

/** How b is stored. */
export type StoredB = StoredFloat | "q8";

/** Binding of b, and what the kernels' names end in. */
export function storedB(stored: StoredB) {
  return stored === "q8" ? ({ binding: "q8", suffix: "Q8" } as const) : storedFloats[stored];
}

/** The elements as numbers, for the plain body. */
export function widenB(b: FloatArray | Uint16Array | Uint32Array, stored: StoredB): FloatArray {
  if (b instanceof Uint32Array) return dequantizeQ8(b);
  return storedFloats[stored as StoredFloat].widen(b);
}

/** Elements from one place where a binding may begin to the next. */
export function alignedElements(stored: StoredB): number {
  const { bytes } = dtypes[stored];
  // 64 blocks of 36 bytes are a multiple of 256 bytes.
  return stored === "q8" ? 64 * Q8_BLOCK : SLICE_ALIGNMENT / bytes;
}
