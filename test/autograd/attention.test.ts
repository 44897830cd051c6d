import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  attention,
  attentionComposed,
  attentionWeightsComposed,
} from "../../src/autograd/ops/attention.ts";
import { backward } from "../../src/autograd/backward.ts";
import { Scope, scope } from "../../src/tensor/scope.ts";
import { alias, full, tensor, zeros, type Tensor } from "../../src/tensor/tensor.ts";
import { attention as reference } from "../reference/attention.ts";
import { makeCase, randomMask, type AttentionTest } from "../support/attentionCase.ts";
import {
  checkForward,
  checkGradients,
  describeOp,
  distance,
  type OpCase,
} from "../support/describeOp.ts";
import { cpu } from "../support/device.ts";
import { dim, seed, values } from "../support/random.ts";

/** [2, 5] */
const FEW = [1, 1, 1, 0, 0, 1, 0, 1, 1, 1];

const length = fc.constantFrom(1, 2, 3, 4, 5, 8, 9, 17);

describeOp({
  name: "attention",
  arbitrary: fc.record({
    // With one key the gradients of q and k are 0, and the rounding that is left has a test of its own.
    ...{ B: fc.integer({ min: 1, max: 3 }), T: length, S: length.filter((S) => S > 1) },
    ...{ H: fc.integer({ min: 1, max: 3 }), D: dim, seed },
    ...{ biased: fc.boolean(), masked: fc.boolean(), causal: fc.boolean(), dropped: fc.boolean() },
  }),
  build: ({ biased, masked, dropped, ...c }) =>
    makeCase({
      ...c,
      bias: biased ? values(c.H * c.T * c.S, c.seed + 3) : null,
      mask: masked ? randomMask(c.B, c.S, c.seed) : null,
      dropout: dropped ? { p: 0.3, seed: c.seed, offset: c.T } : null,
    }),
  runs: 60,
  // Each combination compiles shaders of its own; test/kernels/attentionTiles.test.ts tries shapes by the dozen.
  webgpuRuns: 1,
  constants: {
    scale: pair({ scale: 1 }, { scale: 0.5 }),
    heads: pair({ H: 2, D: 4 }, { H: 4, D: 2 }),
    causal: pair({ causal: true }, { causal: false }),
    bias: pair({}, { bias: values(2 * 3 * 5, 4) }),
    mask: pair({}, { mask: [1, 1, 1, 0, 0, 1, 0, 1, 1, 1] }),
    "dropout's p": pair(
      { dropout: { p: 0.5, seed: 1, offset: 0 } },
      { dropout: { p: 0.2, seed: 1, offset: 0 } },
    ),
    "dropout's seed": pair(
      { dropout: { p: 0.5, seed: 1, offset: 0 } },
      { dropout: { p: 0.5, seed: 2, offset: 0 } },
    ),
    "the upper half of dropout's seed": pair(
      { dropout: { p: 0.5, seed: 1, offset: 0 } },
      { dropout: { p: 0.5, seed: 1 + 2 ** 32, offset: 0 } },
    ),
    "dropout's offset": pair(
      { dropout: { p: 0.5, seed: 1, offset: 0 } },
      { dropout: { p: 0.5, seed: 1, offset: 1 } },
    ),
  },
  examples: {
    "a batch element with every key dropped attends uniformly": makeCase({
      ...{ B: 2, T: 3, S: 5, H: 2, D: 4, seed: 31 },
      mask: randomMask(2, 5, 7),
      bias: values(2 * 3 * 5, 5),
    }),
    "queries before the first key attend uniformly": makeCase({
      ...{ B: 1, T: 5, S: 3, H: 1, D: 3, seed: 37 },
      causal: true,
    }),
    "one query decodes at the last position": makeCase({
      ...{ B: 2, T: 1, S: 9, H: 2, D: 8, seed: 41 },
      causal: true,
      bias: values(2 * 9, 6),
    }),
    "dropout with p = 1 gives zeros": makeCase({
      ...{ B: 1, T: 2, S: 3, H: 1, D: 4, seed: 43 },
      dropout: { p: 1, seed: 1, offset: 0 },
    }),
    "several blocks of queries": makeCase({
      ...{ B: 2, T: 131, S: 6, H: 2, D: 3, seed: 45, scale: 0.7 },
      bias: values(2 * 131 * 6, 7),
      mask: [1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1],
      dropout: { p: 0.2, seed: 8, offset: 2 },
    }),
    "T5's head width": makeCase({
      ...{ B: 3, T: 19, S: 37, H: 1, D: 64, seed: 47, size: 0.35 },
      bias: values(19 * 37, 8),
      mask: randomMask(3, 37, 9),
      dropout: { p: 0.1, seed: 9, offset: 3 },
    }),
  },
});

