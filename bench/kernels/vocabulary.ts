// Kernels along the vocabulary: the loss, its gradient, and the choice of a token.

import { argmaxForward, topkForward } from "../../src/kernels/rows/argmax.ts";
import { crossEntropyBackward, crossEntropyForward } from "../../src/kernels/rows/crossEntropy.ts";
import { f32Bytes, noise, place, type BenchInput, type KernelBench } from "./kernelBench.ts";

const [ROWS, VOCABULARY] = [512, 32128];
const LABELS = Int32Array.from({ length: ROWS }, (_, i) =>
  i % 7 === 6 ? -100 : (i * 61) % VOCABULARY,
);
const counted = [...LABELS.keys()].filter((i) => LABELS[i]! >= 0);
const options = { ignoreIndex: -100, labelSmoothing: 0 };

const logits = (): BenchInput => noise([ROWS, VOCABULARY], 1, 4);
const labels: BenchInput = { shape: [ROWS], values: LABELS };
const one = (value: number): BenchInput => ({ shape: [], values: Float32Array.of(value) });

function logSumExp({ values }: BenchInput, row: number): number {
  let sum = 0;
  for (let j = row * VOCABULARY; j < (row + 1) * VOCABULARY; j++) sum += Math.exp(values[j]!);
  return Math.log(sum);
}

export const vocabularyBenches: readonly KernelBench[] = [
  {
    kernel: "crossEntropyForward",
    shape: "[512×32128], vocabulary",
    flops: 0,
    bytes: f32Bytes(ROWS * VOCABULARY),
    inputs: () => [logits(), labels],
    run([x, ids]) {
      const { loss, lse, count } = crossEntropyForward(x!, ids!, options);
      return [loss, lse, count];
    },
    expected([x]) {
      const losses = counted.map((i) => logSumExp(x!, i) - x!.values[i * VOCABULARY + LABELS[i]!]!);
      return losses.reduce((sum, loss) => sum + loss, 0) / counted.length;
    },
  },
  {
    kernel: "crossEntropyBackward",
    shape: "[512×32128], vocabulary",
    flops: 0,
    bytes: f32Bytes(2 * ROWS * VOCABULARY),
    inputs() {
      const x = logits();
      const lse = Float32Array.from({ length: ROWS }, (_, i) => logSumExp(x, i));
      return [x, labels, { shape: [ROWS], values: lse }, one(counted.length), one(0.5)];
    },
    run: ([x, ids, lse, count, dloss]) => [
      crossEntropyBackward(dloss!, { logits: x!, labels: ids!, lse: lse!, count: count! }, options),
    ],
    expected([x, , lse], index) {
      const row = Math.floor(index / VOCABULARY);
      if (LABELS[row]! < 0) return 0;
      const p = Math.exp(x!.values[index]! - lse!.values[row]!);
      const target = index % VOCABULARY === LABELS[row] ? 1 : 0;
      return (0.5 / counted.length) * (p - target);
    },
  },
  {
    kernel: "argmax",
    shape: "[8×32128], 8 texts' next tokens",
    flops: 0,
    bytes: f32Bytes(8 * VOCABULARY),
    inputs: () => [noise([8, VOCABULARY], 1, 4)],
    run: ([x]) => [argmaxForward(x!)],
    expected([x], text) {
      const { row } = place(x!, VOCABULARY, text * VOCABULARY);
      let best = 0;
      for (let j = 1; j < VOCABULARY; j++) if (row[j]! > row[best]!) best = j;
      return best;
    },
    tolerance: 0,
  },
  {
    kernel: "topk",
    shape: "8 of [4×32128], 4 beams",
    flops: 0,
    bytes: f32Bytes(4 * VOCABULARY),
    inputs: () => [noise([4, VOCABULARY], 1, 4)],
    run([x]) {
      const { values, indices } = topkForward(x!, 8);
      return [values, indices];
    },
    expected([x], index) {
      const { row } = place(x!, VOCABULARY, Math.floor(index / 8) * VOCABULARY);
      return row.toSorted((a, b) => b - a)[index % 8]!;
    },
    tolerance: 0,
  },
];
