// One decoding step against the attention reference: rows of different lengths in slots of their own or shared, keys whose
// past lies in several slots, spare room that holds NaN, and the writing of new positions.

import fc from "fast-check";
import { expect, it } from "vitest";
import { CARD } from "../../scripts/adapters/countingGpu.ts";
import {
  decodeAttentionForward,
  decodeAttentionKernel,
} from "../../src/kernels/attention/decode.ts";
import { writeHeadsInto } from "../../src/kernels/attention/headCache.ts";
import type { Device } from "../../src/tensor/device.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import type { AdapterFacts, WgslPlanned } from "../../src/tensor/wgsl.ts";
import { attention as reference } from "../reference/attention.ts";
import { distance } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { dim, seed, values, wideDim } from "../support/random.ts";

interface Case {
  readonly rows: number;
  readonly slots: number;
  readonly heads: number;
  readonly headDim: number;
  /** Of the longest row. */
  readonly length: number;
  readonly spare: number;
  readonly biased: boolean;
  /** Whether every position of a row may lie in another slot. */
  readonly scattered: boolean;
  readonly seed: number;
}

const cases: fc.Arbitrary<Case> = fc.record({
  rows: fc.integer({ min: 1, max: 5 }),
  slots: fc.integer({ min: 1, max: 4 }),
  heads: fc.integer({ min: 1, max: 3 }),
  headDim: dim,
  length: wideDim,
  spare: fc.integer({ min: 0, max: 5 }),
  biased: fc.boolean(),
  scattered: fc.boolean(),
  seed,
});

it("equals attention over the keys of each row", () =>
  fc.assert(
    fc.asyncProperty(cases, (c) =>
      check(c, [
        [plain, "f64", 1e-12],
        [plain, "f32", 2e-5],
        [cpu, "f32", 2e-5],
      ]),
    ),
    { numRuns: 80, seed: 20261123 },
  ));

it.each([
  ["scalar heads", [1, 3, 7], [1, 64]],
  ["T5's width", [64], [1, 63, 130]],
  ["widths of every kind of strip", [32, 36, 44, 66], [5, 33]],
  ["heads divided among workgroups", [520], [5, 65]],
])("does so on webgpu, with %s", (_title, headDims, lengths) =>
  fc.assert(
    fc.asyncProperty(
      cases,
      fc.constantFrom(...headDims),
      fc.constantFrom(...lengths),
      (c, headDim, length) =>
        check({ ...c, headDim, length }, [
          [cpu, "f32", 2e-5],
          [gpu, "f32", 2e-5],
        ]),
    ),
    { numRuns: 6, seed: 20261124 },
  ),
);

it.each([
  ["cpu", () => cpu],
  ["the plain body", () => plain],
  ["webgpu", () => gpu],
])("writes each row's keys to its place on %s, and leaves the rest", async (_name, deviceOf) => {
  const device = deviceOf();
  const [heads, headDim, capacity] = [2, 3, 4];
  const made = scope(() => {
    const cache = (from: number) =>
      tensor(
        Float32Array.from({ length: 2 * heads * capacity * headDim }, (_, i) => from + i),
        [2, heads, capacity, headDim],
        { device },
      );
    const both = { k: cache(0), v: cache(100) };
    const row = (sign: number) =>
      tensor(
        Float32Array.from({ length: 3 * 6 }, (_, i) => sign * (i + 1)),
        [3, 6],
        { device },
      );
    const places = tensor(Int32Array.of(1, 2, 0, -1, 0, 3), [3, 2], { device });
    writeHeadsInto(row(-1), row(-10), both, places);
    return both;
  });
  for (const [cache, from, sign] of [
    [made.k, 0, -1],
    [made.v, 100, -10],
  ] as const) {
    const expected = Float32Array.from(
      { length: 2 * heads * capacity * headDim },
      (_, i) => from + i,
    );
    for (const [r, slot, position] of [
      [0, 1, 2],
      [2, 0, 3],
    ] as const) {
      for (let h = 0; h < heads; h++) {
        for (let d = 0; d < headDim; d++) {
          expected[((slot * heads + h) * capacity + position) * headDim + d] =
            sign * ((r * heads + h) * headDim + d + 1);
        }
      }
    }
    expect(await cache.data()).toEqual(expected);
    cache.dispose();
  }
});

