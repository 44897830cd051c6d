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

/**
 * The same two by subgroups: LANES neighbours bring their numbers together by shuffles, without a barrier, and workgroup memory has
 * one number for them. For shaders that say "enable subgroups;" and have the constant LANES, a power of two up to WG and up to the
 * adapter's least subgroup size.
 */
export const subgroupSums: WgslSnippet = {
  source: bySubgroups("workgroupSum", "sumParts", (a, b) => `${a} + ${b}`),
};

export const subgroupMaxima: WgslSnippet = {
  source: bySubgroups("workgroupMax", "maxParts", (a, b) => `max(${a}, ${b})`),
};

function bySubgroups(name: string, parts: string, join: (a: string, b: string) => string): string {
  return /* wgsl */ `
var<workgroup> ${parts}: array<f32, WG / LANES>;
fn ${name}(local: u32, value: f32) -> f32 {
  var part = value;
  for (var offset = 1u; offset < LANES; offset <<= 1u) {
    let other = subgroupShuffleXor(part, offset);
    part = ${join("part", "other")};
  }
  if (local % LANES == 0u) { ${parts}[local / LANES] = part; }
  workgroupBarrier();
  for (var half = WG / LANES / 2u; half > 0u; half >>= 1u) {
    if (local < half) { ${parts}[local] = ${join(`${parts}[local]`, `${parts}[local + half]`)}; }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&${parts}[0]);
}`;
}
