// The second pass of a product whose k was split: adds up the parts, always in the same order.

import type { WgslShader } from "../../tensor/wgsl.ts";
import { powersOfTwo } from "../wgsl/math.ts";
import { memoByVariant } from "../wgsl/memoByVariant.ts";
import { descaled } from "./matrixShader.ts";

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

/** The same for parts of matrix units, which are whole tiles, from planes that were scaled (halfPlanes.ts) or not. */
export const addMatrixPartsShader = memoByVariant(
  ({ scaled, aligned }: { readonly scaled: boolean; readonly aligned: boolean }): WgslShader => {
    const element = aligned ? "vec4<f32>" : "f32";
    const width = aligned ? 4 : 1;
    return {
      name: "addMatrixParts",
      reads: ["parts", ...(scaled ? ["exponents"] : [])],
      writes: ["c"],
      views: { parts: element, c: element },
      uses: [powersOfTwo],
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
  var values = parts[place];
  for (var split = 1u; split < params.splits; split++) {
    place += batches * layer;
    values += parts[place];
  }
  let sum = ${scaled ? descaled(aligned) : "values"};
  if (ACCUMULATE == 1u) { c[i] += sum; } else { c[i] = sum; }
}`,
    };
  },
);
