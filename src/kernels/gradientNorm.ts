// The global norm of all gradients and the factor that clips them, without leaving the device
// (torch.nn.utils.clip_grad_norm_; hf-semantics 3.3).
//
//   sums_b = sum of x_i^2 over block b of a gradient
//   norm   = sqrt( sum_b sums_b )            over the blocks of all gradients
//   scale  = min(1, maxNorm / (norm + 1e-6))

import { empty, type Tensor } from "../tensor/tensor.ts";
import { defineKernel, launch } from "./kernel.ts";

/**
 * Elements summed into one number. Blocks are the pieces that threads and workgroups take, and keep the
 * sum accurate: f32 adds up a block, whoever reads `sums` adds up the blocks.
 */
const BLOCK = 4096;

export const sumOfSquaresKernel = defineKernel({
  name: "sumOfSquares",
  inputs: { x: "float" },
  outputs: { sums: "float" },
  // writes one element of sums for each block, from `first` on
  params: { size: "u32", block: "u32", first: "u32" },
  wasm: { name: "sumOfSquares", range: ({ size, block }) => Math.ceil(size! / block!) },
  cpu({ x, sums }, { size, block, first }) {
    for (let b = 0; b * block < size; b++) {
      let total = 0;
      const end = Math.min(size, (b + 1) * block);
      for (let i = b * block; i < end; i++) total += x[i]! * x[i]!;
      sums[first + b] = total;
    }
  },
});

export const clipScaleKernel = defineKernel({
  name: "clipScale",
  inputs: { sums: "float" },
  outputs: { norm: "float", scale: "float" },
  params: { count: "u32", maxNorm: "f32" },
  cpu({ sums, norm, scale }, { count, maxNorm }) {
    let total = 0;
    for (let i = 0; i < count; i++) total += sums[i]!;
    norm[0] = Math.sqrt(total);
    scale[0] = Math.min(1, maxNorm / (norm[0] + 1e-6));
  },
});

/**
 * Norm of all gradients together, and what to multiply them by so that it is at most `maxNorm`.
 * @param gradients at least one, of one dtype (f32 or f64)
 * @param maxNorm > 0
 * @returns norm [1] before clipping and scale [1], both still on the device
 */
export function gradientNorm(
  gradients: readonly Tensor[],
  maxNorm: number,
): { norm: Tensor; scale: Tensor } {
  const { device, dtype } = gradients[0]!;
  const blocks = gradients.map(({ size }) => Math.ceil(size / BLOCK));
  const count = blocks.reduce((sum, n) => sum + n, 0);
  const sums = empty(device, [count], dtype);
  let first = 0;
  gradients.forEach((x, i) => {
    launch(sumOfSquaresKernel, { x, sums }, { size: x.size, block: BLOCK, first });
    first += blocks[i]!;
  });
  const norm = empty(device, [1], dtype);
  const scale = empty(device, [1], dtype);
  launch(clipScaleKernel, { sums, norm, scale }, { count, maxNorm });
  sums.dispose();
  return { norm, scale };
}
