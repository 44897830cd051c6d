// One decoding step against the attention reference: caches longer than what is filled, beams that share
// keys, padding masks with a fully masked item.

import fc from "fast-check";
import { expect, it } from "vitest";
import { decodeAttentionForward } from "../../src/kernels/attention/decode.ts";
import type { Device } from "../../src/tensor/device.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { attention as reference } from "../reference/attention.ts";
import { distance } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { dim, seed, values, wideDim } from "../support/random.ts";

interface Case {
  readonly items: number;
  readonly beams: number;
  readonly heads: number;
  readonly headDim: number;
  readonly length: number;
  readonly spare: number;
  readonly masked: boolean;
  readonly seed: number;
}

const cases: fc.Arbitrary<Case> = fc.record({
  items: fc.integer({ min: 1, max: 3 }),
  beams: fc.integer({ min: 1, max: 3 }),
  heads: fc.integer({ min: 1, max: 3 }),
  headDim: dim,
  length: wideDim,
  spare: fc.integer({ min: 0, max: 5 }),
  masked: fc.boolean(),
  seed,
});

it("equals attention over the filled part of the cache", () =>
  fc.assert(
    fc.asyncProperty(cases, (c) =>
      check(c, [
        [plain, "f64", 1e-12],
        [plain, "f32", 2e-5],
        [cpu, "f32", 2e-5],
      ]),
    ),
    { numRuns: 60, seed: 20261123 },
  ));

it.each([
  ["scalar heads", [1, 3, 7], [1, 64]],
  ["T5's width", [64], [1, 63, 130]],
  ["heads divided among workgroups", [520], [5, 65]],
])("does so on webgpu, with %s", (_title, headDims, lengths) =>
  fc.assert(
    fc.asyncProperty(
      cases,
      fc.constantFrom(...headDims),
      fc.constantFrom(...lengths),
      (c, headDim, length) => check({ ...c, headDim, length }, [[gpu, "f32", 2e-5]]),
    ),
    { numRuns: 6, seed: 20261124 },
  ),
);

type Target = readonly [device: Device, dtype: "f32" | "f64", tolerance: number];

async function check(c: Case, targets: readonly Target[]): Promise<void> {
  const { items, beams, heads, headDim, length, spare, masked } = c;
  const width = heads * headDim;
  const capacity = length + spare;
  const rows = items * beams;
  const q = values(rows * width, c.seed);
  const k = values(items * capacity * width, c.seed + 1);
  const v = values(items * capacity * width, c.seed + 2);
  const bias = values(heads * length, c.seed + 3);
  // The last item is masked entirely, the others here and there.
  const mask = Int32Array.from({ length: items * length }, (_, i) =>
    i >= (items - 1) * length ? 0 : (i * 7 + c.seed) % 3 ? 1 : 0,
  );
  const filled = (cache: Float64Array) =>
    Float64Array.from({ length: rows * length * width }, (_, i) => {
      const [row, at] = [Math.floor(i / (length * width)), i % (length * width)];
      return cache[Math.floor(row / beams) * capacity * width + at]!;
    });
  const expected = reference(q, filled(k), filled(v), {
    ...{ B: rows, T: 1, S: length, H: heads, D: headDim, bias },
    mask: masked
      ? Int32Array.from({ length: rows * length }, (_, i) => {
          const [row, at] = [Math.floor(i / length), i % length];
          return mask[Math.floor(row / beams) * length + at]!;
        })
      : null,
  });
  for (const [device, dtype, tolerance] of targets) {
    const y = scope(() => {
      const make = (data: Float64Array, shape: number[]) => tensor(data, shape, { device, dtype });
      return decodeAttentionForward(
        make(q, [rows, width]),
        make(k, [items, capacity, width]),
        make(v, [items, capacity, width]),
        {
          heads,
          length,
          bias: make(bias, [heads, length]),
          ...(masked ? { mask: tensor(mask, [items, length], { device }) } : {}),
        },
      );
    });
    expect(distance(await y.data(), expected)).toBeLessThan(tolerance);
    y.dispose();
  }
}
