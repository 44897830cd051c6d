// The second pass of a product whose k was split: adds up the parts, always in the same order.

import type { WgslShader } from "../../tensor/wgsl.ts";
import { memoByVariant } from "../wgsl/memoByVariant.ts";

export const addPartsShader: WgslShader = {
  name: "addParts",
  reads: ["parts"],
  writes: ["c"],
  views: { parts: "vec4<f32>", c: "vec4<f32>" },
  params: { splits: "u32", quads: "u32" },
  source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i >= params.quads) { return; }
  var sum = parts[i];
  for (var split = 1u; split < params.splits; split++) { sum += parts[split * params.quads + i]; }
  if (ACCUMULATE == 1u) { c[i] += sum; } else { c[i] = sum; }
}`,
};

/** The same for parts of matrix units, which are whole tiles. */
export const addMatrixPartsShader = memoByVariant(
  ({ aligned }: { readonly aligned: boolean }): WgslShader => {
    const element = aligned ? "vec4<f32>" : "f32";
    const width = aligned ? 4 : 1;
    return {
      name: "addMatrixParts",
      reads: ["parts"],
      writes: ["c"],
      views: { parts: element, c: element },
      params: { splits: "u32", partRows: "u32", partCols: "u32", batches: "u32" },
      source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  let batches = params.batches;
  let at = i * ${width}u;
  if (at >= batches * params.m * params.n) { return; }
  let col = at % params.n;
  let row = at / params.n % params.m;
  let batch = at / params.n / params.m;
  let layer = params.partRows * params.partCols / ${width}u;
  var place = batch * layer + (row * params.partCols + col) / ${width}u;
  var sum = parts[place];
  for (var split = 1u; split < params.splits; split++) {
    place += batches * layer;
    sum += parts[place];
  }
  if (ACCUMULATE == 1u) { c[i] += sum; } else { c[i] = sum; }
}`,
    };
  },
);
