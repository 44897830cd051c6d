import fc from "fast-check";
import { expect, it } from "vitest";
import { ascendingIndices } from "../../src/generation/ascending.ts";

const value = fc.oneof(
  fc.float({ noNaN: true }),
  fc.constantFrom(0, -0, 1, -1, Infinity, -Infinity, 2 ** -149, -(2 ** -149)),
);

it("sorts as a stable sort that compares", () =>
  fc.assert(
    fc.property(fc.array(value, { maxLength: 300 }), (list) => {
      const values = Float32Array.from(list);
      const byComparing = [...values.keys()].sort((a, b) =>
        values[a] === values[b] ? 0 : values[a]! - values[b]!,
      );
      expect([...ascendingIndices(values)]).toEqual(byComparing);
      // A part of a larger array has an offset of its own.
      expect([...ascendingIndices(values.subarray(1))]).toEqual(
        byComparing.filter((index) => index > 0).map((index) => index - 1),
      );
    }),
  ));
