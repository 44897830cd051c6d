// Kernels along rows: softmax and RMS norm, with their gradients.

import { rmsNormForward } from "../../src/kernels/rows/rmsNorm.ts";
import { rmsNormBackward, rmsNormBackwardWeight } from "../../src/kernels/rows/rmsNormBackward.ts";
import { softmaxBackward, softmaxForward } from "../../src/kernels/rows/softmax.ts";
import { f32Bytes, noise, place, type BenchInput, type KernelBench } from "./kernelBench.ts";

function softmaxOf(row: ArrayLike<number>): Float64Array {
  const exps = Float64Array.from(row, Math.exp);
  const sum = exps.reduce((total, x) => total + x, 0);
  return exps.map((x) => x / sum);
}

const EPS = 1e-6;

/** Reciprocal root mean squares of 2048 rows. */
function rrms(): BenchInput {
  const { shape, values } = noise([2048], 3, 0.5);
  return { shape, values: values.map((x) => 1.5 + x) };
}

export const rowBenches: readonly KernelBench[] = [
  {
    kernel: "softmaxForward",
    shape: "[12288×256], encoder scores",
    flops: 0,
    bytes: f32Bytes(2 * 12288 * 256),
    inputs: () => [noise([12288, 256], 1, 4)],
    run: ([x]) => [softmaxForward(x!)],
    expected([x], index) {
      const { row, column } = place(x!, 256, index);
      return softmaxOf(row)[column]!;
    },
  },
  {
    kernel: "softmaxBackward",
    shape: "[12288×256], encoder scores",
    flops: 0,
    bytes: f32Bytes(3 * 12288 * 256),
    inputs: () => [noise([12288, 256], 1), noise([12288, 256], 2)],
    run: ([y, dy]) => [softmaxBackward(y!, dy!)],
    expected([y, dy], index) {
      const { row, column } = place(y!, 256, index);
      const upstream = place(dy!, 256, index).row;
      let dot = 0;
      for (let i = 0; i < 256; i++) dot += row[i]! * upstream[i]!;
      return row[column]! * (upstream[column]! - dot);
    },
  },
  {
    kernel: "rmsNormForward",
    shape: "[2048×512], block input",
    flops: 0,
    bytes: f32Bytes(2 * 2048 * 512),
    inputs: () => [noise([2048, 512], 1), noise([512], 2)],
    run([x, weight]) {
      const { y, rrms } = rmsNormForward(x!, weight!, EPS);
      return [y, rrms];
    },
    expected([x, weight], index) {
      const { row, column } = place(x!, 512, index);
      let squares = 0;
      for (const value of row) squares += value * value;
      return (weight!.values[column]! * row[column]!) / Math.sqrt(squares / 512 + EPS);
    },
  },
  {
    kernel: "rmsNormBackward",
    shape: "[2048×512], block input",
    flops: 0,
    bytes: f32Bytes(3 * 2048 * 512),
    inputs: () => [noise([2048, 512], 1), noise([512], 2), rrms(), noise([2048, 512], 4)],
    run: ([x, weight, r, dy]) => [rmsNormBackward(x!, weight!, r!, dy!)],
    // dx_j = r g_j - x_j r^3 / C sum_k g_k x_k with g = dy weight
    expected([x, weight, r, dy], index) {
      const { row, column } = place(x!, 512, index);
      const upstream = place(dy!, 512, index).row;
      const g = Float64Array.from(row, (_, j) => upstream[j]! * weight!.values[j]!);
      const dot = g.reduce((sum, each, j) => sum + each * row[j]!, 0);
      const scale = r!.values[Math.floor(index / 512)]!;
      return scale * g[column]! - (row[column]! * scale ** 3 * dot) / 512;
    },
  },
  {
    kernel: "rmsNormBackwardWeight",
    shape: "[2048×512], block input",
    flops: 0,
    bytes: f32Bytes(2 * 2048 * 512),
    inputs: () => [noise([2048, 512], 1), rrms(), noise([2048, 512], 4)],
    run: ([x, r, dy]) => [rmsNormBackwardWeight(x!, r!, dy!)],
    expected([x, r, dy], column) {
      let sum = 0;
      for (let i = 0; i < 2048; i++) {
        sum += dy!.values[i * 512 + column]! * x!.values[i * 512 + column]! * r!.values[i]!;
      }
      return sum;
    },
  },
];
