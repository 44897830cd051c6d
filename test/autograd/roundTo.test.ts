import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { mul, roundTo, sum } from "../../src/autograd/index.ts";
import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
} from "../../src/tensor/half.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { roundTo as reference } from "../reference/roundTo.ts";
import { describeOp } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { dim, seed, values, wideDim } from "../support/random.ts";

const half = fc.constantFrom("f16" as const, "bf16" as const);
const numbers = (count: number, from: number): Float64Array =>
  values(count, from, 3).map((value) => Math.fround(value));

const example = (dtype: "f16" | "bf16", x: readonly number[]) => ({
  inputs: [{ shape: [x.length], values: x }],
  apply: ([input]: Parameters<typeof roundTo>[0][]) => roundTo(input!, dtype),
  expected: { shape: [x.length], values: x.map((value) => reference(value, dtype)) },
});

describeOp({
  name: "roundTo",
  differentiable: false, // a staircase; its gradient is checked below
  arbitrary: fc.record({ dtype: half, rows: dim, cols: wideDim, seed }),
  build: ({ dtype, rows, cols, seed }) => example(dtype, [...numbers(rows * cols, seed)]),
  constants: {
    dtype: [example("bf16", [1.0078125 - 2 ** -9]), example("f16", [1.0078125 - 2 ** -9])],
  },
});

describe.each([
  ["WebAssembly", cpu],
  ["plain", plain],
] as const)("every tie and every edge, %s", (_title, device) => {
  it.each([
    ["bf16", (x: number) => bfloat16ToFloat32(float32ToBfloat16(x))],
    ["f16", (x: number) => float16ToFloat32(float32ToFloat16(x))],
  ] as const)("%s", async (dtype, expected) => {
    const widen = dtype === "bf16" ? bfloat16ToFloat32 : float16ToFloat32;
    const words = Array.from({ length: 65535 }, (_, word) => widen(word));
    // each number, half-way to its neighbour, and a little to both sides of that
    const x = new Float32Array(4 * words.length);
    words.forEach((value, i) => {
      const middle = (value + (words[i + 1] ?? value)) / 2;
      x.set([value, middle, middle * (1 - 2 ** -22), middle * (1 + 2 ** -22)], 4 * i);
    });
    const y = await scope(() => [roundTo(tensor(x, [x.length], { device }), dtype).data()])[0]!;
    const wrong = [...x].filter((value, i) => !Object.is(y[i], expected(value)));
    expect(wrong).toEqual([]);
  });

  it("rounds gradients too, so that they overflow and vanish in f16", async () => {
    const dy = [1 + 2 ** -9, 70000, 1e-9, -3];
    const gradient = (dtype: "f16" | "bf16") =>
      scope(() => {
        const x = tensor([1, 1, 1, 1], [4], { device, requiresGrad: true });
        const y = mul(roundTo(x, dtype), tensor(dy, [4], { device }));
        return [backward(sum(y)).get(x)!.data()];
      })[0]!;
    expect([...(await gradient("f16"))]).toEqual([1 + 2 ** -9, Infinity, 0, -3]);
    const coarse = dy.map((value) => reference(Math.fround(value), "bf16"));
    expect([...(await gradient("bf16"))]).toEqual(coarse);
  });
});
