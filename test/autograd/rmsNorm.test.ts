import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { rmsNorm, rmsNormComposed } from "../../src/autograd/ops/rmsNorm.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { rmsNorm as reference } from "../reference/rmsNorm.ts";
import { checkForward, describeOp, distance, type OpCase } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { dim, seed, values, wideDim } from "../support/random.ts";

function makeCase(rows: number, cols: number, seed: number, eps = 1e-6, scale = 1): OpCase {
  const x = values(rows * cols, seed, scale);
  const weight = values(cols, seed + 1);
  return {
    inputs: [
      { shape: [rows, cols], values: x },
      { shape: [cols], values: weight },
    ],
    apply: ([x, weight]) => rmsNorm(x!, weight!, eps),
    expected: { shape: [rows, cols], values: reference(x, weight, eps) },
  };
}

describeOp({
  name: "rmsNorm",
  // Of a row of one entry the gradient is eps x^-3 and its terms are x^-1: in f32 what is left is their rounding.
  arbitrary: fc.record({ rows: dim, cols: wideDim.filter((cols) => cols > 1), seed }),
  build: ({ rows, cols, seed }) => makeCase(rows, cols, seed),
  // eps is far below the mean square of ordinary inputs: only tiny rows show it.
  constants: { eps: [makeCase(2, 9, 3, 1e-6, 1e-3), makeCase(2, 9, 3, 1e-5, 1e-3)] },
  examples: {
    // With T5's eps the slope turns within 1e-3 of zero, too sharply for differences of 1e-5.
    "a row of zeros stays zero": makeCase(2, 8, 5, 1e-2, 0),
    "rows of one entry": makeCase(5, 1, 13, 1),
    "T5's width": makeCase(3, 512, 11),
  },
});

it("equals its composition from small ops", async () => {
  const fused = makeCase(3, 7, 21);
  await checkForward({ ...fused, apply: ([x, weight]) => rmsNormComposed(x!, weight!) });
});

async function expectClose(ours: Tensor, expected: Tensor): Promise<void> {
  expect(distance(await ours.data(), await expected.data())).toBeLessThan(1e-5);
}

describe.each([
  ["plain", plain],
  ["wasm", cpu],
  ["webgpu", gpu],
] as const)("a weight of 16-bit floats, %s", (_title, device) => {
  it.each(["f16", "bf16"] as const)("%s is read as it is, its gradient is f32", async (dtype) => {
    for (const [rows, cols] of [
      [3, 7],
      [2, 12],
    ] as const) {
      const [data, upstream] = [values(rows * cols, 31), values(rows * cols, 32)];
      const options = { device, dtype: "f32", requiresGrad: true } as const;
      const x = tensor(data, [rows, cols], options);
      const half = tensor(values(cols, 33), [cols], { ...options, dtype });
      const wide = tensor(await half.data(), [cols], options);
      const dy = tensor(upstream, [rows, cols], { device, dtype: "f32" });
      const [y, expected] = [rmsNorm(x, half), rmsNorm(x, wide)];
      const [ours, theirs] = [backward(y, [x, half], dy), backward(expected, [x, wide], dy)];
      expect(ours.get(half)!.dtype).toBe("f32");
      await expectClose(y, expected);
      await expectClose(ours.get(x)!, theirs.get(x)!);
      await expectClose(ours.get(half)!, theirs.get(wide)!);
      const exact = reference(data, await half.data(), 1e-6);
      expect(distance(await y.data(), exact)).toBeLessThan(1e-5);
    }
  });
});

it("names both shapes when the weight does not fit", () => {
  const x = tensor(values(14, 1), [2, 7], { device: cpu });
  const weight = tensor(values(5, 1), [5], { device: cpu });
  expect(() => rmsNorm(x, weight)).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: rmsNorm: weight must be [7], the last axis of x [2, 7], got [5]]`,
  );
});
