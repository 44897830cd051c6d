// Kernels that only move elements do the same for every dtype, but a binding has one element type.
// Such a kernel is defined once for each.

import type { Dtype } from "../tensor/dtype.ts";

/** Binding types between which elements move unchanged; `bool` travels as u32. */
const MOVED_TYPES = ["float", "i32", "u32", "f16", "bf16"] as const;

export type MovedType = (typeof MOVED_TYPES)[number];

/** `define(type)` for each type. */
export function perMovedType<K>(define: (type: MovedType) => K): Readonly<Record<MovedType, K>> {
  const entries = MOVED_TYPES.map((type) => [type, define(type)]);
  return Object.fromEntries(entries) as Record<MovedType, K>;
}

/** The binding type that holds elements of `dtype`. */
export function movedType(dtype: Dtype): MovedType {
  if (dtype === "f32" || dtype === "f64") return "float";
  return dtype === "bool" ? "u32" : dtype;
}

/** Name of the kernel `base` for a type: "permute" for floats, "permuteI32", "permuteBf16". */
export function movedName(base: string, type: MovedType): string {
  return type === "float" ? base : `${base}${type[0]!.toUpperCase()}${type.slice(1)}`;
}

/** Name of the WebAssembly function `base` for a type: they differ by the width of an element only. */
export function movedWasmName(base: string, type: MovedType): string {
  return `${base}${type === "f16" || type === "bf16" ? 16 : 32}`;
}
