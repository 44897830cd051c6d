import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { embedding } from "../../src/autograd/ops/embedding.ts";
import { add, mul } from "../../src/autograd/ops/pointwise.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { checkIds } from "../../src/kernels/moves/embedding.ts";
import { scope } from "../../src/tensor/scope.ts";
import { full, tensor, zeros } from "../../src/tensor/tensor.ts";
import { embedding as reference } from "../reference/embedding.ts";
import { describeOp, distance, type OpCase } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { seed, values, wideDim } from "../support/random.ts";

interface Case {
  readonly rows: number;
  readonly cols: number;
  readonly ids: readonly number[];
  /** [..., ids], the ids' own shape. */
  readonly shape?: readonly number[];
  readonly seed: number;
}

function makeCase({ rows, cols, ids, shape = [ids.length], seed }: Case): OpCase {
  const table = values(rows * cols, seed);
  return {
    inputs: [
      { shape: [rows, cols], values: table },
      { shape, values: ids, kind: "i32" },
    ],
    apply: ([table, ids]) => embedding(table!, ids!),
    expected: { shape: [...shape, cols], values: reference(table, ids, cols) },
  };
}

describeOp({
  name: "embedding",
  // Few rows, so that most ids repeat and their gradients add up.
  arbitrary: fc.constantFrom(1, 2, 5, 9).chain((rows) =>
    fc.record({
      rows: fc.constant(rows),
      cols: wideDim,
      ids: fc.array(fc.nat(rows - 1), { minLength: 1, maxLength: 12 }),
      seed,
    }),
  ),
  build: makeCase,
  constants: {
    ids: [
      makeCase({ rows: 4, cols: 3, ids: [0, 3], seed: 3 }),
      makeCase({ rows: 4, cols: 3, ids: [3, 0], seed: 3 }),
    ],
  },
  examples: {
    "two axes of ids": makeCase({
      rows: 5,
      cols: 7,
      ids: [4, 0, 4, 4, 1, 2],
      shape: [2, 3],
      seed: 4,
    }),
    "one id": makeCase({ rows: 5, cols: 4, ids: [2], shape: [], seed: 5 }),
    "no ids": makeCase({ rows: 5, cols: 4, ids: [], seed: 6 }),
    "T5's width": makeCase({ rows: 12, cols: 512, ids: [11, 0, 1, 1], seed: 7 }),
  },
});

it.each([
  ["plain", plain],
  ["wasm", cpu],
  ["webgpu", gpu],
] as const)("adds the gradients of two lookups to what is there, %s", async (_title, device) => {
  const [rows, cols] = [6, 5];
  const options = { device, dtype: "f32" } as const;
  const lookups = [
    [4, 0, 4],
    [2, 4],
  ];
  const upstream = lookups.map((ids, i) => values(ids.length * cols, 7 + i));
  const { table, found } = scope(() => {
    const table = tensor(values(rows * cols, 9), [rows, cols], { ...options, requiresGrad: true });
    const sums = lookups.map((ids, i) => {
      const y = embedding(table, tensor(ids, [ids.length], { device, dtype: "i32" }));
      return sum(mul(y, tensor(upstream[i]!, y.shape, options)));
    });
    const into = full([rows, cols], 1, options);
    const dispatch = vi.spyOn(device, "dispatch");
    const result = backward(add(sums[0]!, sums[1]!), [table], undefined, new Map([[table, into]]));
    expect(result.get(table)).toBe(into);
    // In place: no gradient of the whole table is made and added.
    expect(dispatch.mock.calls.map(([{ name }]) => name)).not.toContain("accumulate");
    dispatch.mockRestore();
    return { table, found: into };
  });
  const expected = new Float64Array(rows * cols).fill(1);
  lookups.forEach((ids, i) =>
    ids.forEach((id, n) => {
      for (let j = 0; j < cols; j++) expected[id * cols + j]! += upstream[i]![n * cols + j]!;
    }),
  );
  expect(distance(await found.data(), expected)).toBeLessThan(1e-6);
  table.dispose();
  found.dispose();
});

describe.each([
  ["plain", plain],
  ["wasm", cpu],
] as const)("a table of 16-bit floats, %s", (_title, device) => {
  it.each(["f16", "bf16"] as const)("%s is read as it is, its gradient is f32", async (dtype) => {
    const seven = (rows: number[][]): number[][] => rows.map((row) => [...row, 0, -0.5, 1.5, 8]);
    const table = seven([
      [1, -2, 0.5],
      [65280, 2 ** -14, -0.25],
      [NaN, Infinity, -Infinity],
    ]);
    const before = device.memory().bytes;
    const { y, dtable } = scope(() => {
      const leaf = tensor(table, undefined, { device, dtype, requiresGrad: true });
      const ids = tensor([2, 1, 1, 0], [2, 2], { device, dtype: "i32" });
      const y = embedding(leaf, ids);
      const weights = tensor(values(28, 3), [2, 2, 7], { device, dtype: "f32" });
      const dtable = backward(sum(mul(y, weights)), [leaf]).get(leaf)!;
      return { y, dtable };
    });
    expect(y.dtype).toBe("f32");
    expect([...(await y.data())]).toEqual([table[2], table[1], table[1], table[0]].flat());
    const w = values(28, 3);
    expect(dtable.dtype).toBe("f32");
    const expected = [
      ...w.slice(21),
      ...w.slice(7, 14).map((x, j) => Math.fround(x + w[14 + j]!)),
      ...w.slice(0, 7),
    ];
    expect([...(await dtable.data())]).toEqual(expected);
    y.dispose();
    dtable.dispose();
    expect(device.memory().bytes).toBe(before);
  });
});

describe("ids that are not in the table", () => {
  it("are named with their position by checkIds", () => {
    expect(() => checkIds("inputIds", [0, 4, 5], 5)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: inputIds: ids must be in 0..4, got 5 at 2]`,
    );
    expect(() => checkIds("inputIds", [0, -1], 5)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: inputIds: ids must be in 0..4, got -1 at 1]`,
    );
    expect(() => checkIds("inputIds", [0.5], 5)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: inputIds: ids must be in 0..4, got 0.5 at 0]`,
    );
    checkIds("inputIds", [0, 4], 5);
  });

  it("never read or write past it", () => {
    const run = (device: typeof cpu) =>
      scope(() => {
        const table = tensor([1, 2, 3, 4], [2, 2], { device, dtype: "f32", requiresGrad: true });
        const y = embedding(table, tensor([1, 2, -1, 0], [4], { device, dtype: "i32" }));
        return [y.data(), backward(sum(y)).get(table)!.data()];
      });
    for (const device of [plain, cpu]) {
      expect(() => run(device)).toThrow("embedding: ids must be in 0..1, got 2 at 1");
    }
  });
});

it("refuses a table that is no matrix", () => {
  scope(() => {
    const ids = tensor([0], [1], { device: cpu, dtype: "i32" });
    expect(() => embedding(zeros([4], { device: cpu }), ids)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: embedding: table must be [V, D], got [4]]`,
    );
  });
});
