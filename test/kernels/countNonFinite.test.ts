import fc from "fast-check";
import { afterAll, expect, it } from "vitest";
import { countNonFiniteInto } from "../../src/kernels/rows/countNonFinite.ts";
import type { Device } from "../../src/tensor/device.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { openWebGpu } from "../../src/tensor/webgpu/open.ts";
import { countNonFinite as reference } from "../reference/countNonFinite.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { uniform } from "../support/random.ts";

const smallBindings = await openWebGpu({ bindingBytes: 32768 });
afterAll(() => smallBindings.close());

/** The largest finite numbers, whose bits are those of infinity less one. */
const LARGEST = { f32: 3.4028234663852886e38, f64: 1e308, bf16: 3.3895313892515355e38, f16: 65504 };
type Counted = keyof typeof LARGEST;

/** Around vectors, words of two elements, blocks of 4096, and from 16,384 on more than one thread. */
const sizes = fc.constantFrom(0, 1, 2, 3, 4, 5, 7, 8, 9, 17, 4095, 4096, 4097, 20_001);
/** The share of elements that are not finite. */
const shares = fc.constantFrom(0, 0.01, 0.5, 1);

function numbers(size: number, share: number, largest: number, seed: number): number[] {
  const next = uniform(seed);
  const odd = [NaN, Infinity, -Infinity];
  const even = [0, -0, 1, -2.5, largest, -largest, 6e-8, -6e-8];
  return Array.from({ length: size }, () => {
    const from = next() < share ? odd : even;
    return from[Math.floor(next() * from.length)]!;
  });
}

it.each<[string, Device, readonly Counted[]]>([
  ["plain", plain, ["f32", "f64", "bf16", "f16"]],
  ["cpu", cpu, ["f32", "f64", "bf16", "f16"]],
  ["webgpu", gpu, ["f32", "bf16", "f16"]],
  ["webgpu in pieces", smallBindings, ["f32", "bf16", "f16"]],
])("adds the counts of NaN and infinite elements to those at its index (%s)", (_, device, dtypes) =>
  fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...dtypes),
      sizes,
      shares,
      fc.integer({ min: 0, max: 2 }),
      fc.integer(),
      async (dtype, size, share, index, seed) => {
        const values = numbers(size, share, LARGEST[dtype], seed);
        const { nan, infinite } = reference(values);
        const memory = new Scope();
        const counts = memory.run(() => {
          const before = tensor([1, 2, 3, 4, 5, 6], [6], { device, dtype: "u32" });
          countNonFiniteInto(tensor(values, [size], { device, dtype }), before, index);
          return before;
        });
        const expected = [1, 2, 3, 4, 5, 6];
        expected[2 * index]! += nan;
        expected[2 * index + 1]! += infinite;
        const found = await counts.data();
        memory.dispose();
        expect([...found]).toEqual(expected);
      },
    ),
    { numRuns: 60, seed: 20261129 },
  ),
);
