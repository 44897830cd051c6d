import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { matmul } from "../../src/autograd/ops/matmul.ts";
import { add } from "../../src/autograd/ops/pointwise.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { batchedMatmul, matmul as reference, type MatmulSizes } from "../reference/matmul.ts";
import { describeOp, distance, type OpCase } from "../support/describeOp.ts";
import { cpu } from "../support/device.ts";
import { dim, seed, values } from "../support/random.ts";

/** Batch axes of a and b, and which of their matrices meet in each matrix of the result. */
interface Batch {
  readonly a: readonly number[];
  readonly b: readonly number[];
  readonly result: readonly number[];
  readonly pairs: readonly (readonly [number, number])[];
}

const batches = {
  none: { a: [], b: [], result: [], pairs: [[0, 0]] },
  equal: {
    a: [2],
    b: [2],
    result: [2],
    pairs: [
      [0, 0],
      [1, 1],
    ],
  },
  "one b": {
    a: [2],
    b: [],
    result: [2],
    pairs: [
      [0, 0],
      [1, 0],
    ],
  },
  "one a": {
    a: [],
    b: [2],
    result: [2],
    pairs: [
      [0, 0],
      [0, 1],
    ],
  },
  "b repeated over the first axis": {
    a: [2, 2],
    b: [2],
    result: [2, 2],
    pairs: [
      [0, 0],
      [1, 1],
      [2, 0],
      [3, 1],
    ],
  },
  "both repeated": {
    a: [2, 1],
    b: [1, 2],
    result: [2, 2],
    pairs: [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ],
  },
  "b repeated in the middle": {
    a: [2, 2, 2],
    b: [2, 1, 2],
    result: [2, 2, 2],
    pairs: [
      [0, 0],
      [1, 1],
      [2, 0],
      [3, 1],
      [4, 2],
      [5, 3],
      [6, 2],
      [7, 3],
    ],
  },
} satisfies Record<string, Batch>;

function makeCase(sizes: MatmulSizes, batch: Batch, seed: number): OpCase {
  const { m, n, k, transposeA = false, transposeB = false } = sizes;
  const shapeA = [...batch.a, ...(transposeA ? [k, m] : [m, k])];
  const shapeB = [...batch.b, ...(transposeB ? [n, k] : [k, n])];
  const count = (shape: readonly number[]) => shape.reduce((size, dim) => size * dim, 1);
  const a = values(count(shapeA), seed);
  const b = values(count(shapeB), seed + 1);
  return {
    inputs: [
      { shape: shapeA, values: a },
      { shape: shapeB, values: b },
    ],
    apply: ([a, b]) => matmul(a!, b!, { transposeA, transposeB }),
    expected: {
      shape: [...batch.result, m, n],
      values: batchedMatmul(a, b, sizes, batch.pairs),
    },
  };
}

const square = { m: 3, n: 3, k: 3 };

describeOp({
  name: "matmul",
  arbitrary: fc.record({
    sizes: fc.record({
      m: dim,
      n: dim,
      k: dim,
      transposeA: fc.boolean(),
      transposeB: fc.boolean(),
    }),
    batch: fc.constantFrom<Batch>(...Object.values(batches)),
    seed,
  }),
  build: ({ sizes, batch, seed }) => makeCase(sizes, batch, seed),
  constants: {
    transposeA: [
      makeCase(square, batches.none, 5),
      makeCase({ ...square, transposeA: true }, batches.none, 5),
    ],
    transposeB: [
      makeCase(square, batches.none, 5),
      makeCase({ ...square, transposeB: true }, batches.none, 5),
    ],
  },
  examples: Object.fromEntries(
    Object.entries(batches).map(([name, batch]) => [
      `batches: ${name}`,
      makeCase({ m: 2, n: 3, k: 4, transposeB: true }, batch, 9),
    ]),
  ),
  runs: 60,
});

