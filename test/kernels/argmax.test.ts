import fc from "fast-check";
import { expect, it } from "vitest";
import { argmaxForward, topkForward } from "../../src/kernels/rows/argmax.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor, zeros } from "../../src/tensor/tensor.ts";
import { topk as reference } from "../reference/argmax.ts";
import { describeOp, type OpCase } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { dim, values, wideDim } from "../support/random.ts";

type Rows = readonly (readonly number[])[];

/** Rows of few different numbers, so that ties are common, with the odd infinity and NaN. */
const rows: fc.Arbitrary<Rows> = fc.record({ rows: dim, cols: wideDim }).chain(({ rows, cols }) => {
  const entry = fc.oneof(
    { weight: 12, arbitrary: fc.integer({ min: -9, max: 9 }) },
    { weight: 1, arbitrary: fc.constantFrom(NaN, Infinity, -Infinity, -0) },
  );
  const row = fc.array(entry, { minLength: cols, maxLength: cols });
  return fc.array(row, { minLength: rows, maxLength: rows });
});

const random = (count: number, cols: number, seed: number): Rows =>
  Array.from({ length: count }, (_, i) => [...values(cols, seed + i)]);

const inputOf = (x: Rows) => ({ shape: [x.length, x[0]!.length], values: x.flat() });

function argmaxCase(x: Rows): OpCase {
  return {
    inputs: [inputOf(x)],
    apply: ([x]) => argmaxForward(x!),
    expected: { shape: [x.length], values: x.map((row) => reference(row, 1)[0]!) },
  };
}

function topkCase(x: Rows, k: number): OpCase {
  return {
    inputs: [inputOf(x)],
    apply: ([x]) => topkForward(x!, k).indices,
    expected: { shape: [x.length, k], values: x.flatMap((row) => reference(row, k)) },
  };
}

describeOp({
  name: "argmax",
  arbitrary: rows,
  build: argmaxCase,
  runs: 100,
  differentiable: false,
  constants: {},
  examples: {
    "a vocabulary": argmaxCase(random(2, 32_128, 3)),
    "the first of equal entries": argmaxCase([new Array<number>(37).fill(2)]),
    "nothing but -Infinity": argmaxCase([new Array<number>(9).fill(-Infinity)]),
    // Past the first vectors, and in the last entries behind the last vector.
    "the first NaN": argmaxCase([[...values(30, 1), NaN, Infinity, NaN, 3, 4, 5]]),
    "NaN at the end": argmaxCase([[...values(34, 1), NaN]]),
    "NaN at the beginning": argmaxCase([[NaN, ...values(34, 1), Infinity]]),
  },
});

describeOp({
  name: "topk",
  arbitrary: fc.record({ x: rows, k: fc.integer({ min: 1, max: 33 }) }),
  build: ({ x, k }) => topkCase(x, Math.min(k, x[0]!.length)),
  runs: 100,
  differentiable: false,
  constants: {},
  examples: {
    "candidates of beams": topkCase(random(3, 4099, 5), 10),
    "all of a row": topkCase(random(2, 37, 6), 37),
  },
});

it.each([1, 5])("topk gives the entries at its indices, k = %d", (k) =>
  fc.assert(
    fc.asyncProperty(rows, async (x) => {
      const step = Math.min(k, x[0]!.length);
      for (const device of [cpu, plain]) {
        const found = scope(() => {
          const { values, indices } = topkForward(
            tensor(x.flat(), [x.length, x[0]!.length], { device }),
            step,
          );
          return { values: values.data(), indices: indices.data() };
        });
        const places = [...(await found.indices)];
        const entries = places.map((place, i) => x[Math.floor(i / step)]![place]!);
        expect([...(await found.values)]).toEqual(entries);
      }
    }),
    { numRuns: 50, seed: 20261123 },
  ),
);

// Bits, because a JavaScript number does not say which NaN it is. As floats or as plain integers these would rank otherwise.
const [POSITIVE_NAN, LARGER_NAN, NEGATIVE_NAN] = [0x7f800001, 0x7fffffff, 0xffc00000];
const [INFINITE, MINUS_INFINITE, ONE, MINUS_ZERO] = [
  0x7f800000, 0xff800000, 0x3f800000, 0x80000000,
];

it.each([
  ["a negative NaN before infinity", [ONE, INFINITE, NEGATIVE_NAN, ONE], [2, 1, 0, 3]],
  ["NaNs in their order", [INFINITE, POSITIVE_NAN, NEGATIVE_NAN, LARGER_NAN], [1, 2, 3, 0]],
  ["equal zeros in their order", [MINUS_INFINITE, MINUS_ZERO, 0, MINUS_ZERO], [1, 2, 3, 0]],
  ["equal infinities in their order", [ONE, INFINITE, INFINITE, MINUS_INFINITE], [1, 2, 0, 3]],
])("ranks %s, on every device", async (_, bits, order) => {
  const row = new Float32Array(Uint32Array.from(bits).buffer);
  for (const device of [plain, cpu, gpu]) {
    const found = scope(() => {
      const x = tensor(row, [1, 4], { device });
      return { best: argmaxForward(x).data(), all: topkForward(x, 4).indices.data() };
    });
    expect([...(await found.best)], device.kind).toEqual(order.slice(0, 1));
    expect([...(await found.all)], device.kind).toEqual(order);
  }
});

it("a scalar row of one axis gives a scalar", async () => {
  const [y] = scope(() => {
    const best = argmaxForward(tensor([1, 3, 2], [3], { device: cpu }));
    expect(best.shape).toEqual([]);
    return [best.item()];
  });
  expect(await y).toBe(1);
});

it("refuses rows without entries, and k out of range", () => {
  scope(() => {
    const empty = zeros([2, 0], { device: cpu });
    expect(() => argmaxForward(empty)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: argmax: the last axis must have at least 1 entry, got [2, 0]]`,
    );
    expect(() => argmaxForward(zeros([], { device: cpu }))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: argmax: the last axis must have at least 1 entry, got []]`,
    );
    expect(() => topkForward(empty, 1)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: topk: the last axis must have at least 1 entry, got [2, 0]]`,
    );
    const x = zeros([2, 3], { device: cpu });
    for (const k of [0, 4, 1.5])
      expect(() => topkForward(x, k)).toThrow(`topk: k must be in 1..3, got ${k}`);
  });
});
