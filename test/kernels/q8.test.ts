// Weights in q8: blocks as they are made, taken apart and put together, and read as f32 on every device.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { embeddingForward } from "../../src/kernels/moves/embedding.ts";
import { embeddingQ8Into } from "../../src/kernels/moves/embeddingQ8.ts";
import { castForward } from "../../src/kernels/pointwise/cast.ts";
import { widenQ8Into } from "../../src/kernels/pointwise/castQ8.ts";
import { gatherRowsForward } from "../../src/kernels/moves/gatherRows.ts";
import type { Device } from "../../src/tensor/device.ts";
import { DtypeError, ShapeError } from "../../src/tensor/errors.ts";
import { dequantizeQ8, joinQ8, quantizeQ8, splitQ8 } from "../../src/tensor/q8.ts";
import { scope } from "../../src/tensor/scope.ts";
import { empty, tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { roundToQ8 } from "../reference/q8.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { uniform } from "../support/random.ts";

/** Blocks of numbers of many magnitudes, some of zeros, some of halves that tie. */
const blocks: fc.Arbitrary<number[]> = fc
  .record({ count: fc.integer({ min: 1, max: 12 }), seed: fc.nat(1e6) })
  .map(({ count, seed }) => {
    const next = uniform(seed);
    return Array.from({ length: count }, () => {
      const kind = next();
      const size = kind < 0.1 ? 0 : 10 ** (12 * next() - 9);
      if (kind > 0.8) {
        // 127 is the largest: the scale is 1, and halves are ties.
        return Array.from({ length: 32 }, (_, i) =>
          i === 0 ? 127 : Math.round(200 * (next() - 0.5)) / 2,
        );
      }
      return Array.from({ length: 32 }, () => Math.fround(size * (2 * next() - 1)));
    }).flat();
  });

describe("blocks", () => {
  it("are the nearest numbers to the values", () => {
    fc.assert(
      fc.property(blocks, (values) => {
        const { values: expected, scales } = roundToQ8(values);
        const read = Array.from(dequantizeQ8(quantizeQ8(values)));
        expect(read).toEqual(expected.map((x) => (x === 0 ? expect.closeTo(0) : x)));
        read.forEach((x, i) => {
          expect(Math.abs(x - values[i]!)).toBeLessThanOrEqual(scales[i]! * (0.5 + 127 * 2 ** -23));
        });
      }),
    );
  });

  it("come apart and together bit for bit", () => {
    fc.assert(
      fc.property(blocks, (values) => {
        const words = quantizeQ8(values);
        const { values: numbers, scales } = splitQ8(words);
        expect([numbers.length, scales.length]).toEqual([values.length, values.length / 32]);
        expect(numbers[0]! * scales[0]!).toBeCloseTo(roundToQ8(values).values[0]!);
        expect(joinQ8({ values: numbers, scales })).toEqual(words);
      }),
    );
  });

  it("with a NaN or an infinity are NaN", () => {
    for (const wrong of [NaN, Infinity, -Infinity]) {
      const values = new Float32Array(64).fill(1);
      values[5] = wrong;
      const read = dequantizeQ8(quantizeQ8(values));
      expect([...read.slice(0, 32)].every(Number.isNaN)).toBe(true);
      expect([...read.slice(32)]).toEqual(Array.from({ length: 32 }, () => 1));
    }
  });
});

async function readOn(device: Device, make: () => Tensor): Promise<number[]> {
  const result = scope(make);
  const data = await result.data();
  result.dispose();
  expect(result.device).toBe(device);
  return Array.from(data);
}

describe.each([
  ["plain", plain],
  ["cpu", cpu],
  ["webgpu", gpu],
])("on %s", (_, device) => {
  it("are read as f32", async () => {
    await fc.assert(
      fc.asyncProperty(blocks, async (values) => {
        const expected = roundToQ8(values).values.map((x) => x + 0);
        const shape = [values.length / 32, 32];
        const ours = await readOn(device, () => {
          const x = tensor(values, shape, { device, dtype: "q8" });
          const y = empty(device, shape, "f32");
          widenQ8Into(x, y);
          return y;
        });
        expect(ours.map((x) => x + 0)).toEqual(expected);
        const x = tensor(values, shape, { device, dtype: "q8" });
        expect(Array.from(await x.data(), (each) => each + 0)).toEqual(expected);
        x.dispose();
      }),
      { numRuns: 20 },
    );
  });

  it("give the rows of a table", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 40 }), fc.nat(1e6), async (count, seed) => {
        const next = uniform(seed);
        const [rows, cols] = [7, 96];
        const values = Array.from({ length: rows * cols }, () => Math.fround(next() - 0.5));
        const ids = Int32Array.from({ length: count }, () => Math.floor(rows * next()));
        const table = roundToQ8(values).values;
        const expected = [...ids].flatMap((id) => table.slice(id * cols, (id + 1) * cols));
        const ours = await readOn(device, () => {
          const x = tensor(values, [rows, cols], { device, dtype: "q8" });
          const y = empty(device, [count, cols], "f32");
          embeddingQ8Into(x, tensor(ids, [count], { device }), y);
          return y;
        });
        expect(ours.map((x) => x + 0)).toEqual(expected.map((x) => x + 0));
      }),
      { numRuns: 10 },
    );
  });

  it("are read by embedding and cast, of a scope of any dtype", async () => {
    const values = Array.from({ length: 64 }, (_, i) => (i - 30) / 8);
    const expected = roundToQ8(values).values;
    const x = tensor(values, [2, 32], { device, dtype: "q8" });
    const ids = tensor(Int32Array.of(1, 0), [2], { device });
    expect(await readOn(device, () => embeddingForward(x, ids))).toEqual([
      ...expected.slice(32),
      ...expected.slice(0, 32),
    ]);
    expect(await readOn(device, () => castForward(x, "f32"))).toEqual(expected);
    const half = await readOn(device, () => castForward(x, "bf16"));
    half.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(2 ** -7));
    x.dispose();
    ids.dispose();
  });
});

describe("tensors of q8", () => {
  it("print their numbers", () => {
    const x = tensor(
      Array.from({ length: 32 }, (_, i) => i * 127),
      [1, 32],
      {
        device: plain,
        dtype: "q8",
      },
    );
    expect(String(x)).toMatch(/^Tensor q8 \[1, 32\] on cpu\n\[\[ +0\./);
    x.dispose();
  });

  it("have whole blocks in a row", () => {
    const make = () => tensor(new Float32Array(64), [4, 16], { device: plain, dtype: "q8" });
    expect(make).toThrow(ShapeError);
    expect(make).toThrow("rows of q8 must be a multiple of 32 long, got [4, 16]");
  });

  it("are neither moved, nor made by a cast, nor trained", () => {
    const x = tensor(new Float32Array(64), [2, 32], { device: plain, dtype: "q8" });
    const rows = tensor(Int32Array.of(0), [1], { device: plain });
    expect(() => gatherRowsForward(x, rows)).toThrow(DtypeError);
    expect(() => gatherRowsForward(x, rows)).toThrow("must not be q8");
    const wide = castForward(x, "f32");
    expect(() => castForward(wide, "q8")).toThrow("cast: dtype must not be q8, got f32 to q8");
    expect(() =>
      tensor(new Float32Array(32), [32], { device: plain, dtype: "q8", requiresGrad: true }),
    ).toThrow("only floating-point tensors have gradients, got q8");
    for (const each of [x, rows, wide]) each.dispose();
  });
});
