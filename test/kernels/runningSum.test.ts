import fc from "fast-check";
import { expect, it } from "vitest";
import { addToSumInPlace } from "../../src/kernels/optimizer/runningSum.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { runningSum as reference } from "../reference/runningSum.ts";
import { distance } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";

const loss = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -1000, max: 1000 }).map((x) => x / 64) },
  { weight: 1, arbitrary: fc.constantFrom(NaN, Infinity, -Infinity) },
);
const cases = fc.record({
  losses: fc.array(loss, { minLength: 1, maxLength: 8 }),
  weight: fc.constantFrom(1, 0.5, 4),
  filter: fc.boolean(),
});

it.each([
  ["plain f64", plain, "f64", 1e-12],
  ["f32", cpu, "f32", 1e-4],
] as const)(
  "adds up losses, the mean so far for one that overflowed (%s)",
  (_, device, dtype, tolerance) =>
    fc.assert(
      fc.asyncProperty(cases, async ({ losses, weight, filter }) => {
        const total = tensor([0], [1], { device, dtype });
        let expected = 0;
        for (const [i, value] of losses.entries()) {
          const substitute = filter ? i + 1 : 0;
          const x = tensor([value], [1], { device, dtype });
          addToSumInPlace(total, x, weight, substitute);
          expected = reference(expected, value, weight, substitute);
          x.dispose();
        }
        expect(distance(await total.data(), [expected])).toBeLessThan(tolerance);
        total.dispose();
      }),
      { numRuns: 50, seed: 20261123 },
    ),
);
