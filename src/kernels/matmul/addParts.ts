// The second pass of a product whose k was split: adds up the parts, always in the same order.

import type { WgslShader } from "../../tensor/wgsl.ts";

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
