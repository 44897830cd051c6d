// Elements of bindings as they are stored, in f32 or 16 bits: how WGSL reads them one by one or four at a time, and writes four.

import type { HalfDtype } from "../tensor/dtype.ts";
import type { WgslSnippet } from "../tensor/wgsl.ts";
import { codecs, type StoredFloat } from "./storedFloats.ts";

/** How a shader reads a binding: the expression of what lies at an index, and the functions that it calls. */
export interface Reader {
  /** Element type of the binding. */
  readonly view: string;
  of(index: string): string;
  readonly uses: readonly WgslSnippet[];
}

/** One element at a time, as f32. */
export function elementReader(name: string, stored: StoredFloat): Reader {
  if (stored === "f32") return { view: "f32", of: (index) => `${name}[${index}]`, uses: [] };
  const { snippet, unpack } = codecs[stored];
  const of = (index: string): string => `${unpack}(${name}[(${index}) >> 1u])[(${index}) & 1u]`;
  return { view: "u32", of, uses: [snippet] };
}

/** Four elements at a time, as vec4<f32>. */
export function vectorReader(name: string, stored: StoredFloat): Reader {
  if (stored === "f32") return { view: "vec4<f32>", of: (index) => `${name}[${index}]`, uses: [] };
  const { snippet, unpack } = codecs[stored];
  const of = (index: string): string =>
    `vec4<f32>(${unpack}(${name}[${index}].x), ${unpack}(${name}[${index}].y))`;
  return { view: "vec2<u32>", of, uses: [snippet] };
}

/** `<name>(x)`: four numbers as the two words that hold them in 16 bits. */
export function narrow4(name: string, dtype: HalfDtype): WgslSnippet {
  const { snippet, pack } = codecs[dtype];
  return {
    uses: [snippet],
    source: /* wgsl */ `
fn ${name}(x: vec4<f32>) -> vec2<u32> { return vec2<u32>(${pack}(x.xy), ${pack}(x.zw)); }`,
  };
}
