import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import {
  broadcastTo,
  concat,
  permute,
  reshape,
  slice,
  transpose,
} from "../../src/autograd/ops/shape.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import type { Dtype } from "../../src/tensor/dtype.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor, zeros } from "../../src/tensor/tensor.ts";
import type { Values } from "../reference/pointwise.ts";
import * as reference from "../reference/shape.ts";
import { describeOp, type OpCase } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { seed, values } from "../support/random.ts";

const size = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);
const random = (shape: readonly number[], seed: number): Values => ({
  shape,
  values: values(size(shape), seed),
});
const shapes = (maxLength: number) =>
  fc.array(fc.constantFrom(1, 2, 3, 4, 5, 9), { minLength: 1, maxLength });

// ---------------------------------------------------------------------------------------------

function reshapeCase(from: readonly number[], to: readonly number[], asked = to): OpCase {
  const x = random(from, 3);
  return {
    inputs: [x],
    apply: ([x]) => reshape(x!, asked),
    expected: { shape: to, values: x.values },
  };
}

describeOp({
  name: "reshape",
  arbitrary: shapes(3).chain((shape) =>
    fc.record({ shape: fc.constant(shape), at: fc.nat(shape.length) }),
  ),
  build: ({ shape, at }) => {
    const to = [...shape.slice(0, at), 1, ...shape.slice(at)];
    return reshapeCase(shape, to);
  },
  constants: {},
  examples: {
    "one -1": reshapeCase([2, 3, 4], [6, 4], [-1, 4]),
    "to a scalar": reshapeCase([1, 1], []),
    "-1 beside 0": reshapeCase([0, 3], [3, 0], [3, -1]),
  },
});

