// Reductions over a workgroup, whose WG is a power of two. Every invocation must call them, and every one gets the result,
// which is uniform: barriers may depend on it.

import type { WgslSnippet } from "../../tensor/wgsl.ts";

/** `workgroupSum(local, value)`: the sum over the workgroup. */
export const workgroupSum: WgslSnippet = {
  source: /* wgsl */ `
var<workgroup> sumParts: array<f32, WG>;
fn workgroupSum(local: u32, value: f32) -> f32 {
  sumParts[local] = value;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half >>= 1u) {
    if (local < half) { sumParts[local] += sumParts[local + half]; }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&sumParts[0]);
}`,
};

/** `workgroupMax(local, value)`: the largest value of the workgroup. */
export const workgroupMax: WgslSnippet = {
  source: /* wgsl */ `
var<workgroup> maxParts: array<f32, WG>;
fn workgroupMax(local: u32, value: f32) -> f32 {
  maxParts[local] = value;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half >>= 1u) {
    if (local < half) { maxParts[local] = max(maxParts[local], maxParts[local + half]); }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&maxParts[0]);
}`,
};
