// Decoder inputs from labels: every row moves right by one behind a start token, and ignored labels
// become pad.  y[b, 0] = start,  y[b, t] = labels[b, t-1] == ignored ? pad : labels[b, t-1]

import { empty, type Tensor } from "../../tensor/tensor.ts";
import { defineKernel, launch } from "../kernel.ts";

export const shiftRightKernel = defineKernel({
  name: "shiftRight",
  inputs: { labels: "i32" },
  outputs: { y: "i32" },
  params: { size: "u32", cols: "u32", start: "i32", ignored: "i32", pad: "i32" },
  wgsl: {
    invocations: ({ size }) => size,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i >= params.size) { return; }
  var label = params.start;
  if (i % params.cols != 0u) { label = labels[i - 1u]; }
  y[i] = select(label, params.pad, label == params.ignored);
}`,
  },
  plain({ labels, y }, { size, cols, start, ignored, pad }) {
    for (let i = 0; i < size; i++) {
      const label = i % cols === 0 ? start : labels[i - 1]!;
      y[i] = label === ignored ? pad : label;
    }
  },
});

/** @param labels i32 [B, T] @returns i32 [B, T] */
export function shiftRightForward(
  labels: Tensor,
  ids: { readonly start: number; readonly ignored: number; readonly pad: number },
): Tensor {
  const y = empty(labels.device, labels.shape, "i32");
  launch(shiftRightKernel, { labels, y }, { size: y.size, cols: labels.shape.at(-1)!, ...ids });
  return y;
}