describe("reshape", () => {
  it("shares storage: nothing is copied, and the last handle frees it", () => {
    const before = cpu.memory().bytes;
    const x = zeros([6, 4], { device: cpu });
    const dispatches = cpu.dispatches;
    const y = reshape(x, [2, -1]);
    expect(y.storage).toBe(x.storage);
    expect(cpu.dispatches).toBe(dispatches);
    x.dispose();
    expect(cpu.memory().bytes).toBe(before + 96);
    y.dispose();
    expect(cpu.memory().bytes).toBe(before);
  });

  it("refuses other sizes", () => {
    const x = zeros([2, 3], { device: cpu });
    expect(() => reshape(x, [4, -1])).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: reshape: every dimension must be a whole number of at least 0, got [4, 1.5]]`,
    );
    expect(() => reshape(x, [5])).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: reshape: [5] must hold 6 elements, as the input does]`,
    );
    expect(() => reshape(x, [-1, -1])).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: reshape: every dimension must be a whole number of at least 0, got [-6, -1]]`,
    );
  });
});

// ---------------------------------------------------------------------------------------------

function permuteCase(shape: readonly number[], axes: readonly number[], seed: number): OpCase {
  const x = random(shape, seed);
  return { inputs: [x], apply: ([x]) => permute(x!, axes), expected: reference.permute(x, axes) };
}

describeOp({
  name: "permute",
  arbitrary: shapes(4).chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      axes: fc.shuffledSubarray([...shape.keys()], { minLength: shape.length }),
      seed,
    }),
  ),
  build: ({ shape, axes, seed }) => permuteCase(shape, axes, seed),
  runs: 60,
  constants: { axes: [permuteCase([3, 3, 3], [2, 0, 1], 3), permuteCase([3, 3, 3], [0, 2, 1], 3)] },
  examples: {
    "heads forward": permuteCase([2, 5, 3, 8], [0, 2, 1, 3], 1),
    "a matrix, past a tile": permuteCase([37, 41], [1, 0], 2),
    "batched matrices": permuteCase([3, 33, 18], [0, 2, 1], 3),
    "six axes that join to three": permuteCase([2, 2, 3, 2, 1, 2], [2, 3, 4, 0, 1, 5], 4),
    "nothing to move": permuteCase([4, 0, 2], [1, 2, 0], 5),
  },
});

describe("permute", () => {
  it("shares storage when only axes of 1 move", () => {
    scope(() => {
      const x = zeros([2, 1, 3], { device: cpu });
      expect(permute(x, [1, 0, 2]).storage).toBe(x.storage);
      expect(permute(x, [0, 2, 1]).storage).toBe(x.storage);
      expect(permute(x, [2, 1, 0]).storage).not.toBe(x.storage);
    });
  });

  it("refuses what is no permutation", () => {
    const x = zeros([2, 3], { device: cpu });
    expect(() => permute(x, [0])).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: permute: axes must name all 2 axes once, got [0]]`,
    );
    expect(() => permute(x, [0, -2])).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: permute: axes must name all 2 axes once, got [0, -2]]`,
    );
    expect(() => permute(x, [0, 2])).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: permute: axis must be in -2..1, got 2]`,
    );
  });

  it("refuses five axes apart", () => {
    const x = zeros([2, 2, 2, 2, 2], { device: cpu });
    expect(() => permute(x, [4, 3, 2, 1, 0])).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: permute: at most 4 separate axes are handled, got [2, 2, 2, 2, 2]. Reshape first.]`,
    );
  });
});

function transposeCase(shape: readonly number[], a: number, b: number, seed: number): OpCase {
  const x = random(shape, seed);
  const rank = shape.length;
  const [from, to] = [(a + rank) % rank, (b + rank) % rank];
  const axes = shape.map((_, i) => (i === from ? to : i === to ? from : i));
  return {
    inputs: [x],
    apply: ([x]) => transpose(x!, a, b),
    expected: reference.permute(x, axes),
  };
}

describeOp({
  name: "transpose",
  arbitrary: shapes(4).chain((shape) => {
    const axis = fc.integer({ min: -shape.length, max: shape.length - 1 });
    return fc.record({ shape: fc.constant(shape), a: axis, b: axis, seed });
  }),
  build: ({ shape, a, b, seed }) => transposeCase(shape, a, b, seed),
  constants: { axes: [transposeCase([3, 3, 3], 0, 1, 3), transposeCase([3, 3, 3], 0, -1, 3)] },
});

// ---------------------------------------------------------------------------------------------

function concatCase(
  shape: readonly number[],
  axis: number,
  dims: readonly number[],
  seed: number,
): OpCase {
  const at = axis < 0 ? axis + shape.length : axis;
  const inputs = dims.map((dim, i) =>
    random(
      shape.map((old, j) => (j === at ? dim : old)),
      seed + i,
    ),
  );
  return {
    inputs,
    apply: (list) => concat(list, axis),
    expected: reference.concat(inputs, at),
  };
}

describeOp({
  name: "concat",
  arbitrary: shapes(3).chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      axis: fc.integer({ min: -shape.length, max: shape.length - 1 }),
      dims: fc.array(fc.constantFrom(0, 1, 2, 5), { minLength: 1, maxLength: 4 }),
      seed,
    }),
  ),
  build: ({ shape, axis, dims, seed }) => concatCase(shape, axis, dims, seed),
  runs: 40,
  constants: {},
});

describe("concat", () => {
  it("takes one tensor several times", async () => {
    const [y, dx] = scope(() => {
      const x = tensor([1, 2, 3], [3], { device: cpu, requiresGrad: true });
      const y = concat([x, x], 0);
      return [y.data(), backward(sum(y)).get(x)!.data()];
    });
    expect([...(await y!)]).toEqual([1, 2, 3, 1, 2, 3]);
    expect([...(await dx!)]).toEqual([2, 2, 2]);
  });

  it("refuses other shapes, and none", () => {
    const a = zeros([2, 3], { device: cpu });
    expect(() => concat([a, zeros([3, 3], { device: cpu })], 1)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: concat: shapes must be equal except on axis 1, got [2, 3] and [3, 3]]`,
    );
    expect(() => concat([a, zeros([2], { device: cpu })], 0)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: concat: shapes must be equal except on axis 0, got [2, 3] and [2]]`,
    );
    expect(() => concat([], 0)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: concat: needs at least one tensor, got none]`,
    );
  });
});

// ---------------------------------------------------------------------------------------------

function sliceCase(
  shape: readonly number[],
  axis: number,
  begin: number,
  end: number,
  seed: number,
): OpCase {
  const x = random(shape, seed);
  return {
    inputs: [x],
    apply: ([x]) => slice(x!, axis, begin, end),
    expected: reference.slice(x, axis < 0 ? axis + shape.length : axis, begin, end),
  };
}

