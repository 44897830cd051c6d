// Shaders made once for each variant. Pipelines are looked up by shader object, so equal variants must get the same one.

import type { WgslShader } from "../../tensor/wgsl.ts";

/**
 * `make`, called once for each variant that is asked for. The key is the whole variant, nested objects and all: a list of its fields
 * by hand would hand out the shader of another variant as soon as a field is forgotten in it.
 * @param make reads nothing but its argument, which holds numbers, strings, booleans and objects of them
 * @returns the same object for equal variants, in whatever order their fields were written
 */
export function memoByVariant<V extends object>(
  make: (variant: V) => WgslShader,
): (variant: V) => WgslShader {
  const made = new Map<string, WgslShader>();
  return (variant) => {
    const key = JSON.stringify(variant, sortFields);
    let shader = made.get(key);
    if (shader === undefined) made.set(key, (shader = make(variant)));
    return shader;
  };
}

/** For JSON.stringify: objects with their fields in alphabetical order. */
function sortFields(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
