// How calls fall into pieces where a tensor is larger than the adapter's bindings.

import type { WgslPieces } from "../../tensor/wgsl.ts";

/** Element by element: the param `size` counts elements of each of `bindings`. */
export function elementPieces(bindings: readonly string[]): WgslPieces {
  return { param: "size", elements: Object.fromEntries(bindings.map((name) => [name, 1])) };
}
