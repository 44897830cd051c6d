// y += x, in place. Gradients of a tensor with several consumers meet here.

import type { Tensor } from "../../tensor/tensor.ts";
import { defineKernel, elementwiseWasm, launch } from "../kernel.ts";
import { elementPieces } from "../wgsl/pieces.ts";

export const accumulateKernel = defineKernel({
  name: "accumulate",
  inputs: { x: "float" },
  outputs: { y: "float" },
  params: { size: "u32" },
  wasm: elementwiseWasm("accumulate"),
  wgsl: {
    views: { x: "vec4<f32>", y: "vec4<f32>" },
    invocations: ({ size }) => Math.ceil(size / 4),
    pieces: () => elementPieces(["x", "y"]),
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i * 4u < params.size) { y[i] += x[i]; }
}`,
  },
  plain({ x, y }, { size }) {
    for (let i = 0; i < size; i++) y[i] = y[i]! + x[i]!;
  },
});

/** y += x, element by element; both of one shape. */
export function addInPlace(y: Tensor, x: Tensor): void {
  launch(accumulateKernel, { x, y }, { size: y.size });
}
