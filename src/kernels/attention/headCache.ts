// Writes keys and values [R, H*D] into the caches of decoding, [slots, H, capacity, D], in place: those of row r to slot
// places[r, 0], position places[r, 1]. A row whose position is -1 is left out.

import { invariant } from "../../tensor/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { defineKernel, launch } from "../kernel.ts";

export const writeHeadCacheKernel = defineKernel({
  name: "writeHeadCache",
  inputs: { k: "float", v: "float", places: "i32" },
  outputs: { keys: "float", values: "float" },
  params: { rows: "u32", heads: "u32", headDim: "u32", capacity: "u32" },
  wasm: { name: "writeHeadCache", units: ({ rows }) => rows! },
  wgsl: {
    invocations: ({ rows, heads, headDim }) => rows * heads * headDim,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let at = globalIndex(group, local);
  let width = params.heads * params.headDim;
  let row = at / width;
  if (row >= params.rows) { return; }
  let position = places[2u * row + 1u];
  if (position < 0) { return; }
  let h = at % width / params.headDim;
  let head = (u32(places[2u * row]) * params.heads + h) * params.capacity + u32(position);
  let to = head * params.headDim + at % params.headDim;
  keys[to] = k[at];
  values[to] = v[at];
}`,
  },
  plain({ k, v, places, keys, values }, { rows, heads, headDim, capacity }) {
    for (let r = 0; r < rows; r++) {
      const [slot, position] = [places[2 * r]!, places[2 * r + 1]!];
      if (position < 0) continue;
      for (let h = 0; h < heads; h++) {
        const from = (r * heads + h) * headDim;
        const to = ((slot * heads + h) * capacity + position) * headDim;
        for (let d = 0; d < headDim; d++) {
          keys[to + d] = k[from + d]!;
          values[to + d] = v[from + d]!;
        }
      }
    }
  },
});

/**
 * @param k, v [R, H*D]
 * @param cache keys and values [slots, H, capacity, D], overwritten
 * @param places i32 [R, 2]: slot and position, -1 for none; no two rows have one place
 */
export function writeHeadsInto(
  k: Tensor,
  v: Tensor,
  cache: { readonly k: Tensor; readonly v: Tensor },
  places: Tensor,
): void {
  const rows = k.shape[0]!;
  const [, heads, capacity, headDim] = cache.k.shape as readonly [number, number, number, number];
  const fits = k.shape[1] === heads * headDim && places.size === 2 * rows;
  invariant(fits, () => "writeHeadsInto: caches do not fit");
  launch(
    writeHeadCacheKernel,
    { k, v, places, keys: cache.k, values: cache.v },
    { rows, heads, headDim, capacity },
  );
}
