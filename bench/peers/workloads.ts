// What all sides compute, from the same values.

import { noise } from "../kernels/kernelBench.ts";

export type WorkloadName = "matmul" | "linear" | "softmax" | "rmsNorm" | "attention";

export interface Workload {
  readonly name: WorkloadName;
  readonly title: string;
  readonly flops: number;
  readonly inputs: readonly { readonly shape: readonly number[]; readonly values: Float32Array }[];
  /** Shape of the result. */
  readonly output: readonly number[];
}

/** onnxruntime's default, which every side adds to the mean square. */
export const EPS = 1e-5;

function floats(shape: readonly number[], seed: number, scale = 1) {
  return { shape, values: noise(shape, seed, scale).values as Float32Array };
}

function square(n: number): Workload {
  return {
    name: "matmul",
    title: `matmul ${n}×${n}×${n}`,
    flops: 2 * n ** 3,
    inputs: [floats([n, n], 1), floats([n, n], 2)],
    output: [n, n],
  };
}

/** x Wᵀ, as a linear layer keeps its weights. */
function linear(what: string, rows: number, inner: number, out: number): Workload {
  return {
    name: "linear",
    title: `${what}, [${rows}×${inner}]·[${out}×${inner}]ᵀ`,
    flops: 2 * rows * inner * out,
    inputs: [floats([rows, inner], 1), floats([out, inner], 2)],
    output: [rows, out],
  };
}

/** FLAN-T5-small's encoder: 8 texts of 256 tokens, 6 heads of 64, one behind the other. */
const [heads, length, width] = [48, 256, 64] as const;
const perHead = [heads, length, width];

const rows: readonly Workload[] = [
  {
    name: "softmax",
    title: "softmax [12288×256]",
    flops: 0,
    inputs: [floats([12288, 256], 1, 4)],
    output: [12288, 256],
  },
  {
    name: "rmsNorm",
    title: "RMS norm [2048×512]",
    flops: 0,
    inputs: [floats([2048, 512], 1), floats([512], 2)],
    output: [2048, 512],
  },
];

const attention: Workload = {
  name: "attention",
  title: "attention, 48 heads of 64, 256 × 256",
  flops: 4 * heads * length * length * width,
  inputs: [floats(perHead, 1, 0.5), floats(perHead, 2, 0.5), floats(perHead, 3)],
  output: perHead,
};

export const cpuWorkloads: readonly Workload[] = [square(512), ...rows, attention];

export const webGpuWorkloads: readonly Workload[] = [
  square(512),
  square(1024),
  linear("feed-forward", 2048, 512, 1024),
  linear("query", 2048, 512, 384),
  linear("decoding one token, vocabulary", 1, 512, 32128),
  ...rows,
  attention,
];
