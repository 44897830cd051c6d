// How weights are stored, as callers name it: "bf16" as tensors and messages do, or "bfloat16" as transformers does.

import type { StoredFloat } from "../kernels/storedFloats.ts";
import type { Dtype } from "../tensor/dtype.ts";
import { ArgumentError } from "../tensor/errors.ts";

const torchNames = {
  f32: "float32",
  f16: "float16",
  bf16: "bfloat16",
} as const satisfies Record<StoredFloat, TorchDtype>;

const otherNames = { ...torchNames, q8: "int8" } as const satisfies Record<StoredWeights, string>;

/** Dtype names as transformers spells them. */
export type TorchDtype = "float32" | "float16" | "bfloat16";
/** Either spelling; "q8" or "int8" stores matrices in 8 bits with a scale for every 32 numbers of a row (docs/guide/precision.md). */
export type WeightDtype = "f32" | "f16" | "bf16" | TorchDtype | "q8" | "int8";
/** How weights are to be stored; q8 leaves some as the file has them. */
export type StoredWeights = StoredFloat | "q8";

/**
 * The dtype of either spelling.
 * @param option begins the message
 * @throws {ArgumentError} for another text
 */
export function parseWeightDtype(option: string, text: string): StoredWeights {
  for (const [dtype, other] of Object.entries(otherNames)) {
    if (text === dtype || text === other) return dtype as StoredWeights;
  }
  throw new ArgumentError(`${option} must be ${weightDtypeNames()}, got "${text}"`);
}

/** "f32 (or float32), ...": what `parseWeightDtype` takes. */
export function weightDtypeNames(): string {
  return Object.entries(otherNames)
    .map(([dtype, other]) => `${dtype} (or ${other})`)
    .join(", ");
}

/** What config.json calls a dtype; null for one that weights are not stored in. */
export function torchDtype(dtype: Dtype): TorchDtype | null {
  return dtype in torchNames ? torchNames[dtype as StoredFloat] : null;
}
