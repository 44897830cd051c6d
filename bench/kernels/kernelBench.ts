// What a line of the bench states: a kernel at a named shape of T5, its work, and its result computed another way.

import type { Device } from "../../src/tensor/device.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";

export interface BenchInput {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}

export interface KernelBench {
  readonly kernel: string;
  /** Shapes and where in T5 they occur. */
  readonly shape: string;
  /** Floating-point operations of one run; 0 for what is bound by memory. */
  readonly flops: number;
  /** Bytes that one run must read and write at least. */
  readonly bytes: number;
  inputs(): readonly BenchInput[];
  /** The first tensor is what `expected` speaks of; all but inputs are freed after a run. */
  run(inputs: readonly Tensor[]): readonly Tensor[];
  /** Element `index` of the first output, in f64 from the definition. */
  expected(inputs: readonly BenchInput[], index: number): number;
  /** Largest error allowed, relative to the largest checked element. Default 1e-4. */
  readonly tolerance?: number;
}

export function upload(device: Device, { shape, values }: BenchInput): Tensor {
  const dtype = values instanceof Int32Array ? "i32" : "f32";
  return tensor(values, shape, { device, dtype });
}

/** Values in [-1, 1) that only the place and the seed decide. */
export function noise(shape: readonly number[], seed: number, scale = 1): BenchInput {
  const values = new Float32Array(shape.reduce((size, dim) => size * dim, 1));
  let state = seed >>> 0;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = scale * (state / 2 ** 31 - 1);
  }
  return { shape, values };
}

export const f32Bytes = (...sizes: readonly number[]): number =>
  4 * sizes.reduce((sum, size) => sum + size, 0);

/** The row that element `index` belongs to, and its column in it. */
export function place({ values }: BenchInput, columns: number, index: number) {
  const column = index % columns;
  return { row: values.subarray(index - column, index - column + columns), column };
}
