// The global norm of all gradients and the factor that clips them, without leaving the device
// (torch.nn.utils.clip_grad_norm_; docs/guide/hugging-face-semantics.md 3.3).
//
//   sums_b = sum of x_i^2 over block b of a gradient
//   norm   = u sqrt( sum_b sums_b )          over the blocks of all gradients
//   scale  = u min(1, maxNorm / (norm + 1e-6))
//
// u undoes a factor that the loss was multiplied by (mixed precision in f16); 1 elsewhere.

import { empty, type Tensor } from "../../tensor/tensor.ts";
import { defineKernel, launch } from "../kernel.ts";
import { elementPieces } from "../wgsl/pieces.ts";
import { workgroupSum } from "../wgsl/reduce.ts";

/**
 * Elements summed into one number. Blocks are the units that threads and workgroups take, and keep the
 * sum accurate: f32 adds up a block, whoever reads `sums` adds up the blocks.
 */
const BLOCK = 4096;

export const sumOfSquaresKernel = defineKernel({
  name: "sumOfSquares",
  inputs: { x: "float" },
  outputs: { sums: "float" },
  // writes one element of sums for each block, from `first` on
  params: { size: "u32", block: "u32", first: "u32" },
  wasm: { name: "sumOfSquares", units: ({ size, block }) => Math.ceil(size! / block!) },
  wgsl: {
    uses: [workgroupSum],
    workgroups: ({ size, block }) => Math.ceil(size / block),
    pieces: ({ first, block }) => ({
      ...elementPieces(["x"]),
      multiple: block,
      params: (start) => ({ first: first + start / block }),
    }),
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let b = groupIndex(group);
  let begin = b * params.block;
  if (begin >= params.size) { return; }
  let end = min(begin + params.block, params.size);
  var squares = 0.0;
  for (var i = begin + local; i < end; i += WG) { squares += x[i] * x[i]; }
  let total = workgroupSum(local, squares);
  if (local == 0u) { sums[params.first + b] = total; }
}`,
  },
  plain({ x, sums }, { size, block, first }) {
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
  params: { count: "u32", maxNorm: "f32", unscale: "f32" },
  wgsl: {
    uses: [workgroupSum],
    workgroups: () => 1,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  var part = 0.0;
  for (var i = local; i < params.count; i += WG) { part += sums[i]; }
  let total = params.unscale * sqrt(workgroupSum(local, part));
  if (local == 0u) {
    norm[0] = total;
    scale[0] = params.unscale * min(1.0, params.maxNorm / (total + 1e-6));
  }
}`,
  },
  plain({ sums, norm, scale }, { count, maxNorm, unscale }) {
    let total = 0;
    for (let i = 0; i < count; i++) total += sums[i]!;
    norm[0] = unscale * Math.sqrt(total);
    scale[0] = unscale * Math.min(1, maxNorm / (norm[0] + 1e-6));
  },
});

/**
 * Norm of all gradients together, and what to multiply them by so that it is at most `maxNorm`.
 * @param gradients at least one, of one dtype (f32 or f64)
 * @param maxNorm > 0; Infinity leaves the gradients as they are
 * @param unscale 1 / factor that the loss was multiplied by, default 1
 * @returns norm [1] before clipping and scale [1], both still on the device
 */
export function gradientNormForward(
  gradients: readonly Tensor[],
  maxNorm: number,
  unscale = 1,
): { norm: Tensor; scale: Tensor } {
  const { device, dtype } = gradients[0]!;
  const sums = sumsOfSquaresForward(gradients);
  const norm = empty(device, [1], dtype);
  const scale = empty(device, [1], dtype);
  launch(clipScaleKernel, { sums, norm, scale }, { count: sums.size, maxNorm, unscale });
  sums.dispose();
  return { norm, scale };
}

/**
 * Sums of squares of blocks of tensors of one dtype (f32 or f64), still on the device.
 * @returns [blocks of all of them]
 */
export function sumsOfSquaresForward(tensors: readonly Tensor[]): Tensor {
  const { device, dtype } = tensors[0]!;
  const blocks = tensors.map(({ size }) => Math.ceil(size / BLOCK));
  const count = blocks.reduce((sum, n) => sum + n, 0);
  const sums = empty(device, [count], dtype);
  let first = 0;
  tensors.forEach((x, i) => {
    launch(sumOfSquaresKernel, { x, sums }, { size: x.size, block: BLOCK, first });
    first += blocks[i]!;
  });
  return sums;
}