type Target = readonly [device: Device, dtype: "f32" | "f64", tolerance: number];

/** Keys or values of row r as the reference takes them, [length, H*D], out of caches [slots, H, capacity, D]. */
function pastOf(
  cache: Float64Array,
  c: Case,
  capacity: number,
  slotOf: (j: number) => number,
  length: number,
) {
  const { heads, headDim } = c;
  return Float64Array.from({ length: length * heads * headDim }, (_, i) => {
    const [j, h, d] = [
      Math.floor(i / (heads * headDim)),
      Math.floor(i / headDim) % heads,
      i % headDim,
    ];
    return cache[((slotOf(j) * heads + h) * capacity + j) * headDim + d]!;
  });
}

async function check(c: Case, targets: readonly Target[]): Promise<void> {
  const { rows, slots, heads, headDim, length, spare, biased, scattered } = c;
  const width = heads * headDim;
  const capacity = length + spare;
  const random = values(rows * (2 + capacity), c.seed + 4).map((x) => Math.abs(x) * 1e6);
  const lengths = Array.from({ length: rows }, (_, r) =>
    r === 0 ? length : 1 + (Math.floor(random[r]!) % length),
  );
  const slotsOf = Array.from({ length: rows }, (_, r) => Math.floor(random[rows + r]!) % slots);
  const origins = Int32Array.from(
    { length: rows * capacity },
    (_, i) => Math.floor(random[2 * rows + i]!) % slots,
  );
  const slotAt = (r: number, j: number) => (scattered ? origins[r * capacity + j]! : slotsOf[r]!);
  const q = values(rows * width, c.seed);
  const k = values(slots * capacity * width, c.seed + 1);
  const v = values(slots * capacity * width, c.seed + 2);
  for (let i = 0; i < k.length; i++) {
    if (Math.floor(i / headDim) % capacity >= length) k[i] = v[i] = NaN;
  }
  const bias = values(heads * capacity, c.seed + 3);
  const expected = Float64Array.from(
    lengths.flatMap((own, r) => {
      const slot = (j: number) => slotAt(r, j);
      const biases = Float64Array.from({ length: heads * own }, (_, i) => {
        const [h, j] = [Math.floor(i / own), i % own];
        return bias[(h + 1) * capacity - own + j]!;
      });
      const y = reference(
        q.subarray(r * width, (r + 1) * width),
        pastOf(k, c, capacity, slot, own),
        pastOf(v, c, capacity, slot, own),
        {
          ...{ B: 1, T: 1, S: own, H: heads, D: headDim, mask: null },
          bias: biased ? biases : null,
        },
      );
      return [...y];
    }),
  );
  const places = Int32Array.from(lengths.flatMap((own, r) => [slotsOf[r]!, own - 1]));
  const keys = lengths.reduce((sum, own) => sum + own, 0);
  for (const [device, dtype, tolerance] of targets) {
    const y = scope(() => {
      const make = (data: Float64Array, shape: number[]) => tensor(data, shape, { device, dtype });
      return decodeAttentionForward(
        make(q, [rows, width]),
        make(k, [slots, heads, capacity, headDim]),
        make(v, [slots, heads, capacity, headDim]),
        {
          keys,
          places: tensor(places, [rows, 2], { device }),
          bias: biased ? make(bias, [heads, capacity]) : undefined,
          origins: scattered ? tensor(origins, [rows, capacity], { device }) : undefined,
        },
      );
    });
    expect(distance(await y.data(), expected)).toBeLessThan(tolerance);
    y.dispose();
  }
}

it("reduces by shuffles where the adapter has subgroups, with a barrier instead of one for each power of two", () => {
  const planFor = (adapter: AdapterFacts) => {
    const { wgsl } = decodeAttentionKernel.declaration;
    const params = { rows: 2, heads: 4, headDim: 64, capacity: 128, keys: 200 };
    return (wgsl as WgslPlanned).plan({ params, constants: {}, tensors: {}, adapter }).passes[0]!;
  };
  expect(planFor(CARD)).toMatchObject({ shader: { name: "subgroups" }, constants: { LANES: 32 } });
  const without = planFor({ ...CARD, features: new Set(), subgroupSize: null });
  expect(without.shader.directives).toBeUndefined();
  expect(without.constants).not.toHaveProperty("LANES");
});
