// What an update of the parameters takes.

import { adamwInPlace } from "../../src/kernels/optimizer/adamw.ts";
import { gradientNormForward } from "../../src/kernels/optimizer/gradientNorm.ts";
import { f32Bytes, noise, type KernelBench } from "./kernelBench.ts";

export const optimizerBenches: readonly KernelBench[] = [
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
      adamwInPlace(tensors, { ...settings, weightDecay: 0.01, step: 1 });
      return [p!];
    },
    // The first step moves every parameter by the learning rate against the gradient's sign.
    expected([p, , , gradient], index) {
      const g = gradient!.values[index]!;
      return p!.values[index]! * (1 - 1e-5) - (1e-3 * g) / (Math.abs(g) + 1e-8);
    },
  },
  {
    kernel: "gradientNorm",
    shape: "[16×512×512], gradients of a layer or two",
    flops: 0,
    bytes: f32Bytes(16 * 512 * 512),
    inputs: () => [noise([16, 512, 512], 1)],
    run([x]) {
      const { norm, scale } = gradientNormForward([x!], 1);
      return [norm, scale];
    },
    expected([x]) {
      let squares = 0;
      for (const value of x!.values) squares += value * value;
      return Math.sqrt(squares);
    },
  },
];
