// Kernels that go over elements one by one: what counts is how fast they read and write.

import { addInPlace } from "../../src/kernels/pointwise/accumulate.ts";
import { castForward } from "../../src/kernels/pointwise/cast.ts";
import {
  dropoutForward,
  dropoutAddForward,
  dropoutParams,
  keepFactors,
} from "../../src/kernels/pointwise/dropout.ts";
import { gatedGeluBackward, gatedGeluForward } from "../../src/kernels/pointwise/gatedGelu.ts";
import {
  binaryForward,
  geluValue,
  scalarForward,
  unaryBackward,
  unaryForward,
} from "../../src/kernels/pointwise/pointwise.ts";
import { roundToForward } from "../../src/kernels/pointwise/roundTo.ts";
import { f32Bytes, noise, type KernelBench } from "./kernelBench.ts";

/** One in ten dropped, somewhere in a stream. */
const DROPOUT = dropoutParams("bench", { p: 0.1, seed: 7, offset: 3 });
const keep = keepFactors(DROPOUT);
const ROOT = Math.sqrt(2 / Math.PI);

export const pointwiseBenches: readonly KernelBench[] = [
  {
    kernel: "gatedGeluForward",
    shape: "[2048×1024], feed-forward",
    flops: 0,
    bytes: f32Bytes(3 * 2048 * 1024),
    inputs: () => [noise([2048, 1024], 1, 3), noise([2048, 1024], 2)],
    run: ([a, b]) => [gatedGeluForward(a!, b!, null).y],
    expected([a, b], index) {
      const x = a!.values[index]!;
      const inner = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
      return 0.5 * x * (1 + Math.tanh(inner)) * b!.values[index]!;
    },
  },
  {
    kernel: "gatedGeluBackward",
    shape: "[2048×1024], feed-forward",
    flops: 0,
    bytes: f32Bytes(5 * 2048 * 1024),
    inputs: () => [noise([2048, 1024], 1, 3), noise([2048, 1024], 2), noise([2048, 1024], 3)],
    run([a, b, dy]) {
      const { da, db } = gatedGeluBackward(a!, b!, dy!, null);
      return [da, db];
    },
    expected([a, b, dy], index) {
      const x = a!.values[index]!;
      const t = Math.tanh(ROOT * (x + 0.044715 * x ** 3));
      const slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * ROOT * (1 + 3 * 0.044715 * x * x);
      return dy!.values[index]! * b!.values[index]! * slope;
    },
  },
  {
    kernel: "add",
    shape: "[2048×512], residual",
    flops: 0,
    bytes: f32Bytes(3 * 2048 * 512),
    inputs: () => [noise([2048, 512], 1), noise([2048, 512], 2)],
    run: ([a, b]) => [binaryForward("add", a!, b!)],
    expected: ([a, b], index) => a!.values[index]! + b!.values[index]!,
  },
  {
    kernel: "mulBroadcast",
    shape: "[2048×512] by [2048×1], rows by a factor",
    flops: 0,
    bytes: f32Bytes(2 * 2048 * 512 + 2048),
    inputs: () => [noise([2048, 512], 1), noise([2048, 1], 2)],
    run: ([a, b]) => [binaryForward("mul", a!, b!)],
    expected: ([a, b], index) => a!.values[index]! * b!.values[Math.floor(index / 512)]!,
  },
  {
    kernel: "mulScalar",
    shape: "[2048×512]",
    flops: 0,
    bytes: f32Bytes(2 * 2048 * 512),
    inputs: () => [noise([2048, 512], 1)],
    run: ([x]) => [scalarForward("mulScalar", x!, 0.5)],
    expected: ([x], index) => 0.5 * x!.values[index]!,
  },
  {
    kernel: "reluForward",
    shape: "[2048×2048], feed-forward of the first T5",
    flops: 0,
    bytes: f32Bytes(2 * 2048 * 2048),
    inputs: () => [noise([2048, 2048], 1)],
    run: ([x]) => [unaryForward("relu", x!)],
    expected: ([x], index) => Math.max(x!.values[index]!, 0),
  },
  {
    kernel: "reluBackward",
    shape: "[2048×2048], feed-forward of the first T5",
    flops: 0,
    bytes: f32Bytes(3 * 2048 * 2048),
    inputs: () => [noise([2048, 2048], 1), noise([2048, 2048], 2)],
    run: ([x, dy]) => [unaryBackward("relu", x!, dy!)],
    expected: ([x, dy], index) => (x!.values[index]! > 0 ? dy!.values[index]! : 0),
  },
  {
    kernel: "geluForward",
    shape: "[2048×1024]",
    flops: 0,
    bytes: f32Bytes(2 * 2048 * 1024),
    inputs: () => [noise([2048, 1024], 1, 3)],
    run: ([x]) => [unaryForward("gelu", x!)],
    expected: ([x], index) => geluValue(x!.values[index]!),
  },
  {
    kernel: "accumulate",
    shape: "[2048×512], gradients that meet",
    flops: 0,
    bytes: f32Bytes(3 * 2048 * 512),
    // Added again and again while it is timed; checked after the first time.
    inputs: () => [noise([2048, 512], 1), noise([2048, 512], 2, 1e-3)],
    run([y, x]) {
      addInPlace(y!, x!);
      return [y!];
    },
    expected: ([y, x], index) => y!.values[index]! + x!.values[index]!,
  },
  {
    kernel: "dropout",
    shape: "[2048×1024], feed-forward",
    flops: 0,
    bytes: f32Bytes(2 * 2048 * 1024),
    inputs: () => [noise([2048, 1024], 1)],
    run: ([x]) => [dropoutForward(x!, DROPOUT)],
    expected: ([x], index) => keep(index) * x!.values[index]!,
  },
  {
    kernel: "dropoutAdd",
    shape: "[2048×512], residual",
    flops: 0,
    bytes: f32Bytes(3 * 2048 * 512),
    inputs: () => [noise([2048, 512], 1), noise([2048, 512], 2)],
    run: ([residual, x]) => [dropoutAddForward(residual!, x!, DROPOUT)],
    expected: ([residual, x], index) => residual!.values[index]! + keep(index) * x!.values[index]!,
  },
  {
    kernel: "cast to bf16",
    shape: "[1024×512], a feed-forward matrix",
    flops: 0,
    bytes: 6 * 1024 * 512,
    inputs: () => [noise([1024, 512], 1)],
    run: ([x]) => [castForward(x!, "bf16")],
    expected: ([x], index) => x!.values[index]!,
    tolerance: 2 ** -8, // half a unit in the last of 8 places
  },
  {
    kernel: "cast to f16",
    shape: "[1024×512], a feed-forward matrix",
    flops: 0,
    bytes: 6 * 1024 * 512,
    inputs: () => [noise([1024, 512], 1)],
    run: ([x]) => [castForward(x!, "f16")],
    expected: ([x], index) => x!.values[index]!,
    tolerance: 2 ** -11, // half a unit in the last of 11 places
  },
  {
    kernel: "roundTo bf16",
    shape: "[2048×512], an operand in mixed precision",
    flops: 0,
    bytes: f32Bytes(2 * 2048 * 512),
    inputs: () => [noise([2048, 512], 1)],
    run: ([x]) => [roundToForward(x!, "bf16")],
    expected: ([x], index) => x!.values[index]!,
    tolerance: 2 ** -8,
  },
];
