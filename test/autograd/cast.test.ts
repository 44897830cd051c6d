import fc from "fast-check";
import { expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { cast } from "../../src/autograd/ops/cast.ts";
import { mul, sum } from "../../src/autograd/index.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { cast as reference } from "../reference/cast.ts";
import { describeOp } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { dim, seed, values, wideDim } from "../support/random.ts";

describeOp({
  name: "cast",
  arbitrary: fc.record({ rows: dim, cols: wideDim, seed }),
  build({ rows, cols, seed }) {
    const x = values(rows * cols, seed);
    const whole = Int32Array.from(values(rows * cols, seed + 1), (value) => Math.round(9 * value));
    return {
      inputs: [
        { shape: [rows, cols], values: whole, kind: "i32" as const },
        { shape: [rows, cols], values: x },
      ],
      // Into the dtype that the test runs in, and from it into itself: both ways through `cast`.
      apply: ([whole, x]) => mul(cast(whole!, x!.dtype), cast(x!, x!.dtype)),
      expected: { shape: [rows, cols], values: x.map((value, i) => value * whole[i]!) },
    };
  },
  constants: {},
});

it.each([
  ["bf16", 8],
  ["f16", 11],
] as const)("rounds to %s to nearest even, and lets gradients through", async (dtype, bits) => {
  const x = [...values(257, 5, 3), 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -11, 1 + 3 * 2 ** -11];
  for (const device of [cpu, plain]) {
    const { y, dx } = scope(() => {
      const leaf = tensor(x, [x.length], { device, dtype: "f32", requiresGrad: true });
      const y = cast(cast(leaf, dtype), "f32");
      return {
        y: y.data(),
        dx: backward(sum(mul(y, y)))
          .get(leaf)!
          .data(),
      };
    });
    const rounded = x.map((value) => reference(Math.fround(value), bits));
    expect([...(await y)]).toEqual(rounded);
    expect([...(await dx)]).toEqual(rounded.map((value) => 2 * value));
  }
});
