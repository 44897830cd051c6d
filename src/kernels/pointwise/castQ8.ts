// q8 to f32: y = scale q, block by block.

import { dequantizeQ8, Q8_BLOCK } from "../../tensor/q8.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { defineKernel, launch } from "../kernel.ts";
import { q8Snippet } from "../wgsl/q8.ts";

/** Words of a block that hold numbers. */
const NUMBER_WORDS = Q8_BLOCK / 4;

export const castQ8ToFloatKernel = defineKernel({
  name: "castQ8ToFloat",
  inputs: { x: "q8" },
  outputs: { y: "f32" },
  params: { blocks: "u32" },
  wasm: { name: "widenQ8", units: ({ blocks }) => blocks },
  wgsl: {
    uses: [q8Snippet],
    views: { y: "vec4<f32>" },
    invocations: ({ blocks }) => NUMBER_WORDS * blocks,
    pieces: () => ({ param: "blocks", elements: { x: Q8_BLOCK, y: Q8_BLOCK } }),
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i >= params.blocks * ${NUMBER_WORDS}u) { return; }
  y[i] = unpackQ8(x[q8WordAt(4u * i)], x[q8ScaleAt(4u * i)]);
}`,
  },
  plain({ x, y }) {
    y.set(dequantizeQ8(x));
  },
});

/** @param y f32, of x's shape */
export function widenQ8Into(x: Tensor, y: Tensor): void {
  launch(castQ8ToFloatKernel, { x, y }, { blocks: x.size / Q8_BLOCK });
}
