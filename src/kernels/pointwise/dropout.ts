// Dropout: each element is zeroed with probability p, and what stays is divided by 1 - p.
//
//   y_i = x_i / (1 - p)   where word i of the stream >= p 2^32, else 0
//   y_i = residual_i + the same                                                        (dropoutAdd)
//
// Srivastava et al. 2014 (JMLR 15), in the inverted form that leaves inference alone. The words are
// Philox's (src/tensor/philox.ts), so backward draws the mask again and no mask is kept.

import { ArgumentError, ShapeError } from "../../tensor/errors.ts";
import { StreamWords, streamKey, type RandomStream } from "../../tensor/philox.ts";
import { formatShape, sameShape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import type { WgslSnippet } from "../../tensor/wgsl.ts";
import { defineKernel, launch } from "../kernel.ts";
import { DROPOUT_GROUP } from "../wasm/generated/constants.ts";
import { philox } from "../wgsl/philox.ts";

/** Probability and stream of one dropout. */
export interface Dropout extends RandomStream {
  /** Share of elements that are zeroed, 0..1. */
  readonly p: number;
}

/** Declaration of the params by which a kernel draws a dropout mask. */
export const dropoutParamTypes = {
  threshold: "u32",
  keepScale: "f32",
  seedLow: "u32",
  seedHigh: "u32",
  offset: "u32",
} as const;

/** Those that say where in its stream a call is. */
export const dropoutVarying = ["seedLow", "seedHigh", "offset"] as const;

export type DropoutParams = Readonly<Record<keyof typeof dropoutParamTypes, number>>;

/** The params of a kernel that can draw a mask, where it draws none. */
export const noDropout: DropoutParams = {
  threshold: 0,
  keepScale: 1,
  seedLow: 0,
  seedHigh: 0,
  offset: 0,
};

/**
 * The params of a dropout. An element stays when its word >= threshold, times keepScale.
 * @throws {ArgumentError} for p outside 0..1 or a stream out of range
 */
export function dropoutParams(op: string, { p, seed, offset }: Dropout): DropoutParams {
  if (!(p >= 0 && p <= 1)) throw new ArgumentError(`${op}: p must be in 0..1, got ${p}`);
  const [seedLow, seedHigh] = streamKey({ seed, offset });
  const threshold = Math.ceil(p * 2 ** 32);
  // p = 1 has no threshold of 32 bits: there everything is scaled by 0 instead.
  if (threshold > 0xffffffff) {
    return { threshold: 0xffffffff, keepScale: 0, seedLow, seedHigh, offset };
  }
  return { threshold, keepScale: 1 / (1 - p), seedLow, seedHigh, offset };
}

/** By what the mask multiplies element i: 0, or keepScale. */
export function keepFactors(params: DropoutParams): (i: number) => number {
  const { threshold, keepScale, seedLow, seedHigh, offset } = params;
  const words = new StreamWords([seedLow, seedHigh], offset);
  return (i) => (words.word(i) >= threshold ? keepScale : 0);
}

/** Factors of elements 4 i .. 4 i + 3, which are one block of the stream. */
export const keepFactors4: WgslSnippet = {
  uses: [philox],
  source: /* wgsl */ `
fn keepFactors4(i: u32) -> vec4<f32> {
  let words = philoxBlock(i, params.offset, params.seedLow, params.seedHigh);
  return select(vec4<f32>(0.0), vec4<f32>(params.keepScale), words >= vec4<u32>(params.threshold));
}`,
};

/** A unit of work is four Philox blocks, which WebAssembly computes side by side. */
export const dropoutUnits = {
  units: ({ size }: Readonly<Record<string, number>>) => Math.ceil(size! / DROPOUT_GROUP),
  /** The factors of one unit. */
  scratch: () => 4 * DROPOUT_GROUP,
};

export const dropoutKernel = defineKernel({
  name: "dropout",
  inputs: { x: "float" },
  outputs: { y: "float" },
  params: { size: "u32", ...dropoutParamTypes },
  varying: dropoutVarying,
  wasm: { name: "dropout", ...dropoutUnits },
  wgsl: {
    uses: [keepFactors4],
    views: { x: "vec4<f32>", y: "vec4<f32>" },
    invocations: ({ size }) => Math.ceil(size / 4),
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i * 4u < params.size) { y[i] = x[i] * keepFactors4(i); }
}`,
  },
  plain({ x, y }, { size, ...params }) {
    const keep = keepFactors(params);
    for (let i = 0; i < size; i++) y[i] = x[i]! * keep(i);
  },
});

export const dropoutAddKernel = defineKernel({
  name: "dropoutAdd",
  inputs: { residual: "float", x: "float" },
  outputs: { y: "float" },
  params: { size: "u32", ...dropoutParamTypes },
  varying: dropoutVarying,
  wasm: { name: "dropoutAdd", ...dropoutUnits },
  wgsl: {
    uses: [keepFactors4],
    views: { residual: "vec4<f32>", x: "vec4<f32>", y: "vec4<f32>" },
    invocations: ({ size }) => Math.ceil(size / 4),
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i * 4u < params.size) { y[i] = residual[i] + x[i] * keepFactors4(i); }
}`,
  },
  plain({ residual, x, y }, { size, ...params }) {
    const keep = keepFactors(params);
    for (let i = 0; i < size; i++) y[i] = residual[i]! + x[i]! * keep(i);
  },
});

/** y of x's shape; linear in x, so that the gradient of x is `dropout` of the gradient of y. */
export function dropoutForward(x: Tensor, params: DropoutParams): Tensor {
  const y = empty(x.device, x.shape, x.dtype);
  launch(dropoutKernel, { x, y }, { size: x.size, ...params });
  return y;
}

/** residual + dropout(x) in one pass. @throws {ShapeError} unless both have one shape */
export function dropoutAddForward(residual: Tensor, x: Tensor, params: DropoutParams): Tensor {
  checkResidual(residual, x);
  const y = empty(x.device, x.shape, x.dtype);
  launch(dropoutAddKernel, { residual, x, y }, { size: x.size, ...params });
  return y;
}

/** @throws {ShapeError} unless both have one shape: `dropoutAdd` does not broadcast */
export function checkResidual(residual: Tensor, x: Tensor): void {
  if (sameShape(residual.shape, x.shape)) return;
  throw new ShapeError(
    `dropoutAdd: residual must be ${formatShape(x.shape)} as x, got ${formatShape(residual.shape)}`,
  );
}
