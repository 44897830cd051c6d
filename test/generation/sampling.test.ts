import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runGeneration } from "../../src/generation/generate.ts";
import {
  drawDistinct,
  drawToken,
  nextTokenProbabilities,
  seededUniforms,
} from "../../src/generation/sampling.ts";
import type { SessionSize } from "../../src/generation/session.ts";
import { FakeSession, randomTable, task, untilEnd } from "./fakeSession.ts";

fc.configureGlobal({ seed: 20261123 });

/** Natural logarithms: scores whose softmax is `probabilities`. */
function logs(...probabilities: number[]): Float32Array {
  return Float32Array.from(probabilities, Math.log);
}

/** Fails when a count is 5 standard deviations or more from its expectation: 1 in 3.5 million runs of other seeds. */
function expectFrequency(count: number, draws: number, probability: number): void {
  const deviation = Math.sqrt(draws * probability * (1 - probability));
  expect(Math.abs(count - draws * probability)).toBeLessThan(5 * deviation);
}

describe("nextTokenProbabilities", () => {
  it("is the softmax by default, without the top 50 of generate()", () => {
    const row = Float32Array.from({ length: 60 }, (_, i) => i / 10);
    const probabilities = nextTokenProbabilities(row);
    const total = row.reduce((sum, logit) => sum + Math.exp(logit), 0);
    for (const [i, logit] of row.entries())
      expect(probabilities[i]).toBeCloseTo(Math.exp(logit) / total, 7);
    expect(row[59]).toBe(Math.fround(5.9));
    expect(nextTokenProbabilities(row, { topK: undefined })).toEqual(probabilities);
  });

  it("renormalises what temperature, top-k and top-p leave", () => {
    // Temperature 0.5 squares the probabilities: 16, 9, 4, 1 of 30; top 3 of 29; 4/29 <= 0.2 goes.
    const options = { temperature: 0.5, topK: 3, topP: 0.8 };
    const expected = [16 / 25, 9 / 25, 0, 0];
    const probabilities = nextTokenProbabilities(logs(0.4, 0.3, 0.2, 0.1), options);
    for (const [i, value] of expected.entries()) expect(probabilities[i]).toBeCloseTo(value, 6);
  });

  it("takes numbers and rows of numbers", () => {
    const [first, second] = nextTokenProbabilities([
      [0, 0],
      [1, 1, 1, 1],
    ]);
    expect([...first!]).toEqual([0.5, 0.5]);
    expect([...second!]).toEqual([0.25, 0.25, 0.25, 0.25]);
    expect([...nextTokenProbabilities([7, 7])]).toEqual([0.5, 0.5]);
  });

  it("sums to 1 whatever the options", () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -30, max: 30, noNaN: true }), { minLength: 1, maxLength: 30 }),
        fc.double({ min: 0.1, max: 5, noNaN: true }),
        fc.integer({ min: 0, max: 40 }),
        fc.double({ min: 0.001, max: 1, noNaN: true }),
        (row, temperature, topK, topP) => {
          const probabilities = nextTokenProbabilities(row, { temperature, topK, topP });
          expect(probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
        },
      ),
    );
  });

  it("names an option that is out of its range, and missing logits", () => {
    expect(() => nextTokenProbabilities([1, 2], { temperature: 0 })).toThrowError(
      "temperature must be a finite number above 0, got 0",
    );
    expect(() => nextTokenProbabilities([])).toThrowError("logits must hold one number per token");
  });
});

describe("drawToken", () => {
  it("inverts the cumulative distribution", () => {
    const draw = (uniform: number): number => drawToken(logs(0.25, 0, 0.5, 0.25), uniform);
    expect([0, 0.249, 0.251, 0.749, 0.751, 1 - 2 ** -53].map(draw)).toEqual([0, 0, 2, 2, 3, 3]);
  });

  it("never takes a token of probability 0", () => {
    expect(drawToken(logs(0, 1, 0), 0)).toBe(1);
    expect(drawToken(logs(0, 1, 0), 1 - 2 ** -53)).toBe(1);
  });
});

