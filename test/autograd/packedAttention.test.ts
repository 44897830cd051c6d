// Attention of packed rows, [tokens, H*D], against the definition on each row by itself, on all devices.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { attention } from "../../src/autograd/ops/attention.ts";
import type { PackedRows } from "../../src/kernels/attention/packedRows.ts";
import { openDevice } from "../../src/kernels/openDevice.ts";
import type { Device } from "../../src/tensor/device.ts";
import { scope } from "../../src/tensor/scope.ts";
import { zeros } from "../../src/tensor/tensor.ts";
import { makePackedCase, type PackedTest } from "../support/attentionCase.ts";
import {
  checkForward,
  checkGradients,
  checkOnWebGpu,
  distance,
  gradientsOf,
  type OpCase,
} from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { isFull, MORE_RUNS } from "../support/full.ts";
import { seed, values } from "../support/random.ts";

const sum = (lengths: readonly number[]): number => lengths.reduce((a, b) => a + b, 0);

const biasOf = (T: readonly number[], S: readonly number[], H: number, seed: number) =>
  values(H * Math.max(...T) * Math.max(...S), seed + 3);

/** Rows of self-attention, and rows whose queries and keys differ, some without queries. */
const lengths = fc.array(fc.constantFrom<number[]>(1, 1, 2, 3, 5, 8, 9, 17), {
  minLength: 1,
  maxLength: 4,
});
const selfRows = lengths.map((T) => ({ T, S: T }));
const crossRows = fc
  .array(fc.tuple(fc.constantFrom(0, 1, 3, 7), fc.constantFrom(1, 2, 5, 9, 16)), {
    minLength: 1,
    maxLength: 4,
  })
  .filter((rows) => rows.some(([T]) => T > 0))
  .map((rows) => ({ T: rows.map(([T]) => T), S: rows.map(([, S]) => S) }));

const cases = fc
  .record({
    rows: fc.oneof(selfRows, crossRows),
    ...{ H: fc.constantFrom(1, 2, 3), D: fc.constantFrom(1, 3, 4, 8, 13), seed },
    ...{ biased: fc.boolean(), causal: fc.boolean(), dropped: fc.boolean() },
  })
  .map(({ rows, biased, dropped, ...c }) => ({
    ...{ ...c, ...rows },
    bias: biased ? biasOf(rows.T, rows.S, c.H, c.seed) : null,
    dropout: dropped ? { p: 0.3, seed: c.seed, offset: c.H } : null,
  }));

/** What T5's encoder, its decoder and its cross-attention ask for; more rows of queries than a block has, and rows without any. */
const T5_CASES = {
  encoder: {
    ...{ T: [5, 1, 130, 9], S: [5, 1, 130, 9], H: 2, D: 8, seed: 5, size: 0.4 },
    bias: biasOf([130], [130], 2, 5),
    dropout: { p: 0.2, seed: 8, offset: 2 },
  },
  decoder: {
    ...{ T: [1, 17, 4], S: [1, 17, 4], H: 2, D: 8, seed: 6, causal: true, scale: 0.5 },
    bias: biasOf([17], [17], 2, 6),
  },
  "cross-attention": {
    ...{ T: [0, 33, 1], S: [3, 65, 1], H: 2, D: 8, seed: 7 },
    dropout: { p: 0.3, seed: 9, offset: 1 },
  },
} satisfies Record<string, PackedTest>;

