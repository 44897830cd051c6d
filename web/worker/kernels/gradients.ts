// The gradient check of an op, run live: its plain body in f64 against central differences.

import {
  attention,
  crossEntropy,
  div,
  embedding,
  gatedGelu,
  gelu,
  gradcheck,
  layerNorm,
  matmul,
  mean,
  mul,
  openDevice,
  relativePositionBias,
  rmsNorm,
  silu,
  softmax,
  sum,
  tensor,
  type Device,
  type Tensor,
} from "gradloom";
import type { CHECKED_OPS, GradientCheck } from "../../protocol/kernels.ts";

interface CheckedCase {
  readonly shapes: readonly (readonly number[])[];
  readonly apply: (device: Device, ...inputs: Tensor[]) => Tensor;
}

const ints = (device: Device, values: readonly number[], shape: readonly number[]): Tensor =>
  tensor(Int32Array.from(values), shape, { device });

const CASES: Readonly<Record<(typeof CHECKED_OPS)[number], CheckedCase>> = {
  matmul: {
    shapes: [
      [4, 5],
      [5, 3],
    ],
    apply: (_, a, b) => matmul(a!, b!),
  },
  softmax: { shapes: [[3, 6]], apply: (_, x) => softmax(x!) },
  rmsNorm: { shapes: [[3, 8], [8]], apply: (_, x, w) => rmsNorm(x!, w!) },
  layerNorm: { shapes: [[3, 8], [8], [8]], apply: (_, x, w, b) => layerNorm(x!, w!, b!) },
  attention: {
    shapes: [
      [1, 4, 6],
      [1, 5, 6],
      [1, 5, 6],
      [2, 4, 5],
    ],
    apply: (_, q, k, v, bias) => attention(q!, k!, v!, { heads: 2, bias: bias! }),
  },
  crossEntropy: {
    shapes: [[4, 7]],
    apply: (device, x) => crossEntropy(x!, ints(device, [1, 6, -100, 0], [4])),
  },
  gatedGelu: {
    shapes: [
      [3, 6],
      [3, 6],
    ],
    apply: (_, a, b) => gatedGelu(a!, b!),
  },
  embedding: {
    shapes: [[5, 4]],
    apply: (device, table) => embedding(table!, ints(device, [4, 0, 2, 2], [2, 2])),
  },
  gelu: { shapes: [[4, 6]], apply: (_, x) => gelu(x!) },
  silu: { shapes: [[4, 6]], apply: (_, x) => silu(x!) },
  sum: { shapes: [[3, 4, 2]], apply: (_, x) => sum(x!, [1]) },
  mean: { shapes: [[3, 4, 2]], apply: (_, x) => mean(x!, [0, 2]) },
  mul: { shapes: [[3, 5], [5]], apply: (_, a, b) => mul(a!, b!) },
  div: {
    shapes: [
      [3, 5],
      [3, 5],
    ],
    apply: (_, a, b) => div(a!, b!),
  },
  relativePositionBias: {
    shapes: [[8, 2]],
    apply: (_, table) => {
      const lengths = { queryLength: 5, keyLength: 6, bidirectional: true, maxDistance: 8 };
      return relativePositionBias(table!, lengths);
    },
  },
};

/** @throws {Error} for an op without a case, and what gradcheck throws for a wrong gradient */
export async function checkGradient({ op }: { readonly op: string }): Promise<GradientCheck> {
  const found = (CASES as Readonly<Record<string, CheckedCase>>)[op];
  if (found === undefined) throw new Error(`No gradient check for ${op}.`);
  const device = await openDevice("cpu", { kernels: "plain" });
  const began = performance.now();
  try {
    const inputs = found.shapes.map((shape, i) =>
      tensor(values(shape, i + 1), shape, { device, requiresGrad: true }),
    );
    const worst = await gradcheck((...given) => found.apply(device, ...given), inputs);
    const inputsText = found.shapes.map((shape) => `[${shape.join(", ")}]`).join(" ");
    return { op, worst, inputs: inputsText, milliseconds: performance.now() - began };
  } finally {
    await device.close();
  }
}

/** Of 0.3 to 1.7 in magnitude and of both signs, in f64: far from 0, where quotients have no gradient. */
function values(shape: readonly number[], seed: number): Float64Array {
  const size = shape.reduce((product, length) => product * length, 1);
  return Float64Array.from({ length: size }, (_, i) => {
    const u = Math.abs(Math.sin((i + 1) * 78.233 + seed * 12.9898) * 43758.5453) % 1;
    return (i % 3 === 0 ? -1 : 1) * (0.3 + 1.4 * u);
  });
}
