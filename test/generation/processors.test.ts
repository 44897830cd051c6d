import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { banEndBefore, banRepeatedNgrams } from "../../src/generation/bans.ts";
import { penalizeRepetition } from "../../src/generation/penalties.ts";
import { planGeneration } from "../../src/generation/plan.ts";
import { processorsFor } from "../../src/generation/processors.ts";
import type { ScoreProcessor } from "../../src/generation/scoreProcessor.ts";
import { divideByTemperature, keepTopK, keepTopP } from "../../src/generation/warpers.ts";
import { task } from "./fakeSession.ts";

fc.configureGlobal({ seed: 20261123 });

const VOCAB = 6;
const score = fc.oneof(
  { weight: 5, arbitrary: fc.float({ min: -9, max: 9, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(-Infinity, 0, 1.5) },
);
const row = fc.array(score, { minLength: VOCAB, maxLength: VOCAB });
const history = fc
  .array(fc.integer({ min: 0, max: VOCAB - 1 }), { maxLength: 12 })
  .map((ids) => [0, ...ids]);

function apply(
  processor: ScoreProcessor,
  scores: readonly number[],
  ids: readonly number[] = [],
): number[] {
  const changed = Float32Array.from(scores);
  processor(changed, ids, 0);
  return [...changed];
}

/** Natural logarithms: scores whose softmax is `probabilities`. */
function logs(...probabilities: number[]): number[] {
  return probabilities.map((probability) => Math.fround(Math.log(probability)));
}

describe("penalizeRepetition", () => {
  it("multiplies negative scores and divides others, once per token that is present", () => {
    fc.assert(
      fc.property(
        row,
        history,
        fc.double({ min: 0.5, max: 3, noNaN: true }),
        (scores, ids, penalty) => {
          const factor = Math.fround(penalty);
          const expected = scores.map((s, token) => {
            if (!ids.includes(token)) return Math.fround(s);
            return Math.fround(s < 0 ? s * factor : s / factor);
          });
          expect(apply(penalizeRepetition(penalty), scores, ids)).toEqual(expected);
        },
      ),
    );
  });

  it("counts the start token as present", () => {
    expect(apply(penalizeRepetition(2), [4, -4, 4], [0])).toEqual([2, -4, 4]);
  });
});

describe("banRepeatedNgrams", () => {
  it("bans exactly the tokens that would repeat an n-gram", () => {
    fc.assert(
      fc.property(row, history, fc.integer({ min: 1, max: 4 }), (scores, ids, size) => {
        const grams = (list: readonly number[]): string[] =>
          list
            .slice(0, Math.max(0, list.length - size + 1))
            .map((_, i) => list.slice(i, i + size).join());
        const expected = scores.map((s, token) =>
          ids.length + 1 >= size && grams(ids).includes([...ids, token].slice(-size).join())
            ? -Infinity
            : s,
        );
        expect(apply(banRepeatedNgrams(size), scores, ids)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it("counts the start token as part of the sequence", () => {
    expect(apply(banRepeatedNgrams(2), [1, 2, 3], [0, 2, 0])).toEqual([1, 2, -Infinity]);
  });
});

it("banEndBefore bans every end token until the length, start token included, is reached", () => {
  const ban = banEndBefore(3, [1, 2]);
  expect(apply(ban, [5, 5, 5, 5], [0, 3])).toEqual([5, -Infinity, -Infinity, 5]);
  expect(apply(ban, [5, 5, 5, 5], [0, 3, 3])).toEqual([5, 5, 5, 5]);
});

it("divideByTemperature divides by the f32 temperature", () => {
  fc.assert(
    fc.property(row, fc.double({ min: 0.1, max: 5, noNaN: true }), (scores, temperature) => {
      const divisor = Math.fround(temperature);
      const expected = scores.map((s) => Math.fround(s / divisor));
      expect(apply(divideByTemperature(temperature), scores)).toEqual(expected);
    }),
    { numRuns: 1000 },
  );
});

describe("keepTopK", () => {
  it("keeps the tokens with fewer than k better ones", () => {
    fc.assert(
      fc.property(row, fc.integer({ min: 1, max: VOCAB + 2 }), (scores, k) => {
        const expected = scores.map((s) =>
          scores.filter((other) => other > s).length < k ? s : -Infinity,
        );
        expect(apply(keepTopK(k), scores)).toEqual(expected);
      }),
    );
  });

  it("keeps ties with the k-th", () => {
    expect(apply(keepTopK(2), [1, 3, 2, 2])).toEqual([-Infinity, 3, 2, 2]);
  });
});

describe("keepTopP", () => {
  it("keeps the smallest set of the likeliest tokens that reaches p", () => {
    const distinct = fc.uniqueArray(fc.float({ min: -9, max: 9, noNaN: true }), {
      minLength: 1,
      maxLength: 20,
      comparator: "IsStrictlyEqual", // -0 ties with 0
    });
    fc.assert(
      fc.property(distinct, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (scores, p) => {
        const weights = scores.map(Math.exp);
        const total = weights.reduce((a, b) => a + b);
        // What all likelier tokens reach together; when that is p already, the token is not needed.
        const before = scores.map(
          (s) => scores.reduce((sum, other, i) => sum + (other > s ? weights[i]! : 0), 0) / total,
        );
        fc.pre(before.every((reached) => Math.abs(reached - p) > 1e-5));
        const expected = scores.map((s, i) => (before[i]! < p ? s : -Infinity));
        expect(apply(keepTopP(p, 1), scores)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it("drops what sums to exactly 1 - p", () => {
    expect(apply(keepTopP(0.5, 1), logs(0.25, 0.5, 0.25))).toEqual([
      -Infinity,
      ...logs(0.5),
      -Infinity,
    ]);
  });

  it("drops the first of tied tokens first", () => {
    expect(apply(keepTopP(0.7, 1), logs(0.25, 0.25, 0.25, 0.25))).toEqual([
      -Infinity,
      ...logs(0.25, 0.25, 0.25),
    ]);
  });

  it("keeps the least number asked for", () => {
    expect(apply(keepTopP(0.1, 2), logs(0.1, 0.7, 0.2))).toEqual([-Infinity, ...logs(0.7, 0.2)]);
  });

  it("leaves tokens banned that were banned before", () => {
    expect(apply(keepTopP(0.9, 2), [-Infinity, 0, -Infinity])).toEqual([-Infinity, 0, -Infinity]);
  });
});

describe("processorsFor", () => {
  function run(
    options: Parameters<typeof planGeneration>[0],
    scores: number[],
    ids = [0],
  ): number[] {
    const changed = Float32Array.from(scores);
    const { all } = processorsFor(planGeneration(options), task(), scores.length);
    for (const processor of all) processor(changed, ids, 0);
    return [...changed];
  }

  it("asks for nothing by default, so that greedy search can stay on the device", () => {
    expect(processorsFor(planGeneration({}), task(), 9).all).toEqual([]);
    const warped = planGeneration({ temperature: 2, topK: 3, topP: 0.5 });
    expect(processorsFor(warped, task(), 9).all).toEqual([]);
  });

  it("samples from the 50 likeliest by default", () => {
    const kept = run(
      { doSample: true },
      Array.from({ length: 60 }, (_, i) => i),
    );
    expect(kept.map((s) => s > -Infinity).indexOf(true)).toBe(10);
  });

  it("runs top-k before top-p", () => {
    // Of the two that top-k leaves, the lesser has 18/68 <= 0.3; of all four, only 0.16 may go.
    const scores = logs(0.16, 0.16, 0.5, 0.18);
    const kept = run({ doSample: true, topK: 2, topP: 0.7 }, scores);
    expect(kept.map((s) => s > -Infinity)).toEqual([false, false, true, false]);
  });

  it("runs the temperature before top-p", () => {
    // At temperature 2 the probabilities are 0.2, 0.3, 0.5 instead of 0.105, 0.237, 0.658.
    const scores = logs(0.2, 0.3, 0.5).map((s) => 2 * s);
    const kept = run({ doSample: true, temperature: 2, topP: 0.6 }, scores);
    expect(kept.map((s) => s > -Infinity)).toEqual([false, true, true]);
  });

  it("runs the repetition penalty before the end token is banned", () => {
    expect(run({ repetitionPenalty: 2, minNewTokens: 5 }, [4, 8, -4], [0, 1, 2])).toEqual([
      2,
      -Infinity,
      -8,
    ]);
  });

  it("keeps one token more than there are end tokens for beams", () => {
    const scores = logs(0.05, 0.9, 0.05);
    expect(run({ doSample: true, topP: 0.5 }, scores)).toEqual([
      -Infinity,
      ...logs(0.9),
      -Infinity,
    ]);
    expect(run({ doSample: true, topP: 0.5, numBeams: 2 }, scores)).toEqual([
      -Infinity,
      ...logs(0.9, 0.05),
    ]);
    const two = run({ doSample: true, topK: 1, numBeams: 2 }, [1, 3, 2]);
    expect(two).toEqual([-Infinity, 3, 2]);
  });
});
