import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import {
  add,
  addScalar,
  div,
  exp,
  gelu,
  geluErf,
  log,
  mul,
  mulScalar,
  neg,
  relu,
  sigmoid,
  silu,
  sqrt,
  sub,
  tanh,
} from "../../src/autograd/ops/pointwise.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor, zeros, type Tensor } from "../../src/tensor/tensor.ts";
import * as reference from "../reference/pointwise.ts";
import { describeOp, type OpCase } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { dim, seed, values, wideDim } from "../support/random.ts";

const binaryOps = { add, sub, mul, div };
const unaryOps = { neg, exp, log, sqrt, tanh, relu, gelu, geluErf, sigmoid, silu };
const scalarOps = { addScalar, mulScalar };
type BinaryName = keyof typeof binaryOps;
type UnaryName = keyof typeof unaryOps;
type ScalarName = keyof typeof scalarOps;

const size = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** Values at least 0.25 from 0, where relu has no slope and quotients grow without bound. */
function awayFromZero(count: number, seed: number): Float64Array {
  return values(count, seed).map((x) => x + Math.sign(x) * 0.25);
}

// ---------------------------------------------------------------------------------------------
// Two tensors

function binaryCase(
  name: BinaryName,
  shapeA: readonly number[],
  shapeB: readonly number[],
  seed: number,
): OpCase {
  const a = { shape: shapeA, values: values(size(shapeA), seed) };
  const b = { shape: shapeB, values: awayFromZero(size(shapeB), seed + 1) };
  return {
    inputs: [a, b],
    apply: ([a, b]) => binaryOps[name](a!, b!),
    expected: reference.binary(name, a, b),
  };
}

/** Two shapes that broadcast: of each, leading axes are dropped and others become 1. */
const broadcasting = fc
  .record({
    shape: fc.array(fc.constantFrom(1, 2, 3, 5), { maxLength: 4 }),
    drop: fc.tuple(fc.nat(4), fc.nat(4)),
    single: fc.tuple(fc.array(fc.boolean()), fc.array(fc.boolean())),
    seed,
  })
  .map(({ shape, drop, single, seed }) => {
    const shapes = [0, 1].map((i) =>
      shape.map((n, axis) => (single[i]![axis] ? 1 : n)).slice(drop[i] === 4 ? 0 : drop[i]),
    );
    return { a: shapes[0]!, b: shapes[1]!, seed };
  });

for (const name of ["add", "sub", "mul", "div"] as const) {
  describeOp({
    name,
    arbitrary: broadcasting,
    build: ({ a, b, seed }) => binaryCase(name, a, b, seed),
    runs: 40,
    constants: {},
    examples: {
      "equal shapes, past a round of vectors": binaryCase(name, [3, 37], [3, 37], 1),
      "a scalar": binaryCase(name, [2, 5], [], 2),
      "one element": binaryCase(name, [1], [4, 3], 3),
      "a row": binaryCase(name, [3, 4, 17], [17], 4),
      "a column": binaryCase(name, [3, 4, 17], [3, 4, 1], 5),
      "a leading axis": binaryCase(name, [1, 4, 5], [3, 4, 5], 6),
      "both repeated": binaryCase(name, [2, 1, 3, 1], [4, 1, 5], 7),
      "nothing at all": binaryCase(name, [0, 3], [3], 8),
    },
  });
}

it("names both shapes when they do not broadcast", () => {
  scope(() => {
    const [a, b] = [zeros([2, 3], { device: cpu }), zeros([2], { device: cpu })];
    expect(() => mul(a, b)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: mul: shapes must be equal or 1 on every axis counted from the last, got [2, 3] and [2]]`,
    );
  });
});

it("refuses more separate axes than its kernels walk", () => {
  scope(() => {
    const [a, b] = [zeros([2, 1, 2, 1, 2], { device: cpu }), zeros([2, 1, 2, 1], { device: cpu })];
    expect(() => add(a, b)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: add: at most 4 separate axes are handled, got [2, 2, 2, 2, 2]. Reshape first.]`,
    );
  });
});

