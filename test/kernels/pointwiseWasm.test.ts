// The WebAssembly bodies of pointwise kernels beside the plain ones: numbers at the ends of f32, and broadcasting where
// threads cut rows in two.

import { describe, expect, it } from "vitest";
import {
  binaryForward,
  scalarForward,
  unaryBackward,
  unaryForward,
  type BinaryName,
  type UnaryName,
} from "../../src/kernels/pointwise/pointwise.ts";
import type { Device } from "../../src/tensor/device.ts";
import type { Shape } from "../../src/tensor/shape.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { cpu, plain } from "../support/device.ts";
import { values } from "../support/random.ts";

const finite = [0, -0, 1e-30, -1e-30, 0.5, -0.5, 3, -3, 20, -20, 88, -87, 1e4, -1e4, 3e38, -3e38];
const extremes: Readonly<Record<UnaryName, readonly number[]>> = {
  exp: [...finite, 89, -104, Infinity, -Infinity, NaN],
  log: [...finite, Infinity, -Infinity, NaN],
  sqrt: [...finite, Infinity, -Infinity, NaN],
  tanh: [...finite, Infinity, -Infinity, NaN],
  relu: [...finite, Infinity, -Infinity, NaN],
  // Infinite numbers times a gate of 0 are NaN or not, depending on where the gate is computed.
  gelu: [...finite.filter((x) => Math.abs(x) < 1e10), NaN],
  geluErf: [...finite, Infinity, -Infinity, NaN],
  sigmoid: [...finite, Infinity, -Infinity, NaN],
  silu: [...finite, NaN],
};

/** Of the largest or smallest numbers all but the sign and the size may differ; subnormal results may be 0. */
function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, x: readonly number[]) {
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    if (Number.isFinite(e))
      expect(Math.abs(a - e), `at ${x[i]}`).toBeLessThanOrEqual(1e-6 * Math.abs(e) + 1.2e-38);
    else expect(a, `at ${x[i]}`).toBe(e);
  }
}

async function onBoth(compute: (device: Device) => Tensor) {
  const [ours, expected] = [cpu, plain].map((device) => scope(() => [compute(device).data()])[0]);
  return [await ours!, await expected!] as const;
}

describe.each(Object.entries(extremes) as [UnaryName, readonly number[]][])("%s", (name, x) => {
  const leaf = (device: Device): Tensor => tensor(x, [x.length], { device, dtype: "f32" });

  it("has the plain body's values at the ends of f32", async () => {
    const [ours, expected] = await onBoth((device) => unaryForward(name, leaf(device)));
    expectClose(ours, expected, x);
  });

  it("has the plain body's slopes there", async () => {
    const [ours, expected] = await onBoth((device) => {
      const dy = tensor(new Array<number>(x.length).fill(1), [x.length], {
        device,
        dtype: "f32",
      });
      return unaryBackward(name, leaf(device), dy);
    });
    expectClose(ours, expected, x);
  });
});

const broadcasts: readonly [Shape, Shape][] = [
  [[7, 3001], [3001]],
  [[3001], [7, 3001]],
  [
    [301, 67],
    [301, 1],
  ],
  [[1], [20011]],
  [
    [5, 1, 67, 64],
    [1, 3, 67, 1],
  ],
  [
    [67, 1, 3],
    [1, 129, 1],
  ],
];

describe.each(["add", "sub", "mul", "div"] as BinaryName[])("%s", (name) => {
  it.each(broadcasts)("broadcasts %j with %j as the plain body does", async (shapeA, shapeB) => {
    const operand = (shape: Shape, seed: number, device: Device): Tensor => {
      const size = shape.reduce((product, dim) => product * dim, 1);
      return tensor(values(size, seed), shape, { device, dtype: "f32" });
    };
    const [ours, expected] = await onBoth((device) =>
      binaryForward(name, operand(shapeA, 1, device), operand(shapeB, 2, device)),
    );
    expect(ours).toEqual(expected);
  });
});

it.each(["addScalar", "mulScalar"] as const)("%s equals the plain body", async (name) => {
  const [ours, expected] = await onBoth((device) =>
    scalarForward(
      name,
      tensor(values(20011, 3), [20011], { device, dtype: "f32" }),
      Math.fround(0.7),
    ),
  );
  expect(ours).toEqual(expected);
});
