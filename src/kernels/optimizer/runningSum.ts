// A sum over steps that stays on the device until somebody reads it: the training loss between two log
// lines, the evaluation loss of a dataset.
//
//   total = total + weight x        where x is finite, or `substitute` is 0
//   total = total + total / substitute          otherwise
//
// The second line is transformers' logging_nan_inf_filter (docs/guide/hugging-face-semantics.md 3.4): a loss that overflowed
// counts as the mean of those before it.

import type { Tensor } from "../../tensor/tensor.ts";
import { defineKernel, launch } from "../kernel.ts";

export const addToSumKernel = defineKernel({
  name: "addToSum",
  inputs: { x: "float" },
  outputs: { total: "float" },
  params: { weight: "f32", substitute: "u32" },
  wgsl: {
    workgroupSize: 1,
    workgroups: () => 1,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main() {
  let value = params.weight * x[0];
  // Comparisons with infinity and NaN may be assumed away; their bits may not.
  let isFinite = (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
  let before = total[0];
  if (isFinite || params.substitute == 0u) { total[0] = before + value; }
  else { total[0] = before + before / f32(params.substitute); }
}`,
  },
  plain({ x, total }, { weight, substitute }) {
    const value = weight * x[0]!;
    const before = total[0]!;
    total[0] = before + (Number.isFinite(value) || substitute === 0 ? value : before / substitute);
  },
});

/**
 * total += weight x, on one-element tensors of one dtype.
 * @param substitute when not 0, a product that is not finite counts as total / substitute
 */
export function addToSumInPlace(total: Tensor, x: Tensor, weight: number, substitute = 0): void {
  launch(addToSumKernel, { x, total }, { weight, substitute });
}
