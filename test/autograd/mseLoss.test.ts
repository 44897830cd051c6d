import fc from "fast-check";
import { expect, it } from "vitest";
import { mseLoss } from "../../src/autograd/ops/mseLoss.ts";
import { zeros } from "../../src/tensor/tensor.ts";
import { mseLoss as reference } from "../reference/mseLoss.ts";
import { describeOp, type OpCase } from "../support/describeOp.ts";
import { cpu } from "../support/device.ts";
import { dim, seed, values, wideDim } from "../support/random.ts";

function makeCase(rows: number, cols: number, seed: number): OpCase {
  const [a, b] = [values(rows * cols, seed), values(rows * cols, seed + 1)];
  return {
    inputs: [
      { shape: [rows, cols], values: a },
      { shape: [rows, cols], values: b },
    ],
    apply: ([a, b]) => mseLoss(a!, b!),
    expected: { shape: [], values: [reference(a, b)] },
  };
}

describeOp({
  name: "mseLoss",
  arbitrary: fc.record({ rows: dim, cols: wideDim, seed }),
  build: ({ rows, cols, seed }) => makeCase(rows, cols, seed),
  constants: {},
});

it("refuses shapes that would broadcast", () => {
  const [a, b] = [zeros([4, 1], { device: cpu }), zeros([4], { device: cpu })];
  expect(() => mseLoss(a, b)).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: mseLoss: target must be [4, 1] as the prediction, got [4]. Use reshape().]`,
  );
});