it("refuses two dtypes", () => {
  scope(() => {
    const a = zeros([2], { device: plain });
    expect(() =>
      add(a, zeros([2], { device: plain, dtype: "f64" })),
    ).toThrowErrorMatchingInlineSnapshot(
      `[DtypeError: add: floats must have one dtype, got f32 and f64 (b)]`,
    );
    expect(() =>
      add(a, zeros([2], { device: plain, dtype: "bf16" })),
    ).toThrowErrorMatchingInlineSnapshot(
      `[DtypeError: add: b must be f32 or f64, got bf16. Use cast().]`,
    );
  });
});

it("refuses two devices", () => {
  const [a, b] = [zeros([2], { device: plain }), zeros([2], { device: cpu })];
  expect(() => add(a, b)).toThrowErrorMatchingInlineSnapshot(
    `[DeviceError: add: all tensors must be on one device, got cpu and another (b)]`,
  );
});

// ---------------------------------------------------------------------------------------------
// A tensor and a number

function scalarCase(name: ScalarName, rows: number, cols: number, seed: number, s = 1.75): OpCase {
  const x = { shape: [rows, cols], values: values(rows * cols, seed) };
  const operator = name === "addScalar" ? "add" : "mul";
  return {
    inputs: [x],
    apply: ([x]) => scalarOps[name](x!, s),
    expected: reference.binary(operator, x, { shape: [], values: [s] }),
  };
}

for (const name of ["addScalar", "mulScalar"] as const) {
  describeOp({
    name,
    arbitrary: fc.record({ rows: dim, cols: wideDim, seed }),
    build: ({ rows, cols, seed }) => scalarCase(name, rows, cols, seed),
    constants: { s: [scalarCase(name, 2, 9, 3, 0.5), scalarCase(name, 2, 9, 3, -2)] },
  });
}

// ---------------------------------------------------------------------------------------------
// One tensor

function unaryCase(name: UnaryName, shape: readonly number[], x: Float64Array): OpCase {
  return {
    inputs: [{ shape, values: x }],
    apply: ([x]) => unaryOps[name](x!),
    expected: { shape, values: x.map(reference.unary[name]) },
  };
}

for (const name of Object.keys(unaryOps) as UnaryName[]) {
  const positive = name === "log" || name === "sqrt";
  const draw = (count: number, seed: number) =>
    awayFromZero(count, seed).map(positive ? Math.abs : (x) => x);
  describeOp({
    name,
    arbitrary: fc.record({ rows: dim, cols: wideDim, seed }),
    build: ({ rows, cols, seed }) => unaryCase(name, [rows, cols], draw(rows * cols, seed)),
    constants: {},
    examples: {
      "a scalar": unaryCase(name, [], draw(1, 5)),
      "no elements": unaryCase(name, [0, 3], draw(0, 5)),
    },
  });
}

// ---------------------------------------------------------------------------------------------
// Extremes, entry by entry: next to 1e4 a tolerance for the whole tensor would hide all others.

