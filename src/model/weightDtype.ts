// How weights are stored, as callers name it: "bf16" as tensors and messages do, or "bfloat16" as transformers does.

import type { StoredFloat } from "../kernels/storedFloats.ts";
import type { Dtype } from "../tensor/dtype.ts";
import { ArgumentError } from "../tensor/errors.ts";

const torchNames = {
  f32: "float32",
  f16: "float16",
  bf16: "bfloat16",
} as const satisfies Record<StoredFloat, TorchDtype>;

/** Dtype names as transformers spells them. */
export type TorchDtype = "float32" | "float16" | "bfloat16";
/** Either spelling. */
export type WeightDtype = "f32" | "f16" | "bf16" | TorchDtype;

/**
 * The dtype of either spelling.
 * @param option begins the message
 * @throws {ArgumentError} for another text
 */
export function parseWeightDtype(option: string, text: string): StoredFloat {
  for (const [dtype, torchName] of Object.entries(torchNames)) {
    if (text === dtype || text === torchName) return dtype as StoredFloat;
  }
  throw new ArgumentError(`${option} must be ${weightDtypeNames()}, got "${text}"`);
}

/** "f32 (or float32), ...": what `parseWeightDtype` takes. */
export function weightDtypeNames(): string {
  return Object.entries(torchNames)
    .map(([dtype, torchName]) => `${dtype} (or ${torchName})`)
    .join(", ");
}

/** What config.json calls a dtype; null for one that weights are not stored in. */
export function torchDtype(dtype: Dtype): TorchDtype | null {
  return dtype in torchNames ? torchNames[dtype as StoredFloat] : null;
}