describe("drawDistinct", () => {
  it("draws without replacement with the probabilities of one draw after the other", () => {
    const probabilities = [0.5, 0.3, 0.2];
    const uniforms = seededUniforms(11);
    const draws = 20_000;
    const counts = new Map<string, number>();
    for (let i = 0; i < draws; i++) {
      const drawn = drawDistinct(logs(...probabilities), 2, (index) => uniforms(0, i, index));
      counts.set(drawn.join(), (counts.get(drawn.join()) ?? 0) + 1);
    }
    for (const [a, first] of probabilities.entries()) {
      for (const [b, second] of probabilities.entries()) {
        if (a !== b) {
          expectFrequency(counts.get(`${a},${b}`) ?? 0, draws, (first * second) / (1 - first));
        }
      }
    }
    expect(counts.size).toBe(6);
  });

  it("draws -Infinity only when nothing else is left", () => {
    const scores = Float32Array.of(-Infinity, -90, -Infinity, 0);
    const drawn = drawDistinct(scores, 3, () => 0.3);
    expect(drawn.slice(0, 2)).toEqual([3, 1]);
    expect(drawn[2]).toBe(0);
  });
});

describe("seededUniforms", () => {
  it("depends on the seed (all 53 bits), the row, the step and the index, and on nothing else", () => {
    const seen = new Set<number>();
    for (const seed of [0, 1, 2 ** 32, 2 ** 53 - 1]) {
      const uniforms = seededUniforms(seed);
      for (const row of [0, 1, 2]) {
        for (const step of [0, 1, 2]) {
          for (const index of [0, 1, 2]) {
            const value = uniforms(row, step, index);
            expect(value >= 0 && value < 1).toBe(true);
            expect(seededUniforms(seed)(row, step, index)).toBe(value);
            seen.add(value);
          }
        }
      }
    }
    expect(seen.size).toBe(4 * 27);
  });

  it("is uniform", () => {
    const uniforms = seededUniforms(5);
    const draws = 16_000;
    const bins = new Array<number>(16).fill(0);
    for (let i = 0; i < draws; i++) bins[Math.floor(16 * uniforms(i % 8, i >> 3, 0))]!++;
    for (const count of bins) expectFrequency(count, draws, 1 / 16);
  });
});

describe("sampling with generate()", () => {
  const table = randomTable(9, 42, -1);
  const sample = async (batchSize: number, options: object): Promise<number[][]> => {
    const open = ({ rowsPerItem }: SessionSize) => new FakeSession(table, rowsPerItem);
    const all = { doSample: true, maxNewTokens: 12, ...options };
    return (await runGeneration(open, task(batchSize), all)).sequences;
  };

  it("draws with the probabilities of nextTokenProbabilities", async () => {
    const draws = 8000;
    const options = { temperature: 1.3, topK: 6, topP: 0.9 };
    const sequences = await sample(1, {
      ...options,
      maxNewTokens: 1,
      numReturnSequences: draws,
      seed: 3,
    });
    const expected = nextTokenProbabilities(table(0, [0]), options);
    for (const [token, probability] of expected.entries()) {
      const count = sequences.filter((ids) => ids[1] === token).length;
      if (probability === 0) expect(count).toBe(0);
      else expectFrequency(count, draws, probability);
    }
  });

  it("gives the same for the same seed and other sequences for another", async () => {
    const first = await sample(3, { seed: 7 });
    expect(await sample(3, { seed: 7 })).toEqual(first);
    expect(await sample(3, { seed: 8 })).not.toEqual(first);
    expect(await sample(3, {})).not.toEqual(await sample(3, {}));
  });

  it("gives a row the same tokens whatever is decoded beside it", async () => {
    for (let seed = 0; seed < 20; seed++) {
      const [alone] = await sample(1, { seed });
      const [first] = await sample(4, { seed });
      expect(untilEnd(first!)).toEqual(untilEnd(alone!));
    }
  });

  it("returns several different sequences per item, one item's next to each other", async () => {
    const sequences = await sample(2, { numReturnSequences: 3, seed: 1 });
    expect(sequences.length).toBe(6);
    expect(new Set(sequences.map((ids) => ids.join())).size).toBeGreaterThan(3);
    const best = { doSample: true, topK: 1, maxNewTokens: 12, numReturnSequences: 3 };
    const alike = await sample(2, best);
    for (const row of [0, 3]) {
      expect(alike[row + 1]).toEqual(alike[row]);
      expect(alike[row + 2]).toEqual(alike[row]);
    }
    expect(alike[3]).not.toEqual(alike[0]);
  });
});