const TINY = 2 ** -132; // denormal in f32
const extremes: Record<UnaryName, readonly (readonly [x: number, y: number, slope: number])[]> = {
  neg: [
    [1e4, -1e4, -1],
    [TINY, -TINY, -1],
    [Infinity, -Infinity, -1],
  ],
  exp: [
    [1e4, Infinity, Infinity],
    [-1e4, 0, 0],
    [0, 1, 1],
    [TINY, 1, 1],
    [-Infinity, 0, 0],
  ],
  log: [
    [1e4, 9.210340371976184, 1e-4],
    [0, -Infinity, Infinity],
    [TINY, -91.49542783391256, 2 ** 132],
    [-1, NaN, -1],
  ],
  sqrt: [
    [1e4, 100, 0.005],
    [0, 0, Infinity],
    [TINY, 2 ** -66, 2 ** 65],
    [-1, NaN, NaN],
  ],
  tanh: [
    [1e4, 1, 0],
    [-1e4, -1, 0],
    [0, 0, 1],
    [TINY, TINY, 1],
    [1e-4, 9.999999966666667e-5, 0.99999999],
    [Infinity, 1, 0],
  ],
  relu: [
    [1e4, 1e4, 1],
    [-1e4, 0, 0],
    [0, 0, 0],
    [TINY, TINY, 1],
    [-TINY, 0, 0],
  ],
  gelu: [
    [1e4, 1e4, 1],
    [-1e4, 0, 0],
    [1e19, 1e19, 1],
    [-1e19, 0, 0],
    [0, 0, 0.5],
    [TINY, TINY / 2, 0.5],
    [-TINY, -TINY / 2, 0.5],
  ],
  // mpmath with 40 digits
  geluErf: [
    [1e4, 1e4, 1],
    [-1e4, 0, 0],
    [0, 0, 0.5],
    [TINY, TINY / 2, 0.5],
    [-TINY, -TINY / 2, 0.5],
    [1, 0.84134474606854295, 1.0833154705876863],
    [-1, -0.15865525393145705, -0.083315470587686298],
    [2.5, 2.4844758366855597, 1.0376110859081452],
    [-2.5, -0.015524163314440338, -0.037611085908145208],
    [-3.5, -0.00081420177662433763, -0.0028217603536246352],
    [-6, -5.9195258702261888e-9, -3.5468709453902015e-8],
  ],
  sigmoid: [
    [1e4, 1, 0],
    [-1e4, 0, 0],
    [0, 0.5, 0.25],
    [TINY, 0.5, 0.25],
    [20, 0.9999999979388463, 2.061153613941849e-9],
    [-20, 2.0611536181902037e-9, 2.061153613941849e-9],
  ],
  silu: [
    [1e4, 1e4, 1],
    [-1e4, 0, 0],
    [0, 0, 0.5],
    [TINY, TINY / 2, 0.5],
  ],
};

/** Within `relative` of a number, the same infinity, or both NaN. A denormal may miss by its last bit. */
function expectClose(actual: ArrayLike<number>, expected: readonly number[], relative: number) {
  expected.forEach((value, i) => {
    if (!Number.isFinite(value)) expect(actual[i], `entry ${i}`).toBe(value);
    else {
      const allowed = Math.abs(value) * relative + (relative > 1e-9 ? 1.5e-45 : 0);
      expect(
        Math.abs(actual[i]! - value),
        `entry ${i}: ${actual[i]} for ${value}`,
      ).toBeLessThanOrEqual(allowed);
    }
  });
}

describe.each([
  ["plain f64", plain, "f64", 1e-14],
  ["plain f32", plain, "f32", 1e-6],
  ["wasm f32", cpu, "f32", 1e-6],
] as const)("extremes in %s", (_title, device, dtype, relative) => {
  it.each(Object.keys(extremes) as UnaryName[])("%s", async (name) => {
    const rows = extremes[name].map(([x, y, slope]) =>
      // Not every f64 result is an f32.
      dtype === "f64" ? [x, y, slope] : [x, Math.fround(y), Math.fround(slope)],
    );
    const [y, dx] = scope(() => {
      const x = tensor(
        rows.map((row) => row[0]!),
        [rows.length],
        { device, dtype, requiresGrad: true },
      );
      const y = unaryOps[name](x);
      return [y.data(), backward(sum(y)).get(x)!.data()];
    });
    expectClose(
      await y!,
      rows.map((row) => row[1]!),
      relative,
    );
    expectClose(
      await dx!,
      rows.map((row) => row[2]!),
      relative,
    );
  });
});

it("lets NaN through", async () => {
  for (const [name, op] of Object.entries(unaryOps) as [UnaryName, (x: Tensor) => Tensor][]) {
    for (const device of [cpu, plain]) {
      const [y] = scope(() => [op(tensor([NaN, NaN, NaN, NaN, NaN], [5], { device })).data()]);
      expect([...(await y!)], name).toEqual([NaN, NaN, NaN, NaN, NaN]);
    }
  }
});
