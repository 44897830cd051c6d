import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gatherRows } from "../../src/autograd/ops/gatherRows.ts";
import { copyInto } from "../../src/kernels/moves/gatherRows.ts";
import type { Dtype } from "../../src/tensor/dtype.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor, zeros } from "../../src/tensor/tensor.ts";
import * as reference from "../reference/gatherRows.ts";
import { describeOp, type OpCase } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { dim, seed, values } from "../support/random.ts";

function makeCase(
  n: number,
  inner: readonly number[],
  rows: readonly number[],
  seed: number,
): OpCase {
  const cols = inner.reduce((product, d) => product * d, 1);
  const x = values(n * cols, seed);
  return {
    inputs: [
      { shape: [n, ...inner], values: x },
      { shape: [rows.length], values: rows, kind: "i32" },
    ],
    apply: ([x, rows]) => gatherRows(x!, rows!),
    expected: { shape: [rows.length, ...inner], values: reference.gatherRows(x, rows, cols) },
  };
}

describeOp({
  name: "gatherRows",
  arbitrary: dim.chain((n) =>
    fc.record({
      n: fc.constant(n),
      inner: fc.array(fc.constantFrom(1, 2, 3, 5, 17), { maxLength: 2 }),
      rows: fc.array(fc.nat(n - 1), { minLength: 1, maxLength: 12 }),
      seed,
    }),
  ),
  build: ({ n, inner, rows, seed }) => makeCase(n, inner, rows, seed),
  constants: { rows: [makeCase(4, [3], [0, 3, 1], 3), makeCase(4, [3], [1, 0, 3], 3)] },
  examples: {
    "caches of beams": makeCase(4, [3, 32], [1, 1, 0, 3], 4),
    "no rows": makeCase(4, [3], [], 5),
  },
});

const devices = [
  ["plain", plain],
  ["wasm", cpu],
] as const;
const movedDtypes: readonly Dtype[] = ["f32", "f16", "bf16", "i32", "u32", "bool"];

describe.each(devices)("rows of any dtype, %s", (_title, device) => {
  it.each(movedDtypes)("%s", async (dtype) => {
    const [y] = scope(() => {
      const x = tensor([1, 0, 0, 1, 1, 1, 0, 1, 0], [3, 3], { device, dtype });
      return [gatherRows(x, tensor([2, 0, 2], [3], { device, dtype: "i32" })).data()];
    });
    expect([...(await y!)]).toEqual([0, 1, 0, 1, 0, 0, 0, 1, 0]);
  });
});

it("refuses rows that are not there", () => {
  const run = (device: typeof cpu) =>
    scope(() => {
      const x = tensor([1, 2], [2, 1], { device, dtype: "f32" });
      return [gatherRows(x, tensor([2, 1, -1], [3], { device, dtype: "i32" })).data()];
    });
  for (const device of [plain, cpu]) {
    expect(() => run(device)).toThrow("gatherRows: ids must be in 0..1, got 2 at 0");
  }
});

it("refuses indices of another shape or dtype", () => {
  scope(() => {
    const x = zeros([2, 3], { device: cpu });
    expect(() =>
      gatherRows(x, zeros([1, 1], { device: cpu, dtype: "i32" })),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: gatherRows: must be x [N, ...] and rows [M], got [2, 3] and [1, 1]]`,
    );
    expect(() => gatherRows(x, zeros([1], { device: cpu }))).toThrowErrorMatchingInlineSnapshot(
      `[DtypeError: gatherRows: ids must be i32, got f32. Use cast().]`,
    );
  });
});

describe.each(devices)("copyInto, %s", (_title, device) => {
  it("writes a range of an axis and nothing else", () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          before: fc.array(dim, { maxLength: 2 }),
          dim,
          after: fc.array(dim, { maxLength: 2 }),
          bounds: fc.tuple(fc.nat(9), fc.nat(9)),
          dtype: fc.constantFrom<Dtype>("f32", "bf16", "i32"),
        }),
        async ({ before, dim, after, bounds, dtype }) => {
          const [offset, end] = bounds.map((b) => b % (dim + 1)).sort((a, b) => a - b) as [
            number,
            number,
          ];
          const [outer, inner] = [before, after].map((shape) =>
            shape.reduce((a, b) => a * b, 1),
          ) as [number, number];
          const sizes = { outer, dim, length: end - offset, inner, offset };
          // Whole numbers below 256 are exact in every dtype.
          const old = Float64Array.from({ length: outer * dim * inner }, (_, i) => i % 100);
          const fresh = Float64Array.from(
            { length: outer * sizes.length * inner },
            (_, i) => 100 + (i % 100),
          );
          const [target] = scope(() => {
            const target = tensor(old, [...before, dim, ...after], { device, dtype });
            const source = tensor(fresh, [...before, sizes.length, ...after], { device, dtype });
            copyInto(target, source, { axis: before.length, offset });
            return [target.data()];
          });
          expect([...(await target!)]).toEqual([...reference.copyInto(old, fresh, sizes)]);
        },
      ),
      { numRuns: 60, seed: 20261123 },
    ));
});

it("copyInto refuses what does not fit, and targets with a gradient", () => {
  scope(() => {
    const target = zeros([2, 4, 3], { device: cpu });
    const source = (shape: number[]) => zeros(shape, { device: cpu });
    expect(() =>
      copyInto(target, source([2, 2, 3]), { axis: 1, offset: 3 }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: copyInto: source must fit into target [2, 4, 3] at 3 of axis 1, got [2, 2, 3]]`,
    );
    for (const [shape, offset] of [
      [[2, 1, 3], -1],
      [[2, 1, 3], 0.5],
      [[1, 1, 3], 0],
      [[2, 1, 2], 0],
      [[2, 1], 0],
    ] as const) {
      expect(() => copyInto(target, source([...shape]), { axis: 1, offset })).toThrowError(
        "copyInto: source",
      );
    }
    const weight = zeros([2, 4, 3], { device: cpu, requiresGrad: true });
    expect(() =>
      copyInto(weight, target, { axis: 1, offset: 0 }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[AutogradError: copyInto: target must not require a gradient, for its elements are overwritten. Use concat().]`,
    );
  });
});