describe("a right operand in 16 bits", () => {
  const sizes = [
    { transposeA: false, transposeB: false },
    { transposeA: false, transposeB: true },
    { transposeA: true, transposeB: false },
    { transposeA: true, transposeB: true },
  ];
  it.each(sizes)("has gradients in f32 (%o)", async (options) => {
    const { transposeA, transposeB } = options;
    const [m, n, k] = [3, 5, 4];
    const shapeA = transposeA ? [k, m] : [m, k];
    const shapeB = transposeB ? [n, k] : [k, n];
    const a = tensor(values(m * k, 1), shapeA, { device: cpu, dtype: "f32", requiresGrad: true });
    const b = tensor(values(k * n, 2), shapeB, { device: cpu, dtype: "bf16", requiresGrad: true });
    const rounded = await b.data();
    const seedValues = values(m * n, 3);
    const gradients = backward(
      matmul(a, b, options),
      [a, b],
      tensor(seedValues, [m, n], { device: cpu, dtype: "f32" }),
    );
    // dA = dC op(B)^T and dB = op(A)^T dC, stored as a and b are.
    const da = transposeA
      ? reference(rounded, seedValues, {
          m: k,
          n: m,
          k: n,
          transposeA: transposeB,
          transposeB: true,
        })
      : reference(seedValues, rounded, { m, n: k, k: n, transposeB: !transposeB });
    const ours = gradients.get(a)!;
    expect(distance(await ours.data(), da)).toBeLessThan(1e-5);
    const db = gradients.get(b)!;
    expect(db.dtype).toBe("f32");
    const valuesA = await a.data();
    const expected = transposeB
      ? reference(seedValues, valuesA, {
          m: n,
          n: k,
          k: m,
          transposeA: true,
          transposeB: transposeA,
        })
      : reference(valuesA, seedValues, { m: k, n, k: m, transposeA: !transposeA });
    expect(distance(await db.data(), expected)).toBeLessThan(1e-5);
  });
});

it("saves only what a gradient needs", () => {
  const frozen = tensor(values(12, 1), [3, 4], { device: cpu, dtype: "f32" });
  const x = tensor(values(8, 2), [2, 4], { device: cpu, dtype: "f32", requiresGrad: true });
  const before = cpu.memory().tensors;
  const y = matmul(x, frozen, { transposeB: true });
  // The result and the saved weight; x itself would only serve the weight's gradient.
  expect(cpu.memory().tensors - before).toBe(2);
  y.dispose();
  expect(cpu.memory().tensors).toBe(before);
});

describe("keepAs", () => {
  it.each(["bf16", "f16"] as const)(
    "keeps %s numbers in half the bytes, with the same gradients",
    async (dtype) => {
      const [rows, cols, out] = [64, 128, 16];
      const whole = (size: number, step: number): number[] =>
        Array.from({ length: size }, (_, i) => ((i * step) % 17) - 8);
      // Numbers that the other one of both 16-bit types does not hold: too large, or with too many digits.
      const own = whole(rows * cols, 5).map((n) => (dtype === "bf16" ? n * 2 ** 17 : 100 * n + 1));
      const run = async (keepAs?: "bf16" | "f16") => {
        const x = tensor(own, [rows, cols], { device: cpu, requiresGrad: true });
        const w = tensor(whole(out * cols, 3), [out, cols], { device: cpu, requiresGrad: true });
        const before = cpu.memory().bytes;
        const copy = add(x, x);
        const y = matmul(copy, w, { transposeB: true, ...(keepAs ? { keepAs } : {}) });
        const seed = tensor(whole(rows * out, 7), [rows, out], { device: cpu });
        copy.dispose();
        const kept = cpu.memory().bytes - before - 4 * 2 * rows * out;
        const gradients = backward(y, [x, w], seed);
        return { kept, of: [await gradients.get(x)!.data(), await gradients.get(w)!.data()] };
      };
      const [wide, narrow] = [await run(), await run(dtype)];
      expect(wide.kept).toBe(4 * rows * cols);
      expect(narrow.kept).toBe(2 * rows * cols);
      expect(narrow.of).toEqual(wide.of);
    },
  );
});
