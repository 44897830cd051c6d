import fc from "fast-check";
import { expect, it } from "vitest";
import {
  gradientNormForward,
  sumsOfSquaresForward,
} from "../../src/kernels/optimizer/gradientNorm.ts";
import type { Device } from "../../src/tensor/device.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { gradientNorm as reference } from "../reference/gradientNorm.ts";
import { cpu, plain } from "../support/device.ts";
import { seed, values } from "../support/random.ts";

/** Around vectors, and around the 4096 elements that are added up in one piece. */
const sizes = fc.array(fc.constantFrom(1, 3, 4, 17, 4095, 4096, 4097, 9000), {
  minLength: 1,
  maxLength: 4,
});

async function check(
  device: Device,
  dtype: "f32" | "f64",
  arrays: readonly Float64Array[],
  maxNorm: number,
): Promise<void> {
  const expected = reference(
    arrays.map((x) => [...x]),
    maxNorm,
  );
  const found = scope(() => {
    const gradients = arrays.map((x) => tensor(x, [x.length], { device, dtype }));
    const { norm, scale } = gradientNormForward(gradients, maxNorm);
    return [norm.item(), scale.item()];
  });
  const tolerance = dtype === "f64" ? 1e-12 : 1e-6;
  const [norm, scale] = await Promise.all(found);
  expect(Math.abs(norm! / expected.norm - 1)).toBeLessThan(tolerance);
  expect(Math.abs(scale! / expected.scale - 1)).toBeLessThan(tolerance);
}

it.each([
  ["plain f64", plain, "f64"],
  ["plain f32", plain, "f32"],
  ["WebAssembly f32", cpu, "f32"],
] as const)("is the norm of all gradients together, and what clips it (%s)", (_, device, dtype) =>
  fc.assert(
    fc.asyncProperty(sizes, seed, fc.constantFrom(0.1, 1, 1e4), (sizes, seed, maxNorm) =>
      check(
        device,
        dtype,
        sizes.map((size, i) => values(size, seed + i, 3)),
        maxNorm,
      ),
    ),
    { numRuns: 20, seed: 20261123 },
  ),
);

it("gives the sums that the norm is made of", () =>
  fc.assert(
    fc.asyncProperty(sizes, seed, async (sizes, seed) => {
      const arrays = sizes.map((size, i) => values(size, seed + i, 3));
      const sums = sumsOfSquaresForward(arrays.map((x) => tensor(x, [x.length], { device: cpu })));
      const total = [...(await sums.data())].reduce((sum, x) => sum + x, 0);
      sums.dispose();
      const { norm } = reference(
        arrays.map((x) => [...x]),
        1,
      );
      expect(Math.abs(Math.sqrt(total) / norm - 1)).toBeLessThan(1e-6);
    }),
    { numRuns: 10, seed: 20261129 },
  ));

it("adds 1e-6 to the norm it divides by", () =>
  check(plain, "f64", [Float64Array.of(1e-6, 0, 0)], 1e-9));
