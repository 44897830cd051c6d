// Kernels that go over rows or elements once: what counts is how fast they read and write.

import { adamw } from "../../src/kernels/adamw.ts";
import { crossEntropyForward } from "../../src/kernels/crossEntropy.ts";
import { embeddingForward } from "../../src/kernels/embedding.ts";
import { gatedGeluForward } from "../../src/kernels/gatedGelu.ts";
import { binary } from "../../src/kernels/pointwise.ts";
import { rmsNormForward } from "../../src/kernels/rmsNorm.ts";
import { softmaxBackward, softmaxForward } from "../../src/kernels/softmax.ts";
import { f32Bytes, noise, type BenchInput, type KernelBench } from "./kernelBench.ts";

/** Row `index` belongs to, and the column in it. */
function place({ values }: BenchInput, columns: number, index: number) {
  const column = index % columns;
  return { row: values.subarray(index - column, index - column + columns), column };
}

function softmaxOf(row: ArrayLike<number>): Float64Array {
  const exps = Float64Array.from(row, Math.exp);
  const sum = exps.reduce((total, x) => total + x, 0);
  return exps.map((x) => x / sum);
}

const EPS = 1e-6;
const LABELS = Int32Array.from({ length: 512 }, (_, i) => (i % 7 === 6 ? -100 : (i * 61) % 32128));

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
    kernel: "gatedGeluForward",
    shape: "[2048×1024], feed-forward",
    flops: 0,
    bytes: f32Bytes(3 * 2048 * 1024),
    inputs: () => [noise([2048, 1024], 1, 3), noise([2048, 1024], 2)],
    run: ([a, b]) => [gatedGeluForward(a!, b!)],
    expected([a, b], index) {
      const x = a!.values[index]!;
      const inner = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
      return 0.5 * x * (1 + Math.tanh(inner)) * b!.values[index]!;
    },
  },
  {
    kernel: "crossEntropyForward",
    shape: "[512×32128], vocabulary",
    flops: 0,
    bytes: f32Bytes(512 * 32128),
    inputs: () => [noise([512, 32128], 1, 4), { shape: [512], values: LABELS }],
    run([logits, labels]) {
      const options = { ignoreIndex: -100, labelSmoothing: 0 };
      const { loss, lse, count } = crossEntropyForward(logits!, labels!, options);
      return [loss, lse, count];
    },
    expected([logits]) {
      const rows = [...LABELS.keys()].filter((i) => LABELS[i]! >= 0);
      const losses = rows.map((i) => {
        const row = logits!.values.subarray(i * 32128, (i + 1) * 32128);
        let sum = 0;
        for (const value of row) sum += Math.exp(value);
        return Math.log(sum) - row[LABELS[i]!]!;
      });
      return losses.reduce((sum, loss) => sum + loss, 0) / rows.length;
    },
  },
  {
    kernel: "embeddingForward",
    shape: "2048 rows of [32128×512]",
    flops: 0,
    bytes: f32Bytes(2 * 2048 * 512),
    inputs: () => [
      noise([32128, 512], 1),
      { shape: [2048], values: Int32Array.from({ length: 2048 }, (_, i) => (i * 104729) % 32128) },
    ],
    run: ([table, ids]) => [embeddingForward(table!, ids!)],
    expected([table, ids], index) {
      return table!.values[ids!.values[Math.floor(index / 512)]! * 512 + (index % 512)]!;
    },
  },
  {
    kernel: "add",
    shape: "[2048×512], residual",
    flops: 0,
    bytes: f32Bytes(3 * 2048 * 512),
    inputs: () => [noise([2048, 512], 1), noise([2048, 512], 2)],
    run: ([a, b]) => [binary("add", a!, b!)],
    expected: ([a, b], index) => a!.values[index]! + b!.values[index]!,
  },
  {
    kernel: "adamw",
    shape: "[1024×512], a feed-forward matrix",
    flops: 0,
    bytes: f32Bytes(7 * 1024 * 512),
    inputs: () => [
      noise([1024, 512], 1),
      noise([1024, 512], 2, 0),
      noise([1024, 512], 3, 0),
      noise([1024, 512], 4),
    ],
    run([p, m, v, gradient]) {
      const settings = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
      const tensors = { p: p!, m: m!, v: v!, gradient: gradient!, scale: null };
      adamw(tensors, { ...settings, weightDecay: 0.01, step: 1 });
      return [p!];
    },
    // The first step moves every parameter by the learning rate against the gradient's sign.
    expected([p, , , gradient], index) {
      const g = gradient!.values[index]!;
      return p!.values[index]! * (1 - 1e-5) - (1e-3 * g) / (Math.abs(g) + 1e-8);
    },
  },
];
