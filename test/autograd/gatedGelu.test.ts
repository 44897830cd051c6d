import fc from "fast-check";
import { expect, it } from "vitest";
import { gatedGelu, gatedGeluComposed } from "../../src/autograd/ops/gatedGelu.ts";
import { scope } from "../../src/tensor/scope.ts";
import { zeros } from "../../src/tensor/tensor.ts";
import { gatedGelu as reference } from "../reference/gatedGelu.ts";
import { checkForward, checkGradients, describeOp, type OpCase } from "../support/describeOp.ts";
import { cpu } from "../support/device.ts";
import { dim, seed, values, wideDim } from "../support/random.ts";

function makeCase(rows: number, cols: number, seed: number, scale = 1): OpCase {
  return fromValues(rows, cols, values(rows * cols, seed, scale), values(rows * cols, seed + 1));
}

function fromValues(
  rows: number,
  cols: number,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
): OpCase {
  return {
    inputs: [
      { shape: [rows, cols], values: a },
      { shape: [rows, cols], values: b },
    ],
    apply: ([a, b]) => gatedGelu(a!, b!),
    expected: { shape: [rows, cols], values: reference(a, b) },
  };
}

describeOp({
  name: "gatedGelu",
  arbitrary: fc.record({ rows: dim, cols: wideDim, seed }),
  build: ({ rows, cols, seed }) => makeCase(rows, cols, seed),
  constants: {},
  examples: {
    "large inputs of both signs": makeCase(2, 17, 3, 30),
    "the knee of the curve": fromValues(1, 5, [-5, -3, -0.75, 0, 3], [1, 2, 3, 4, 5]),
  },
});

it("saturates: a for large a, 0 for large -a", async () => {
  await checkForward(fromValues(1, 6, [1e4, -1e4, 1e12, -1e12, 12, -12], [1, 1, 1e-9, 1, 1, 1]));
});

it("equals its composition from small ops", async () => {
  const fused = makeCase(3, 7, 21);
  const composed: OpCase = { ...fused, apply: ([a, b]) => gatedGeluComposed(a!, b!) };
  await checkForward(composed);
  await checkGradients(composed);
});

it("names both shapes when they differ", () => {
  scope(() => {
    const [a, b] = [zeros([2, 3], { device: cpu }), zeros([3], { device: cpu })];
    expect(() => gatedGelu(a, b)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: gatedGelu: b must be [2, 3] as a, got [3]]`,
    );
  });
});
