import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { argmax, logSoftmax, softmax, topIndices } from "../../src/generation/scores.ts";
import { ArgumentError } from "../../src/tensor/errors.ts";

fc.configureGlobal({ seed: 20261123 });

const score = fc.oneof(
  fc.float({ min: -50, max: 50, noNaN: true }),
  fc.constantFrom(-Infinity, 0, 1, -1e9),
);
const scores = fc
  .array(score, { minLength: 1, maxLength: 40 })
  .map((list) => Float32Array.from(list));
const choosable = scores.filter((row) => row.some((value) => value > -Infinity));

describe("topIndices", () => {
  it("equals a stable sort, largest first, the first of equal values first", () => {
    fc.assert(
      fc.property(scores, fc.integer({ min: 1, max: 50 }), (row, count) => {
        const sorted = [...row.keys()].sort((a, b) => Math.sign(row[b]! - row[a]!) || a - b);
        expect(topIndices(row, count)).toEqual(sorted.slice(0, count));
      }),
      { numRuns: 500 },
    );
  });

  it("finds the best of a T5 beam step's 4 x 32128 scores", () => {
    const row = Float32Array.from({ length: 4 * 32128 }, (_, i) => (i * 7919) % 128512);
    const found = topIndices(row, 8);
    expect(found.map((index) => row[index])).toEqual([
      128511, 128510, 128509, 128508, 128507, 128506, 128505, 128504,
    ]);
  });
});

describe("softmax and logSoftmax", () => {
  it("agree with the definition in f64 to f32 rounding", () => {
    fc.assert(
      fc.property(choosable, (row) => {
        const largest = Math.max(...row);
        const total = row.reduce((sum, value) => sum + Math.exp(value - largest), 0);
        const probabilities = row.slice();
        softmax(probabilities);
        const logs = row.slice();
        logSoftmax(logs);
        for (const [i, value] of row.entries()) {
          expect(probabilities[i]).toBe(Math.fround(Math.exp(value - largest) / total));
          if (value === -Infinity) expect(logs[i]).toBe(-Infinity);
          else {
            const exact = value - largest - Math.log(total);
            expect(Math.abs(logs[i]! - exact)).toBeLessThanOrEqual(
              1e-6 * Math.max(1, Math.abs(exact)),
            );
          }
        }
      }),
    );
  });

  it("neither overflow nor underflow", () => {
    const row = Float32Array.of(3e38, 3e38, -3e38);
    softmax(row);
    expect([...row]).toEqual([0.5, 0.5, 0]);
  });
});

it("argmax takes the first of equal scores", () => {
  expect(argmax(Float32Array.of(-2, 5, 5, -Infinity))).toBe(1);
});

it("say what is wrong with rows that nothing can be chosen from", () => {
  for (const choose of [argmax, softmax, logSoftmax]) {
    expect(() => choose(Float32Array.of(1, NaN))).toThrowError(
      "generate: scores must be finite, got NaN. Either the weights are damaged",
    );
    expect(() => choose(Float32Array.of(1, Infinity))).toThrowError("must be finite, got Infinity");
    expect(() => choose(Float32Array.of(-Infinity, -Infinity))).toThrowError(
      new ArgumentError(
        "generate: some token must be left to choose, got none. Lower minNewTokens or noRepeatNgramSize, ban fewer tokens, " +
          "or raise a temperature near 0.",
      ),
    );
  }
});
