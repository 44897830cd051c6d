// Products with b in q8. The oracle is the product in f64 of x and the numbers that the blocks stand for; the bound of the body
// that makes 16-bit numbers of x is in src/kernels/wasm/assembly/q8/numbers.ts.

import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { matmulForward, matmulForwardInto } from "../../src/kernels/matmul/matmul.ts";
import { openDevice } from "../../src/kernels/openDevice.ts";
import { variantsHere } from "../../src/kernels/wasm/load.ts";
import type { Device } from "../../src/tensor/device.ts";
import { DtypeError } from "../../src/tensor/errors.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor, zeros } from "../../src/tensor/tensor.ts";
import { batchedMatmul } from "../reference/matmul.ts";
import { roundToQ8 } from "../reference/q8.ts";
import { plain } from "../support/device.ts";
import { isFull, MORE_RUNS } from "../support/full.ts";
import { gpu } from "../support/gpu.ts";
import { uniform } from "../support/random.ts";

interface Product {
  readonly m: number;
  /** Rows and columns of the weights as they are stored. */
  readonly rows: number;
  readonly cols: number;
  readonly transposeB: boolean;
  readonly accumulate: boolean;
  readonly seed: number;
}

const product: fc.Arbitrary<Product> = fc.record({
  m: fc.oneof(fc.integer({ min: 1, max: 17 }), fc.constantFrom(33, 65)),
  rows: fc.constantFrom(1, 3, 4, 20, 33, 64, 101, 270),
  cols: fc.constantFrom(32, 64, 96, 288, 544),
  transposeB: fc.boolean(),
  accumulate: fc.boolean(),
  seed: fc.nat(1e6),
});

/** x with outliers, as T5's activations have them, and weights of many magnitudes. */
function operands({ m, rows, cols, transposeB, seed }: Product) {
  const next = uniform(seed);
  const inner = transposeB ? cols : rows;
  const outer = transposeB ? rows : cols;
  const number = (): number => {
    const kind = next();
    return Math.fround((2 * next() - 1) * (kind < 0.02 ? 300 : kind < 0.1 ? 0 : 1));
  };
  const x = Array.from({ length: m * inner }, number);
  const w = Array.from({ length: rows * cols }, () => Math.fround(0.1 * number()));
  const c = Array.from({ length: m * outer }, number);
  return { x, w, c, inner, outer };
}

/** Rows begin..end-1 of the product. */
async function multiply(p: Product, device: Device, begin = 0, end = p.m): Promise<number[]> {
  const { x, w, c, inner, outer } = operands(p);
  const out = scope(() => {
    const result = tensor(c.slice(begin * outer, end * outer), [end - begin, outer], { device });
    const a = tensor(x.slice(begin * inner, end * inner), [end - begin, inner], { device });
    const b = tensor(w, [p.rows, p.cols], { device, dtype: "q8" });
    matmulForwardInto(a, b, result, p);
    return result;
  });
  const data = await out.data();
  out.dispose();
  return Array.from(data);
}

/** The exact product, and by how much 16-bit numbers of x and sums in f32 may be off. */
function exact(p: Product) {
  const { x, w, c, inner, outer } = operands(p);
  const { values } = roundToQ8(w);
  const sizes = { m: p.m, n: outer, k: inner, transposeA: false, transposeB: p.transposeB };
  const times = (left: number[], right: number[]) => batchedMatmul(left, right, sizes, [[0, 0]]);
  const absolute = (list: readonly number[]): number[] => list.map(Math.abs);
  const value = times(x, values);
  const magnitude = times(absolute(x), absolute(values));
  // s / 2 of the block of x that each x_i is in.
  const halfSteps = x.map((_, i) => {
    const begin = i - (i % inner) + Math.floor((i % inner) / 32) * 32;
    const block = x.slice(begin, Math.min(begin + 32, i - (i % inner) + inner));
    return Math.max(...absolute(block)) / 32767 / 2;
  });
  const rounding = times(halfSteps, absolute(values));
  return Array.from(value, (product, i) => {
    const before = p.accumulate ? c[i]! : 0;
    const sums = (inner + 4) * 2 ** -24 * (magnitude[i]! + Math.abs(before));
    return { value: product + before, sums, rounding: rounding[i]! * (1 + 2 ** -18) };
  });
}

function expectWithin(p: Product, ours: readonly number[], isRounded: boolean): void {
  exact(p).forEach(({ value, sums, rounding }, i) => {
    const allowed = sums + (isRounded ? rounding : 0) + 1e-30;
    const error = Math.abs(ours[i]! - value);
    if (!(error <= allowed))
      expect.fail(
        `element ${i}: ${ours[i]} for ${value}, ${error} > ${allowed} of ${JSON.stringify(p)}`,
      );
  });
}

