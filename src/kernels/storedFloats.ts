// Weights, and activations kept for backward, stored in 16 bits beside f32: how kernels that read them in place tell the types apart.

import { isHalf, type HalfDtype } from "../tensor/dtype.ts";
import { DtypeError } from "../tensor/errors.ts";
import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
} from "../tensor/half.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { WgslSnippet } from "../tensor/wgsl.ts";
import { bf16, f16 } from "./wgsl/halfs.ts";
import { BF16, F16, F32 } from "./wasm/generated/constants.ts";

/** How a weight is stored. */
export type StoredFloat = "f32" | HalfDtype;

type StoredArray = Float32Array | Float64Array | Uint16Array;

interface StoredFloatFacts {
  /** How the binding of a weight is declared. */
  readonly binding: "float" | HalfDtype;
  /** What the name of a kernel that reads it ends in. */
  readonly suffix: string;
  /** First argument of WebAssembly functions that read or write several types. */
  readonly selector: number;
  /** The elements as numbers, for the plain bodies; f64 arrays come by way of "f32". */
  widen(x: StoredArray): Float32Array | Float64Array;
}

/** One record for each: a new 16-bit dtype does not compile until everything here is said of it. */
export const storedFloats = {
  f32: { binding: "float", suffix: "", selector: F32, widen: asIs },
  bf16: {
    ...{ binding: "bf16", suffix: "Bf16", selector: BF16 },
    widen: (x) => Float32Array.from(x, bfloat16ToFloat32),
  },
  f16: {
    ...{ binding: "f16", suffix: "F16", selector: F16 },
    widen: (x) => Float32Array.from(x, float16ToFloat32),
  },
} as const satisfies Readonly<Record<StoredFloat, StoredFloatFacts>>;

/** Of one element, in TypeScript: stored to number and back. */
export interface ElementCodec {
  widen(stored: number): number;
  narrow(value: number): number;
}

const same = (value: number): number => value;

/** Of elements that are stored as the numbers they are. */
export const plainCodec: ElementCodec = { widen: same, narrow: same };

interface Codec extends ElementCodec {
  /** The functions of WGSL, and what they are in: a word to the two elements that it holds, back, and a number rounded. */
  readonly snippet: WgslSnippet;
  readonly unpack: string;
  readonly pack: string;
  readonly round: string;
}

/** Between 16-bit floats and numbers. */
export const codecs = {
  bf16: {
    ...{ widen: bfloat16ToFloat32, narrow: float32ToBfloat16 },
    ...{ snippet: bf16, unpack: "unpackBf16", pack: "packBf16", round: "roundBf16" },
  },
  f16: {
    ...{ widen: float16ToFloat32, narrow: float32ToFloat16 },
    ...{ snippet: f16, unpack: "unpackF16", pack: "packF16", round: "roundF16" },
  },
} as const satisfies Readonly<Record<HalfDtype, Codec>>;

/** How a tensor's kernel is found among those of `perStoredFloat`. */
export function storedAs({ dtype }: Tensor): StoredFloat {
  return isHalf(dtype) ? dtype : "f32";
}

/** `define(stored)` for each way to store a weight. */
export function perStoredFloat<K>(
  define: (stored: StoredFloat) => K,
): Readonly<Record<StoredFloat, K>> {
  const entries = Object.keys(storedFloats).map((stored) => [
    stored,
    define(stored as StoredFloat),
  ]);
  return Object.fromEntries(entries) as Record<StoredFloat, K>;
}

function asIs(x: StoredArray): Float32Array | Float64Array {
  if (x instanceof Uint16Array)
    throw new DtypeError("kernel: floats must be f32 or f64, got 16 bits");
  return x;
}
