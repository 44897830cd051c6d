import fc from "fast-check";
import { expect, it } from "vitest";
import { addInPlace } from "../../src/kernels/pointwise/accumulate.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { accumulate as reference } from "../reference/accumulate.ts";
import { distance } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { seed, values, wideDim } from "../support/random.ts";

it.each([
  ["plain f64", plain, "f64", 1e-15],
  ["plain f32", plain, "f32", 1e-6],
  ["WebAssembly f32", cpu, "f32", 1e-6],
] as const)("adds to a tensor in place (%s)", (_, device, dtype, tolerance) =>
  fc.assert(
    fc.asyncProperty(wideDim, seed, async (size, seed) => {
      const [a, b] = [[...values(size, seed)], [...values(size, seed + 1)]];
      const y = tensor(a, [size], { device, dtype });
      const x = tensor(b, [size], { device, dtype });
      addInPlace(y, x);
      expect(distance(await y.data(), reference(a, b))).toBeLessThan(tolerance);
      expect(distance(await x.data(), b)).toBe(0);
      for (const each of [x, y]) each.dispose();
    }),
    { numRuns: 20, seed: 20261123 },
  ),
);