describeOp({
  name: "slice",
  arbitrary: shapes(4).chain((shape) =>
    fc.integer({ min: -shape.length, max: shape.length - 1 }).chain((axis) => {
      const bound = fc.nat(shape.at(axis)!);
      return fc.record({
        shape: fc.constant(shape),
        axis: fc.constant(axis),
        bounds: fc.tuple(bound, bound),
        seed,
      });
    }),
  ),
  build: ({ shape, axis, bounds, seed }) =>
    sliceCase(shape, axis, Math.min(...bounds), Math.max(...bounds), seed),
  runs: 40,
  constants: { begin: [sliceCase([4, 3], 0, 0, 2, 3), sliceCase([4, 3], 0, 2, 4, 3)] },
});

describe("slice", () => {
  it.each([
    [-1, 2],
    [2, 1],
    [0, 4],
    [0.5, 2],
  ])("refuses %d..%d of 3", (begin, end) => {
    const x = zeros([2, 3], { device: cpu });
    expect(() => slice(x, 1, begin, end)).toThrowError(
      `slice: must be 0 <= begin <= end <= 3 on axis 1 of [2, 3], got ${begin}..${end}`,
    );
  });
});

// ---------------------------------------------------------------------------------------------

function broadcastCase(from: readonly number[], to: readonly number[], seed: number): OpCase {
  const x = random(from, seed);
  return {
    inputs: [x],
    apply: ([x]) => broadcastTo(x!, to),
    expected: reference.broadcastTo(x, to),
  };
}

describeOp({
  name: "broadcastTo",
  arbitrary: shapes(4).chain((to) =>
    fc.record({
      to: fc.constant(to),
      single: fc.array(fc.boolean(), { minLength: to.length, maxLength: to.length }),
      drop: fc.nat(to.length),
      seed,
    }),
  ),
  build: ({ to, single, drop, seed }) =>
    broadcastCase(to.map((dim, i) => (single[i] ? 1 : dim)).slice(drop), to, seed),
  runs: 40,
  constants: {},
  examples: {
    "a scalar": broadcastCase([], [3, 5], 1),
    "a column": broadcastCase([7, 1], [7, 19], 2),
    nothing: broadcastCase([1, 3], [0, 3], 3),
  },
});

it("broadcastTo refuses what does not repeat to the shape", () => {
  scope(() => {
    const x = zeros([2, 3], { device: cpu });
    expect(() => broadcastTo(x, [2, 4])).toThrowError("broadcastTo");
    expect(() => broadcastTo(x, [2, 1])).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: broadcastTo: x must be 1 or equal on every axis of [2, 1] counted from the last, got [2, 3]]`,
    );
    expect(() => broadcastTo(x, [3])).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: broadcastTo: x must be 1 or equal on every axis of [3] counted from the last, got [2, 3]]`,
    );
  });
});

// ---------------------------------------------------------------------------------------------

describe.each([
  ["plain", plain],
  ["wasm", cpu],
] as const)("elements of any dtype move unchanged, %s", (_title, device) => {
  it.each(["f16", "bf16", "i32", "u32", "bool"] as Dtype[])("%s", async (dtype) => {
    // Odd sizes: 16-bit floats are stored in pairs.
    const moved = scope(() => {
      const x = tensor([1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1], [3, 5], { device, dtype });
      return [
        permute(x, [1, 0]),
        slice(x, 1, 1, 4),
        concat([x, x], 0),
        broadcastTo(slice(x, 1, 2, 3), [3, 3]),
      ].map((y) => ({ dtype: y.dtype, shape: y.shape, data: y.data() }));
    });
    expect(moved.map((y) => y.dtype)).toEqual([dtype, dtype, dtype, dtype]);
    const [permuted, sliced, joined, repeated] = await Promise.all(moved.map((y) => y.data));
    expect([...permuted!]).toEqual([1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 1]);
    expect([...sliced!]).toEqual([0, 1, 1, 1, 0, 1, 0, 0, 0]);
    expect([...joined!]).toEqual([
      1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1,
    ]);
    expect([...repeated!]).toEqual([1, 1, 1, 0, 0, 0, 0, 0, 0]);
  });
});
