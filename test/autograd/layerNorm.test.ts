import fc from "fast-check";
import { expect, it } from "vitest";
import { layerNorm, layerNormComposed } from "../../src/autograd/ops/layerNorm.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { layerNorm as reference } from "../reference/layerNorm.ts";
import { checkForward, checkGradients, describeOp, type OpCase } from "../support/describeOp.ts";
import { cpu } from "../support/device.ts";
import { dim, seed, values, wideDim } from "../support/random.ts";

/** @param offset of all elements: a mean far from 0 */
function makeCase(rows: number, cols: number, seed: number, eps = 1e-5, scale = 1, offset = 0) {
  const x = values(rows * cols, seed, scale).map((value) => Math.fround(value + offset));
  const [weight, bias] = [values(cols, seed + 1), values(cols, seed + 2)];
  return {
    inputs: [
      { shape: [rows, cols], values: x },
      { shape: [cols], values: weight },
      { shape: [cols], values: bias },
    ],
    apply: ([x, weight, bias]) => layerNorm(x!, weight!, bias!, eps),
    expected: { shape: [rows, cols], values: reference(x, weight, bias, eps) },
  } satisfies OpCase;
}

describeOp({
  name: "layerNorm",
  // A row of one or two entries is +-1 or 0 for all x: its gradient is what rounding leaves of large terms.
  arbitrary: fc.record({ rows: dim, cols: wideDim.filter((cols) => cols > 2), seed }),
  build: ({ rows, cols, seed }) => makeCase(rows, cols, seed, 1e-3),
  // eps is far below the variance of ordinary rows: only tiny ones show it.
  constants: { eps: [makeCase(2, 9, 3, 1e-6, 1e-3), makeCase(2, 9, 3, 1e-5, 1e-3)] },
  examples: {
    "equal entries give the bias": makeCase(2, 8, 5, 1e-2, 0),
    "rows of one entry": makeCase(5, 1, 13, 1),
    "a mean far from 0": makeCase(3, 17, 15, 1e-2, 1, 64),
    "GPT-2's width": makeCase(3, 768, 11),
    "more rows than a chunk": makeCase(70, 6, 17, 1e-2),
  },
});

it("equals its composition from small ops", async () => {
  const fused = makeCase(3, 7, 21);
  const composed: OpCase = {
    ...fused,
    apply: ([x, weight, bias]) => layerNormComposed(x!, weight!, bias!),
  };
  await checkForward(composed);
  await checkGradients(composed);
});

it("names what does not fit", () => {
  const x = tensor(values(14, 1), [2, 7], { device: cpu });
  const [short, fits] = [5, 7].map((cols) => tensor(values(cols, 1), [cols], { device: cpu }));
  expect(() => layerNorm(x, short!, fits!)).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: layerNorm: weight must be [7], the last axis of x [2, 7], got [5]]`,
  );
  expect(() => layerNorm(x, fits!, short!)).toThrow("layerNorm: bias must be [7]");
});
