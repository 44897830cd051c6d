// Products of few rows, as decoding has them: a row comes out the same, bit for bit, however many rows stand beside it.

import fc from "fast-check";
import { expect, it } from "vitest";
import { cast } from "../../src/autograd/ops/cast.ts";
import { matmulForward, matmulForwardInto } from "../../src/kernels/matmul/matmul.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { cpu } from "../support/device.ts";
import { seed, values } from "../support/random.ts";

const stored = fc.constantFrom("f32" as const, "bf16" as const, "f16" as const);

const cases = fc.record({
  rows: fc.integer({ min: 1, max: 64 }),
  cols: fc.integer({ min: 1, max: 40 }),
  depth: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(2047, 2048, 2053)),
  stored,
  accumulate: fc.boolean(),
  seed,
});

const make = (data: Float64Array, shape: number[]): Tensor =>
  tensor(data, shape, { device: cpu, dtype: "f32" });

it("gives a row the same bits alone and among others, and the right ones", () =>
  fc.assert(
    fc.asyncProperty(cases, async ({ rows, cols, depth, stored, accumulate, seed }) => {
      const [a, b, before] = [
        values(rows * depth, seed),
        values(cols * depth, seed + 1),
        values(rows * cols, seed + 2),
      ];
      const weight = scope(() => cast(make(b, [cols, depth]), stored));
      const wide = scope(() => cast(weight, "f32"));
      const exact = await wide.data();
      /** Product of rows begin..end-1. */
      const product = async (begin: number, end: number) => {
        const c = scope(() => {
          const x = make(a.subarray(begin * depth, end * depth), [end - begin, depth]);
          if (!accumulate) return matmulForward(x, weight, { transposeB: true });
          const sum = make(before.subarray(begin * cols, end * cols), [end - begin, cols]);
          matmulForwardInto(x, weight, sum, { transposeB: true, accumulate: true });
          return sum;
        });
        const data = (await c.data()) as Float32Array;
        c.dispose();
        return data;
      };
      const together = await product(0, rows);
      for (let i = 0; i < rows; i++) {
        const own = together.subarray(i * cols, (i + 1) * cols);
        expect(own).toEqual(await product(i, i + 1));
        const pair = Math.min(i, Math.max(rows - 2, 0));
        if (rows > 1 && i % 7 === 0) {
          const two = await product(pair, pair + 2);
          expect(two.subarray(0, cols)).toEqual(together.subarray(pair * cols, (pair + 1) * cols));
        }
        for (let j = 0; j < cols; j++) {
          let [sum, size] = [accumulate ? Math.fround(before[i * cols + j]!) : 0, 1];
          for (let d = 0; d < depth; d++) {
            const term = Math.fround(a[i * depth + d]!) * exact[j * depth + d]!;
            sum += term;
            size += Math.abs(term);
          }
          expect(Math.abs(own[j]! - sum)).toBeLessThan(size * 2 ** -20);
        }
      }
      weight.dispose();
      wide.dispose();
    }),
    { numRuns: 15, seed: 20261129 },
  ));
