// Kernels that only move elements do the same for every dtype, but a binding has one element type.
// Such a kernel is defined once for each.

import { dtypes, type Dtype } from "../../tensor/dtype.ts";
import { DtypeError } from "../../tensor/errors.ts";
import type { WgslSingle } from "../../tensor/wgsl.ts";

/** Binding types between which elements move unchanged; `bool` travels as u32. */
export type MovedType = Exclude<(typeof dtypes)[Dtype]["binding"], "q8">;

/** Elements in a 32-bit word, and the bits of an element that has no source: NaN, or 0 in integers. */
const movedTypes: Readonly<
  Record<MovedType, { readonly perWord: 1 | 2; readonly missing: string }>
> = {
  float: { perWord: 1, missing: "0x7fc00000u" },
  i32: { perWord: 1, missing: "0u" },
  u32: { perWord: 1, missing: "0u" },
  f16: { perWord: 2, missing: "0x7e00u" },
  bf16: { perWord: 2, missing: "0x7fc0u" },
};

/** Whether two elements share a word. */
export function isPacked(type: MovedType): boolean {
  return movedTypes[type].perWord === 2;
}

/** `define(type)` for each type. */
export function perMovedType<K>(define: (type: MovedType) => K): Readonly<Record<MovedType, K>> {
  const entries = Object.keys(movedTypes).map((type) => [type, define(type as MovedType)]);
  return Object.fromEntries(entries) as Record<MovedType, K>;
}

/**
 * The binding type that holds elements of `dtype`.
 * @throws {DtypeError} for q8, whose elements have a scale in common
 */
export function movedType(dtype: Dtype): MovedType {
  const type = dtypes[dtype].binding;
  if (type !== "q8") return type;
  throw new DtypeError(
    "tensor: elements that are moved must not be q8, for 32 of them share a scale, got q8. Use cast() to f32.",
  );
}

/** Name of the kernel `base` for a type: "permute" for floats, "permuteI32", "permuteBf16". */
export function movedName(base: string, type: MovedType): string {
  return type === "float" ? base : `${base}${type[0]!.toUpperCase()}${type.slice(1)}`;
}

/** Where an element of y comes from. */
interface Move<P> {
  /** Elements of y that are written. */
  size(params: P): number;
  /** The same in WGSL. */
  readonly wgslSize: string;
  /** WGSL: `fn sourceOf(i: u32) -> u32`, the index in x of element i of y, or MISSING, or ELSEWHERE for none to write. */
  readonly source: string;
}

/**
 * WGSL body that gives each element of y an element of x, as bits. 16-bit elements are written in pairs:
 * two invocations that wrote halves of one word would undo each other.
 */
export function moveShader<P>(type: MovedType, { size, wgslSize, source }: Move<P>): WgslSingle<P> {
  const packed = isPacked(type);
  const load = packed ? "(x[at >> 1u] >> ((at & 1u) * 16u)) & 0xffffu" : "x[at]";
  const store = packed
    ? `let first = 2u * i;
  if (first >= size) { return; }
  var word = element(first);
  if (first + 1u < size) { word |= element(first + 1u) << 16u; }
  y[i] = word;`
    : "if (i < size && sourceOf(i) != ELSEWHERE) { y[i] = element(i); }";
  return {
    views: { x: "u32", y: "u32" },
    invocations: (params) => (packed ? Math.ceil(size(params) / 2) : size(params)),
    source: /* wgsl */ `
const MISSING = 0xffffffffu;
const ELSEWHERE = 0xfffffffeu;
${source}
fn element(i: u32) -> u32 {
  let at = sourceOf(i);
  if (at == MISSING) { return ${movedTypes[type].missing}; }
  return ${load};
}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  let size = ${wgslSize};
  ${store}
}`,
  };
}
