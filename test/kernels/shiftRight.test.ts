import fc from "fast-check";
import { expect, it } from "vitest";
import { shiftRightForward } from "../../src/kernels/moves/shiftRight.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { shiftRight as reference } from "../reference/shiftRight.ts";
import { cpu } from "../support/device.ts";
import { dim, wideDim } from "../support/random.ts";

const id = fc.oneof(fc.constant(-100), fc.integer({ min: 0, max: 40 }));
const cases = fc.record({ rows: dim, cols: wideDim }).chain(({ rows, cols }) =>
  fc.record({
    labels: fc.array(fc.array(id, { minLength: cols, maxLength: cols }), {
      minLength: rows,
      maxLength: rows,
    }),
    ids: fc.record({
      start: fc.integer({ min: 0, max: 40 }),
      ignored: fc.constantFrom(-100, 7),
      pad: fc.integer({ min: 0, max: 40 }),
    }),
  }),
);

it("moves every row behind a start token and pads what is ignored", () =>
  fc.assert(
    fc.asyncProperty(cases, async ({ labels, ids }) => {
      const shape = [labels.length, labels[0]!.length];
      const x = tensor(labels.flat(), shape, { device: cpu, dtype: "i32" });
      const y = shiftRightForward(x, ids);
      expect(y.shape).toEqual(shape);
      expect([...(await y.data())]).toEqual(reference(labels, ids).flat());
      for (const each of [x, y]) each.dispose();
    }),
    { numRuns: 50, seed: 20261123 },
  ));
