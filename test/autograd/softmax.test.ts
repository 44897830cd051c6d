import fc from "fast-check";
import { expect, it } from "vitest";
import { logSoftmax, softmax } from "../../src/autograd/ops/softmax.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import * as reference from "../reference/softmax.ts";
import { checkForward, describeOp, type OpCase } from "../support/describeOp.ts";
import { cpu } from "../support/device.ts";
import { dim, seed, values, wideDim } from "../support/random.ts";

const LOWEST = -3.4028234663852886e38;

type Name = "softmax" | "logSoftmax";

function makeCase(name: Name, rows: number, cols: number, x: ArrayLike<number>): OpCase {
  const op = { softmax, logSoftmax }[name];
  return {
    inputs: [{ shape: [rows, cols], values: x }],
    apply: ([x]) => op(x!),
    expected: { shape: [rows, cols], values: reference[name](x, cols) },
  };
}

for (const name of ["softmax", "logSoftmax"] as const) {
  describeOp({
    name,
    arbitrary: fc.record({ rows: dim, cols: wideDim.filter((cols) => cols > 1), seed }),
    build: ({ rows, cols, seed }) => makeCase(name, rows, cols, values(rows * cols, seed)),
    constants: {},
    examples: {
      "differences beyond the range of exp": makeCase(name, 1, 5, [120, 0, 3, -40, 121]),
    },
  });

  it(`${name} of a row with one entry is ${name === "softmax" ? 1 : 0}`, async () => {
    await checkForward(makeCase(name, 3, 1, [-7, 0, 1e30]));
  });
}

it.each([
  ["large", [1e4, -1e4, 1e4, 0, 9999]],
  ["masked", [LOWEST, 1, LOWEST, 2, 3]],
  ["all masked", [LOWEST, LOWEST, LOWEST, LOWEST, LOWEST]],
  ["far apart", [3.4e38, LOWEST, 0, 3.4e38, -1]],
])("softmax of %s entries", async (_title, row) => {
  await checkForward(makeCase("softmax", 1, 5, row));
});

it.each([
  ["large", [1e4, -1e4, 1e4, 0, 9999]],
  ["all masked", [LOWEST, LOWEST, LOWEST, LOWEST, LOWEST]],
])("logSoftmax of %s entries", async (_title, row) => {
  await checkForward(makeCase("logSoftmax", 1, 5, row));
});

it("refuses a scalar", () => {
  const x = tensor(1, [], { device: cpu });
  expect(() => softmax(x)).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: softmax: x must have an axis, got []]`,
  );
});