describe.each(await variantsHere())("the body %s", async (wasmVariant) => {
  const devices = await Promise.all(
    [1, 2].map((threads) => openDevice("cpu", { wasmVariant, threads })),
  );
  afterAll(() => Promise.all(devices.map((device) => device.close())));

  it("is within its bound, whatever the threads", async () => {
    await fc.assert(
      fc.asyncProperty(product, async (p) => {
        const [ours, shared] = await Promise.all(devices.map((device) => multiply(p, device)));
        expectWithin(p, ours!, p.transposeB);
        expect(shared).toEqual(ours);
      }),
      { numRuns: 25 * MORE_RUNS },
    );
  });

  it("gives a row the same bits alone and among others", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          m: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(63, 64, 65, 130, 250)),
          rows: fc.constantFrom(1, 3, 9, 33, 270),
          cols: fc.constantFrom(32, 288, 544, 1056),
          accumulate: fc.boolean(),
          seed: fc.nat(1e6),
        }),
        fc.integer({ min: 1, max: 70 }),
        async (sizes, part) => {
          const p = { ...sizes, transposeB: true };
          const together = await multiply(p, devices[1]!);
          const { m, rows: n } = p;
          // Of many parts some six and the last, for each has the weights quantised anew.
          const parts = Math.ceil(m / part);
          const stride = isFull ? 1 : Math.ceil(parts / 6);
          for (
            let i = 0;
            i < parts;
            i = i + 1 === parts ? parts : Math.min(i + stride, parts - 1)
          ) {
            const begin = i * part;
            const end = Math.min(begin + part, m);
            const own = await multiply(p, devices[0]!, begin, end);
            expect(own).toEqual(together.slice(begin * n, end * n));
          }
        },
      ),
      { numRuns: 15 * MORE_RUNS },
    );
  });

  it.each([1, 2, 3, 4, 5, 8, 9, 16, 65])("sums whole numbers exactly in %i rows", async (m) => {
    // x is its own 16-bit numbers and w its own 8-bit ones: 32767 and 127 are the largest of every block.
    const next = uniform(m);
    const [n, k] = [5, 64];
    const whole = (most: number) => (_: unknown, i: number) =>
      i % 32 === 0 ? most : Math.round((2 * next() - 1) * most);
    const x = Array.from({ length: m * k }, whole(32767));
    const w = Array.from({ length: n * k }, whole(127));
    const expected = batchedMatmul(x, w, { m, n, k, transposeA: false, transposeB: true }, [
      [0, 0],
    ]);
    const [device] = devices;
    const c = scope(() =>
      matmulForward(
        tensor(x, [m, k], { device: device! }),
        tensor(w, [n, k], { device: device!, dtype: "q8" }),
        { transposeB: true },
      ),
    );
    const ours = await c.data();
    ours.forEach((value, i) => {
      expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(2 ** -22 * 64 * 32767 * 127);
    });
    c.dispose();
  });

  it("gives NaN for rows with NaN and infinities, and for those alone", async () => {
    const k = 64;
    for (const wrong of [NaN, Infinity]) {
      for (const m of [1, 3, 6, 70]) {
        const x = new Float32Array(m * k).fill(1);
        x[40] = wrong;
        const [device] = devices;
        const c = scope(() =>
          matmulForward(
            tensor(x, [m, k], { device: device! }),
            tensor(new Float32Array(2 * k).fill(1), [2, k], { device: device!, dtype: "q8" }),
            { transposeB: true },
          ),
        );
        const [first, second, ...rest] = await c.data();
        expect([first, second]).toEqual([NaN, NaN]);
        rest.forEach((value) => expect(value).toBeCloseTo(k, 2));
        c.dispose();
      }
    }
  });
});

describe.each([
  ["plain", plain, 12],
  ["webgpu", gpu, 12],
])("%s", (_, device, numRuns) => {
  it("multiplies by what the blocks stand for", async () => {
    await fc.assert(
      fc.asyncProperty(product, async (p) => {
        expectWithin(p, await multiply(p, device), false);
      }),
      { numRuns: numRuns * MORE_RUNS },
    );
  });
});

it("refuses products that no layer has", () => {
  const device = plain;
  const a = zeros([2, 4, 32], { device });
  const b = tensor(new Float32Array(2 * 4 * 32), [2, 4, 32], { device, dtype: "q8" });
  const flat = tensor(new Float32Array(4 * 32), [4, 32], { device, dtype: "q8" });
  expect(() => matmulForward(a, b, { transposeB: true })).toThrow(DtypeError);
  expect(() => matmulForward(a, b, { transposeB: true })).toThrow(
    "b must be one matrix, got b [2, 4, 32]",
  );
  expect(() => matmulForward(a, flat, { transposeA: true })).toThrow("a must not be transposed");
  for (const x of [a, b, flat]) x.dispose();
});