describe("attention of packed rows", () => {
  it("equals each row by itself, with the gradients of the f64 bodies", () =>
    fc.assert(
      fc.asyncProperty(cases, async (c) => {
        const packed = makePackedCase(c);
        await checkForward(packed);
        await sameGradients(packed, cpu);
      }),
      { numRuns: isFull ? 10_000 : 60, seed: 20261129 },
    ));

  it("has the gradient of central differences, dropout's too", () =>
    fc.assert(
      fc.asyncProperty(
        // With one key the gradients of q and k are 0, and the rounding that is left has a test of its own.
        cases.filter(({ T, S, H, D }) => sum(T) * H * D <= 60 && S.every((keys) => keys > 1)),
        (c) => checkGradients(makePackedCase(c)),
      ),
      { numRuns: 12 * MORE_RUNS, seed: 20261130 },
    ));

  it.each(Object.entries(T5_CASES))("does so for T5's %s, on webgpu too", async (_name, c) => {
    const packed = makePackedCase(c);
    await checkForward(packed);
    await sameGradients(packed, cpu);
    await checkOnWebGpu(packed);
  });

  it("is attention of rows of one length where all are, bit for bit", async () => {
    const [B, T, S, H, D] = [3, 7, 5, 2, 4];
    const c = { T: [T, T, T], S: [S, S, S], H, D, seed: 3, bias: biasOf([T], [S], H, 3) };
    const dropout = { p: 0.4, seed: 2, offset: 1 };
    const packed = makePackedCase({ ...c, dropout });
    const padded: OpCase = {
      ...packed,
      inputs: packed.inputs.map((x, i) =>
        i === 3 ? x : { ...x, shape: [B, x.shape[0]! / B, H * D] },
      ),
      apply: ([q, k, v, bias = null]) => attention(q!, k!, v!, { heads: H, bias, dropout }),
    };
    for (const device of [cpu, plain]) {
      expect(await gradientsOf(packed, device, "f32")).toEqual(
        await gradientsOf(padded, device, "f32"),
      );
    }
  });

  it("gives the same bits on any number of threads", async () => {
    const T = [211, 3, 90, 1, 57];
    const packed = makePackedCase({
      ...{ T, S: T, H: 4, D: 8, seed: 4 },
      bias: biasOf(T, T, 4, 4),
    });
    const devices = await Promise.all([1, 3].map((threads) => openDevice("cpu", { threads })));
    const [one, three] = await Promise.all(
      devices.map((device) => gradientsOf(packed, device, "f32")),
    );
    expect(three).toEqual(one);
    await Promise.all(devices.map((device) => device.close()));
  });

  it("names what does not fit", () => {
    const rows = (queries: number[], keys: number[]): PackedRows => ({ queries, keys });
    scope(() => {
      const x = (...shape: number[]) => zeros(shape, { device: cpu });
      const mask = zeros([2, 2], { device: cpu, dtype: "i32" });
      const self = rows([1, 2], [1, 2]);
      const failures = [
        () => attention(x(3, 8), x(3, 8), x(3, 8), { heads: 3, rows: self }),
        () => attention(x(4, 8), x(3, 8), x(3, 8), { heads: 2, rows: self }),
        () => attention(x(1, 3, 8), x(3, 8), x(3, 8), { heads: 2, rows: self }),
        () => attention(x(3, 8), x(4, 8), x(4, 8), { heads: 2, rows: self }),
        () => attention(x(3, 8), x(3, 8), x(2, 8), { heads: 2, rows: self }),
        () => attention(x(3, 8), x(3, 8), x(3, 8), { heads: 2, rows: self, bias: x(2, 3, 3) }),
        () => attention(x(3, 8), x(3, 8), x(3, 8), { heads: 2, rows: self, mask }),
        () => attention(x(3, 8), x(3, 8), x(3, 8), { heads: 2, rows: rows([1, 2], [3]) }),
        () => attention(x(3, 8), x(3, 8), x(3, 8), { heads: 2, rows: rows([1, 2], [3, 0]) }),
        () => attention(x(3, 8), x(3, 8), x(3, 8), { heads: 2, rows: rows([1.5, 1.5], [1, 2]) }),
        () => attention(x(0, 8), x(3, 8), x(3, 8), { heads: 2, rows: rows([0, 0], [1, 2]) }),
      ];
      expect(failures.map(messageOf)).toMatchInlineSnapshot(`
        [
          "ShapeError: attention: q must be [tokens, H*D] with 3 heads, got [3, 8]",
          "ShapeError: attention: q must be [3, 8] to fit rows of 3 queries, got [4, 8]",
          "ShapeError: attention: q must be [3, 8] to fit rows of 3 queries, got [1, 3, 8]",
          "ShapeError: attention: k must be [3, 8] to fit rows of 3 keys, got [4, 8]",
          "ShapeError: attention: v must be [3, 8] to fit k [3, 8], got [2, 8]",
          "ShapeError: attention: bias must be [2, 2, 2] to fit the scores of the longest row, got [2, 3, 3]",
          "ArgumentError: attention: mask must be left out beside rows, got both. Packed rows hold no padding.",
          "ArgumentError: attention: rows must have as many lengths of keys as of queries, got 1 and 2",
          "ArgumentError: attention: a row with queries must have a key, got 2 queries and no key in row 1. Leave such a row out.",
          "ArgumentError: attention: lengths of rows must be whole numbers of at least 0, got 1.5 in row 0",
          "ArgumentError: attention: packed rows must have 1..16777215 queries and keys in all, got 0 and 3",
        ]
      `);
    });
  });
});

async function sameGradients(c: OpCase, device: Device): Promise<void> {
  const exact = await gradientsOf(c, plain, "f64");
  const found = await gradientsOf(c, device, "f32");
  for (const [i, reference] of exact.entries()) {
    // Rows of one key have gradients of 0, of which rounding is left.
    const most = Math.max(0.02, ...Array.from(reference!, Math.abs));
    expect(distance(found[i]!, reference!), `input ${i}`).toBeLessThan(2e-4 * most);
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
