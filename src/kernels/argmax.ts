// Index of the largest entry of each row; the first one on ties. NaN counts as largest, as in torch.

import { empty, type Tensor } from "../tensor/tensor.ts";
import { defineKernel, launch } from "./kernel.ts";

export const argmaxKernel = defineKernel({
  name: "argmax",
  inputs: { x: "float" },
  outputs: { y: "i32" },
  params: { rows: "u32", cols: "u32" },
  cpu({ x, y }, { rows, cols }) {
    for (let i = 0; i < rows; i++) {
      let best = 0;
      for (let j = 1; j < cols; j++) {
        const value = x[i * cols + j]!;
        const most = x[i * cols + best]!;
        if (value > most || (Number.isNaN(value) && !Number.isNaN(most))) best = j;
      }
      y[i] = best;
    }
  },
});

/** @param x [..., N] @returns i32 [...] */
export function argmax(x: Tensor): Tensor {
  const cols = x.shape.at(-1)!;
  const y = empty(x.device, x.shape.slice(0, -1), "i32");
  launch(argmaxKernel, { x, y }, { rows: y.size, cols });
  return y;
}
