// Weights stored in 16 bits beside f32 activations: how kernels that read them in place tell the types apart.

import { DtypeError } from "../tensor/errors.ts";
import { bfloat16ToFloat32, float16ToFloat32 } from "../tensor/half.ts";
import { BF16, F16, F32 } from "./wasm/generated/constants.ts";

/** How a weight is stored. */
export type StoredFloat = "f32" | "bf16" | "f16";

type StoredArray = Float32Array | Float64Array | Uint16Array;

/** First argument of WebAssembly functions that read or write several types. */
export const selectors: Readonly<Record<StoredFloat, number>> = { f32: F32, bf16: BF16, f16: F16 };

/** The elements as numbers, for the plain bodies; f64 arrays come by way of "f32". */
export const widenings = {
  f32: asIs,
  bf16: (x: StoredArray) => Float32Array.from(x, bfloat16ToFloat32),
  f16: (x: StoredArray) => Float32Array.from(x, float16ToFloat32),
} as const;

function asIs(x: StoredArray): Float32Array | Float64Array {
  if (x instanceof Uint16Array)
    throw new DtypeError("kernel: floats must be f32 or f64, got 16 bits");
  return x;
}
