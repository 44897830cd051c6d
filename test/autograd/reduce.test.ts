import fc from "fast-check";
import { expect, it } from "vitest";
import { mean, sum } from "../../src/autograd/ops/reduce.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor, zeros } from "../../src/tensor/tensor.ts";
import { reduce as reference } from "../reference/reduce.ts";
import { describeOp, type OpCase } from "../support/describeOp.ts";
import { cpu } from "../support/device.ts";
import { seed, values } from "../support/random.ts";

const ops = { sum: sum, mean: mean };
type Name = keyof typeof ops;

interface Case {
  readonly shape: readonly number[];
  /** All of them when left out. */
  readonly axes?: readonly number[];
  readonly keepDims?: boolean;
  readonly seed: number;
}

function makeCase(name: Name, { shape, axes, keepDims = false, seed }: Case): OpCase {
  const x = {
    shape,
    values: values(
      shape.reduce((size, dim) => size * dim, 1),
      seed,
    ),
  };
  const counted = (axes ?? shape.map((_, i) => i)).map((axis) =>
    axis < 0 ? axis + shape.length : axis,
  );
  return {
    inputs: [x],
    apply: ([x]) => ops[name](x!, axes, keepDims),
    expected: reference(name, x, counted, keepDims),
  };
}

/** Some of the axes of a shape, in any order, some counted from the end. */
const arbitrary: fc.Arbitrary<Case> = fc
  .array(fc.constantFrom(1, 2, 3, 5, 9), { maxLength: 4 })
  .chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      axes: fc
        .shuffledSubarray(shape.map((_, i) => i))
        .chain((axes) =>
          fc.tuple(...axes.map((axis) => fc.constantFrom(axis, axis - shape.length))),
        ),
      keepDims: fc.boolean(),
      seed,
    }),
  );

for (const name of ["sum", "mean"] as const) {
  describeOp({
    name,
    arbitrary,
    build: (c) => makeCase(name, c),
    runs: 60,
    constants: {
      axes: [
        makeCase(name, { shape: [3, 3], axes: [0], seed: 3 }),
        makeCase(name, { shape: [3, 3], axes: [1], seed: 3 }),
      ],
    },
    examples: {
      "all axes": makeCase(name, { shape: [2, 3, 17], seed: 1 }),
      "all axes, kept": makeCase(name, { shape: [2, 3], keepDims: true, seed: 2 }),
      "no axes": makeCase(name, { shape: [2, 3], axes: [], seed: 3 }),
      "a scalar": makeCase(name, { shape: [], seed: 4 }),
      "rows, wide": makeCase(name, { shape: [7, 67], axes: [0], seed: 5 }),
      "columns, wide": makeCase(name, { shape: [7, 67], axes: [-1], seed: 6 }),
      "outer and inner": makeCase(name, { shape: [3, 4, 5, 6], axes: [3, 0], seed: 7 }),
    },
  });
}

it("sums nothing to 0, and has no mean of nothing", async () => {
  const found = scope(() => {
    const x = zeros([2, 0], { device: cpu });
    return [sum(x, [1]).data(), mean(x, [1]).data()];
  });
  expect([...(await found[0]!)]).toEqual([0, 0]);
  expect([...(await found[1]!)]).toEqual([NaN, NaN]);
});

it("adds up long rows to f32's accuracy", async () => {
  const x = values(100_000, 9).map(Math.abs);
  const total = scope(() => [sum(tensor(x, [100_000], { device: cpu, dtype: "f32" })).item()]);
  const exact = x.reduce((a, b) => a + b, 0);
  expect(Math.abs((await total[0]!) - exact) / exact).toBeLessThan(1e-6);
});

it("keeps nothing but its result alive", () => {
  const x = zeros([3, 4, 5], { device: cpu });
  const before = cpu.memory();
  mean(x, [0, 2]).dispose();
  expect(cpu.memory()).toEqual({
    ...before,
    pooledBytes: cpu.memory().pooledBytes,
    peakBytes: cpu.memory().peakBytes,
  });
});

it("refuses axes that are not there or named twice", () => {
  const x = zeros([2, 3], { device: cpu });
  expect(() => sum(x, [2])).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: sum: axis must be in -2..1, got 2]`,
  );
  expect(() => mean(x, [0, -2])).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: mean: every axis may be named once, got [0, 0]]`,
  );
});
