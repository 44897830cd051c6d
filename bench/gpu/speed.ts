// Speed of matrix products and of attention.

import { cast } from "../../src/autograd/ops/cast.ts";
import { attentionForward } from "../../src/kernels/attention/forward.ts";
import { attentionBackward } from "../../src/kernels/attention/backward.ts";
import { matmulForward } from "../../src/kernels/matmul/matmul.ts";
import { matrixShape } from "../../src/kernels/matmul/matrixTiles.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import type { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";
import { noise } from "../kernels/kernelBench.ts";
import type { Peaks } from "../peaks/peaks.ts";
import { secondsPerRun } from "./timing.ts";

/** A line of the table, and of the JSON file. */
export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** What it is beside something: "41% of the measured peak". */
  readonly beside?: string;
}

/** FLOP/s of products in f32 without matrix units, and with f16 operands in them, by the vendor's data sheet (SXM). */
const PUBLISHED: readonly { name: RegExp; f32: number; f16: number }[] = [
  { name: /h100|h200|hopper/i, f32: 67e12, f16: 989e12 },
];

const percent = (share: number): string => `${(100 * share).toPrecision(3)}%`;

export async function matmulFigures(
  device: WebGpuDevice,
  sizes: readonly number[],
  peaks: Peaks | null,
  quick: boolean,
): Promise<Figure[]> {
  const figures: Figure[] = [];
  const published = PUBLISHED.find(({ name }) => name.test(device.adapter.name));
  const hasUnits = matrixShape(device.adapter, true) !== null;
  for (const n of sizes) {
    const [a, b] = [1, 2].map((seed) => {
      const { values, shape } = noise([n, n], seed);
      return tensor(values, shape, { device });
    });
    for (const roundToF16 of [false, true]) {
      const { seconds, clock } = await secondsPerRun(
        device,
        () => void matmulForward(a!, b!, { roundToF16 }),
        quick,
      );
      const rate = (2 * n ** 3) / seconds;
      const sheet = published?.[roundToF16 && hasUnits ? "f16" : "f32"];
      const units = hasUnits ? "f16 operands on matrix units" : "f16 path: no matrix units here";
      figures.push({
        what: `matmul ${n} cubed, ${roundToF16 ? units : "f32"} (${clock} clock)`,
        value: rate / 1e9,
        unit: "GFLOP/s",
        beside: [
          ...(peaks ? [`${percent(rate / peaks.flops)} of the measured f32 peak`] : []),
          ...(sheet ? [`${percent(rate / sheet)} of the published ${sheet / 1e12} TFLOP/s`] : []),
        ].join(", "),
      });
    }
    a!.dispose();
    b!.dispose();
  }
  return figures;
}

/** The products of a linear layer [n, k] on so many rows, as training has them: forward, and both gradients, by dtype of the weight. */
export async function linearFigures(
  device: WebGpuDevice,
  rows: number,
  k: number,
  n: number,
  quick: boolean,
): Promise<Figure[]> {
  const memory = new Scope();
  const make = (shape: number[], seed: number) =>
    tensor(noise(shape, seed, 0.3).values, shape, { device });
  const figures: Figure[] = [];
  try {
    const [x, dy, w] = memory.run(
      () => [make([rows, k], 1), make([rows, n], 2), make([n, k], 3)] as const,
    );
    for (const dtype of ["bf16", "f16"] as const) {
      const weight = memory.run(() => cast(w, dtype));
      const products = {
        "x w^T": () => matmulForward(x, weight, { transposeB: true, roundToF16: true }),
        "dy w": () => matmulForward(dy, weight, { roundToF16: true }),
        "dy^T x": () => matmulForward(dy, x, { transposeA: true, roundToF16: true }),
      };
      for (const [name, product] of Object.entries(products)) {
        const { seconds } = await secondsPerRun(device, () => void product(), quick);
        figures.push({
          what: `${name}, ${rows} rows, w ${dtype} [${n}, ${k}]`,
          value: (2 * rows * n * k) / seconds / 1e9,
          unit: "GFLOP/s",
        });
      }
    }
    return figures;
  } finally {
    memory.dispose();
  }
}

/** Attention of T5's encoder: [texts, length, heads x width] with a bias, its gradients apart. */
export async function attentionFigures(
  device: WebGpuDevice,
  [texts, length, heads, width]: readonly [number, number, number, number],
  quick: boolean,
): Promise<Figure[]> {
  const memory = new Scope();
  const [q, k, v, dy, bias] = memory.run(() =>
    [1, 2, 3, 4, 5].map((seed) => {
      const shape = seed === 5 ? [heads, length, length] : [texts, length, heads * width];
      return tensor(noise(shape, seed, 0.3).values, shape, { device });
    }),
  ) as [never, never, never, never, never];
  const all = { q: true, k: true, v: true, bias: true };
  const figures: Figure[] = [];
  for (const roundToF16 of [false, true]) {
    const settings = { heads, causal: false, scale: 1, dropout: null, roundToF16 };
    const forward = () => attentionForward(q, k, v, { ...settings, bias, mask: null });
    const saved = memory.run(forward);
    const backward = () =>
      attentionBackward(dy, { q, k, v, bias, mask: null, ...saved }, settings, all);
    // Two products forward; five backward, where the scores and dp are made twice (dq, then dk and dv).
    for (const [name, work, products] of [
      ["forward", forward, 2],
      ["backward", backward, 7],
    ] as const) {
      const { seconds } = await secondsPerRun(device, () => void work(), quick);
      const flops = 2 * products * texts * length * length * heads * width;
      const rounded = roundToF16 ? ", operands rounded to 11 bits" : "";
      figures.push({
        what: `attention ${name} at [${texts}, ${length}, ${heads}x${width}]${rounded}`,
        value: 1000 * seconds,
        unit: "ms",
        beside: `${(flops / seconds / 1e9).toPrecision(3)} GFLOP/s`,
      });
    }
  }
  memory.dispose();
  return figures;
}