/** Two cases that differ only in what is named. */
function pair(
  one: Partial<AttentionTest>,
  other: Partial<AttentionTest>,
): readonly [OpCase, OpCase] {
  const base: AttentionTest = { B: 2, T: 3, S: 5, H: 2, D: 4, seed: 17 };
  return [makeCase({ ...base, ...one }), makeCase({ ...base, ...other })];
}

describe("attention", () => {
  it.each([
    ["bias and mask", { bias: values(30, 2), mask: FEW }],
    ["causality", { causal: true, scale: 0.5 }],
    ["dropout", { dropout: { p: 0.3, seed: 3, offset: 1 } }],
    ["a batch element with every key dropped", { mask: [1, 1, 1, 1, 1, 0, 0, 0, 0, 0] }],
  ])("equals its composition from small ops with %s", async (_title, settings) => {
    const c = makeCase({ B: 2, T: 3, S: 5, H: 2, D: 4, seed: 61, ...settings }, attentionComposed);
    await checkForward(c);
    await checkGradients(c);
  });

  it("has weights that sum to 1 and leave out masked keys", async () => {
    const { q, k } = randomQkv();
    const mask = tensor([1, 1, 0, 1, 0], [1, 5], { device: cpu });
    const weights = attentionWeightsComposed(q, k, { heads: 2, mask });
    expect(weights.shape).toEqual([1, 2, 3, 5]);
    const rows = (await weights.array<number[][][][]>()).flat(2);
    for (const row of rows) {
      expect(row.reduce((sum, weight) => sum + weight)).toBeCloseTo(1, 5);
      expect([row[2], row[4]]).toEqual([0, 0]);
    }
  });

  it("gives one key all the attention, and no gradient to the scores", async () => {
    const c = makeCase({ B: 2, T: 3, S: 1, H: 2, D: 5, seed: 53, bias: values(6, 3) });
    await checkForward(c);
    const [dq, dk, dv, dbias] = await gradients(c);
    for (const zero of [dq!, dk!, dbias!])
      for (const x of zero) expect(Math.abs(x)).toBeLessThan(1e-6);
    // The seed is ones: every value is used once by each of the three queries.
    expect([...dv!]).toEqual(new Array(2 * 10).fill(3));
  });

  it.each([1, -1])("stays finite with scores of %i * 10^4", async (sign) => {
    const shape = { B: 2, T: 2, S: 3, H: 1, D: 1 };
    const q = [100, -100, 50, 100];
    const k = [100, 100, 99, -100, 0, 100].map((x) => sign * x);
    const c: OpCase = {
      inputs: [
        { shape: [2, 2, 1], values: q },
        { shape: [2, 3, 1], values: k },
        { shape: [2, 3, 1], values: [1, 2, 3, 4, 5, 6] },
      ],
      apply: ([q, k, v]) => attention(q!, k!, v!, { heads: 1 }),
      expected: { shape: [2, 2, 1], values: reference(q, k, [1, 2, 3, 4, 5, 6], shape) },
    };
    await checkForward(c);
    for (const gradient of await gradients(c)) expect(gradient.every(Number.isFinite)).toBe(true);
  });

  it("passes no gradient to the scores of dropped keys", async () => {
    const bias = values(2 * 3 * 5, 5);
    const mask = randomMask(2, 5, 7);
    const c = makeCase({ B: 2, T: 3, S: 5, H: 2, D: 4, seed: 31, bias, mask });
    const [dq, dk, dv] = await gradients(c);
    const secondElement = (x: ArrayLike<number>) => Array.from(x).slice(x.length / 2);
    expect(secondElement(dq!)).toEqual(new Array(3 * 8).fill(0));
    expect(secondElement(dk!)).toEqual(new Array(5 * 8).fill(0));
    // Uniform weights of 1/5 from three queries.
    for (const x of secondElement(dv!)) expect(x).toBeCloseTo(3 / 5, 6);
  });

  it("takes masks of u32 and bool, and a bias with a leading axis of 1", async () => {
    const c = makeCase({ B: 2, T: 3, S: 5, H: 2, D: 4, seed: 3, bias: values(30, 2), mask: FEW });
    const memory = new Scope();
    for (const dtype of ["u32", "bool"] as const) {
      const y = memory.run(() => {
        const [q, k, v, bias] = leaves(c);
        const mask = tensor(FEW, [2, 5], { device: cpu, dtype });
        const grouped = alias(bias!, [1, 2, 3, 5]);
        return attention(q!, k!, v!, { heads: 2, bias: grouped, mask });
      });
      expect(distance(await y.data(), c.expected.values)).toBeLessThan(1e-5);
    }
    memory.dispose();
  });

  it("saves the log-sum-exp and no [T, S]", () => {
    const [T, S] = [64, 64];
    const [c] = pair({ B: 1, T, S, H: 1, D: 2 }, {});
    scope(() => {
      const inputs = leaves(c);
      const before = cpu.memory().bytes;
      scope(() => c.apply(inputs));
      expect(cpu.memory().bytes - before).toBeLessThanOrEqual(4 * (T * 2 + T));
    });
  });

  it("names what does not fit", () => {
    scope(() => {
      const x = (...shape: number[]) => zeros(shape, { device: cpu });
      const [q, k] = [x(2, 3, 8), x(2, 5, 8)];
      const failures = [
        () => attention(q, k, k, { heads: 3 }),
        () => attention(q, k, k, { heads: 0 }),
        () => attention(q, x(2, 0, 8), k, { heads: 2 }),
        () => attention(q, x(1, 5, 8), k, { heads: 2 }),
        () => attention(q, k, x(2, 4, 8), { heads: 2 }),
        () => attention(q, k, k, { heads: 2, bias: x(3, 5) }),
        () => attention(q, k, k, { heads: 2, mask: x(2, 5) }),
        () => attention(q, k, k, { heads: 2, mask: x(2, 3) }),
        () => attention(q, k, k, { heads: 2, dropout: { p: 1.5, seed: 1, offset: 0 } }),
      ];
      expect(failures.map(messageOf)).toMatchInlineSnapshot(`
        [
          "ShapeError: attention: q must be [B, T, H*D] with 3 heads, got [2, 3, 8]",
          "ArgumentError: attention: heads must be a whole number of at least 1, got 0",
          "ShapeError: attention: k must be [B, S, H*D] with S of at least 1, got [2, 0, 8]",
          "ShapeError: attention: k must be [2, 5, 8] to fit q [2, 3, 8], got [1, 5, 8]",
          "ShapeError: attention: v must be [2, 5, 8] to fit k [2, 5, 8], got [2, 4, 8]",
          "ShapeError: attention: bias must be [2, 3, 5] to fit the scores [H, T, S], got [3, 5]",
          "DtypeError: attention: mask must be i32, u32 or bool, got f32",
          "ShapeError: attention: mask must be [2, 5] to fit the keys [B, S], got [2, 3]",
          "ArgumentError: attention: p must be in 0..1, got 1.5",
        ]
      `);
    });
  });
});

function leaves(c: OpCase): Tensor[] {
  return c.inputs.map(({ shape, values, kind }) =>
    tensor(values, shape, {
      device: cpu,
      dtype: kind === "i32" ? "i32" : "f32",
      requiresGrad: kind !== "i32",
    }),
  );
}

/** Gradients of the sum of the output, on the cpu device. */
async function gradients(c: OpCase): Promise<number[][]> {
  const memory = new Scope();
  try {
    const found = memory.run(() => {
      const inputs = leaves(c);
      const wanted = inputs.filter((x) => x.requiresGrad);
      const y = c.apply(inputs);
      const all = backward(y, wanted, full(y.shape, 1, { device: cpu }));
      return wanted.map((x) => all.get(x)!);
    });
    return await Promise.all(found.map(async (x) => [...(await x.data())]));
  } finally {
    memory.dispose();
  }
}

function messageOf(fn: () => unknown): string {
  try {
    fn();
  } catch (error) {
    return String(error);
  }
  return "no error";
}

function randomQkv(): { readonly q: Tensor; readonly k: Tensor } {
  const of = (length: number, seed: number): Tensor =>
    tensor(values(length * 8, seed), [1, length, 8], { device: cpu });
  return { q: of(3, 71), k: of(5, 72) };
}
