// What all sides compute, from the same values.

import { noise } from "../kernels/kernelBench.ts";

export type WorkloadName = "matmul" | "softmax" | "rmsNorm" | "attention";

export interface Workload {
  readonly name: WorkloadName;
  readonly title: string;
  readonly flops: number;
  readonly inputs: readonly { readonly shape: readonly number[]; readonly values: Float32Array }[];
}

/** onnxruntime's default, which every side adds to the mean square. */
export const EPS = 1e-5;

function floats(shape: readonly number[], seed: number, scale = 1) {
  return { shape, values: noise(shape, seed, scale).values as Float32Array };
}

/** FLAN-T5-small's encoder: 8 texts of 256 tokens, 6 heads of 64, one behind the other. */
const [heads, length, width] = [48, 256, 64] as const;
const perHead = [heads, length, width];

export const workloads: readonly Workload[] = [
  {
    name: "matmul",
    title: "matmul 512×512×512",
    flops: 2 * 512 ** 3,
    inputs: [floats([512, 512], 1), floats([512, 512], 2)],
  },
  {
    name: "softmax",
    title: "softmax [12288×256]",
    flops: 0,
    inputs: [floats([12288, 256], 1, 4)],
  },
  {
    name: "rmsNorm",
    title: "RMS norm [2048×512]",
    flops: 0,
    inputs: [floats([2048, 512], 1), floats([512], 2)],
  },
  {
    name: "attention",
    title: "attention, 48 heads of 64, 256 × 256",
    flops: 4 * heads * length * length * width,
    inputs: [floats(perHead, 1, 0.5), floats(perHead, 2, 0.5), floats(perHead, 3)],
  },
];
