import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { beamSearch } from "../../src/generation/beamSearch.ts";
import { runGeneration } from "../../src/generation/generate.ts";
import type { GenerationOptions } from "../../src/generation/options.ts";
import { planGeneration } from "../../src/generation/plan.ts";
import { seededUniforms } from "../../src/generation/sampling.ts";
import type { SessionSize } from "../../src/generation/session.ts";
import {
  FakeSession,
  randomTable,
  sequenceLogProbability,
  task,
  untilEnd,
  type Table,
} from "./fakeSession.ts";

fc.configureGlobal({ seed: 20261123 });

async function search(table: Table, batchSize: number, options: GenerationOptions) {
  let session!: FakeSession;
  const open = ({ rowsPerItem }: SessionSize) => (session = new FakeSession(table, rowsPerItem));
  const { sequences, sequencesScores } = await runGeneration(open, task(batchSize), options);
  return { sequences, scores: sequencesScores!, steps: session.steps };
}

/** Every sequence of at most `maxNewTokens` tokens with its score, best first. */
function allSequences(
  table: Table,
  vocabSize: number,
  maxNewTokens: number,
  lengthPenalty: number,
) {
  const found: { ids: number[]; score: number }[] = [];
  const extend = (ids: number[]): void => {
    for (let token = 0; token < vocabSize; token++) {
      const longer = [...ids, token];
      if (token !== 1 && longer.length <= maxNewTokens) extend(longer);
      else {
        const score =
          sequenceLogProbability(table, 0, longer) / (longer.length - 1) ** lengthPenalty;
        found.push({ ids: longer, score });
      }
    }
  };
  extend([0]);
  return found.sort((a, b) => b.score - a.score);
}

const seed = fc.integer({ min: 1, max: 1 << 30 });
const lengthPenalty = fc.constantFrom(-0.5, 0, 0.6, 1, 2);
const earlyStopping = fc.constantFrom<boolean | "never">(true, false, "never");

describe("beam search", () => {
  it("with enough beams finds the best of all sequences, in order", () =>
    fc.assert(
      fc.asyncProperty(seed, lengthPenalty, async (seed, lengthPenalty) => {
        const table = randomTable(3, seed, -0.5);
        const options = { maxNewTokens: 4, lengthPenalty, numBeams: 81, numReturnSequences: 5 };
        const { sequences, scores } = await search(table, 1, options);
        const best = allSequences(table, 3, 4, lengthPenalty).slice(0, 5);
        expect(sequences.map(untilEnd)).toEqual(best.map((sequence) => sequence.ids));
        for (const [i, { score }] of best.entries()) expect(scores[i]).toBeCloseTo(score, 4);
      }),
      { numRuns: 40 },
    ));

  it("is greedy search with one beam that stops at the first end", () =>
    fc.assert(
      fc.asyncProperty(seed, async (seed) => {
        const table = randomTable(6, seed);
        const options = { maxNewTokens: 8, earlyStopping: true };
        const session = new FakeSession(table, 1);
        const beams = await beamSearch(session, task(), planGeneration(options), seededUniforms(0));
        const greedy = await runGeneration(() => new FakeSession(table, 1), task(), options);
        expect(beams.sequences).toEqual(greedy.sequences);
      }),
    ));

  const beams = fc.record({
    seed,
    lengthPenalty,
    earlyStopping,
    batchSize: fc.integer({ min: 1, max: 3 }),
    numBeams: fc.integer({ min: 2, max: 4 }),
    maxNewTokens: fc.integer({ min: 1, max: 8 }),
    doSample: fc.boolean(),
  });

  it("gives each sequence its own score, best first, however its beams were reordered", () =>
    fc.assert(
      fc.asyncProperty(beams, async ({ seed, batchSize, ...options }) => {
        const table = randomTable(7, seed);
        const numReturnSequences = options.numBeams - 1;
        const { sequences, scores } = await search(table, batchSize, {
          ...options,
          numReturnSequences,
          topK: 0,
          seed,
        });
        expect(sequences.length).toBe(batchSize * numReturnSequences);
        for (const [i, filled] of sequences.entries()) {
          const ids = untilEnd(filled);
          const item = Math.floor(i / numReturnSequences);
          const length = ids.length - 1;
          const exact = sequenceLogProbability(table, item, ids) / length ** options.lengthPenalty;
          expect(scores[i]).toBeCloseTo(exact, 4);
          expect(ids.at(-1) === 1 || length === options.maxNewTokens).toBe(true);
          // T5's filler is the end token: transformers takes the pad token 0 for unset.
          expect(filled.slice(ids.length).every((token) => token === 1)).toBe(true);
          if (i % numReturnSequences > 0) expect(scores[i]).toBeLessThanOrEqual(scores[i - 1]!);
        }
        expect(Math.max(...sequences.map((ids) => untilEnd(ids).length))).toBe(
          sequences[0]!.length,
        );
      }),
      { numRuns: 200 },
    ));

  it("gives an item the same whatever is decoded beside it", () =>
    fc.assert(
      fc.asyncProperty(beams, async ({ seed, batchSize, ...options }) => {
        const table = randomTable(7, seed);
        const one = await search(table, 1, { ...options, seed });
        const many = await search(table, 1 + batchSize, { ...options, seed });
        expect(untilEnd(many.sequences[0]!)).toEqual(untilEnd(one.sequences[0]!));
        expect(many.scores[0]).toBe(one.scores[0]);
      }),
      { numRuns: 200 },
    ));

  it("bans end tokens and repeated n-grams in every beam", () =>
    fc.assert(
      fc.asyncProperty(seed, async (seed) => {
        const options = { numBeams: 3, maxNewTokens: 7, minNewTokens: 4, noRepeatNgramSize: 2 };
        const { sequences } = await search(randomTable(6, seed, 2), 2, {
          ...options,
          numReturnSequences: 3,
        });
        for (const ids of sequences.map(untilEnd)) {
          expect(ids.length - 1).toBeGreaterThan(4);
          const pairs = ids.slice(1).map((token, i) => `${ids[i]},${token}`);
          expect(new Set(pairs).size).toBe(pairs.length);
        }
      }),
    ));

  it("penalises the log-probabilities of repeated tokens, not their logits", async () => {
    // Log-probabilities are negative: a penalty of 2 doubles those of the tokens that are present.
    const table: Table = () => Float32Array.from([0.5, 0.1, 0.4], Math.log);
    const { sequences, scores } = await search(table, 1, {
      numBeams: 2,
      maxNewTokens: 1,
      repetitionPenalty: 2,
    });
    expect(sequences).toEqual([[0, 2]]);
    expect(scores[0]).toBeCloseTo(Math.log(0.4), 5);
  });
});

/** A table written by hand: probabilities of tokens after a history; tokens left out have 1e-9. */
function scripted(
  vocabSize: number,
  next: (item: number, history: string) => Record<number, number>,
): Table {
  return (item, history) => {
    const given = next(item, history.slice(1).join(" "));
    return Float32Array.from({ length: vocabSize }, (_, token) => Math.log(given[token] ?? 1e-9));
  };
}

describe("the candidates of a step", () => {
  it("are enough to go on with all beams when the likeliest tokens end", async () => {
    // Both beams may end in both ways before either may go on, and going on leads to the best.
    const table = scripted(6, (_, history) => {
      if (history === "") return { 3: 0.55, 4: 0.45 };
      return history.length === 1 ? { 1: 0.4, 2: 0.4, 5: 0.2 } : { 5: 1 };
    });
    const ending = { ...task(), eosTokenIds: [1, 2] };
    const { sequences } = await runGeneration(() => new FakeSession(table, 2), ending, {
      numBeams: 2,
      maxNewTokens: 4,
      lengthPenalty: 2,
      earlyStopping: "never",
      numReturnSequences: 2,
    });
    expect(sequences).toEqual([
      [0, 3, 5, 5, 5],
      [0, 4, 5, 5, 5],
    ]);
  });
});

describe("an item that cannot improve", () => {
  // After two tokens the pool holds ln 0.55 = -0.60 and ln(0.25 x 0.9) / 2 = -0.75; the running leader
  // has ln(0.2 x 0.85) / 2 = -0.89. (Its -1.77 / 3 = -0.59 would do if the length were counted one on.)
  const table = scripted(6, (item, history) => {
    if (item > 0) return { 3: 1 };
    if (history === "") return { 1: 0.55, 2: 0.25, 3: 0.2 };
    if (history === "2") return { 1: 0.9, 4: 0.1 };
    return history === "3" ? { 1: 0.05, 4: 0.85, 5: 0.1 } : { 5: 1 };
  });
  const options = { numBeams: 2, maxNewTokens: 9, numReturnSequences: 2 };

  it("ends the search as soon as the leader's score now is no better than the pool's worst", async () => {
    const { sequences, scores, steps } = await search(table, 1, options);
    expect(sequences.map(untilEnd)).toEqual([
      [0, 1],
      [0, 2, 1],
    ]);
    expect(scores[0]).toBeCloseTo(Math.log(0.55), 5);
    expect(scores[1]).toBeCloseTo(Math.log(0.25 * 0.9) / 2, 5);
    expect(steps).toBe(2);
  });

  it("keeps its result while others go on, though its beams would get better with length", async () => {
    const { sequences, steps } = await search(table, 2, options);
    expect(sequences.slice(0, 2).map(untilEnd)).toEqual([
      [0, 1],
      [0, 2, 1],
    ]);
    expect(steps).toBe(9);
    const { sequences: patient } = await search(table, 1, { ...options, earlyStopping: "never" });
    expect(patient[0]).toEqual([0, 3, 4, 5, 5, 5, 5, 5, 5, 5]);
  });
});

describe("earlyStopping", () => {
  it("stops soonest when true and latest when never, which costs and gains score", async () => {
    const counts = { trueSooner: 0, neverLater: 0, neverBetter: 0 };
    for (let seed = 1; seed <= 60; seed++) {
      const table = randomTable(6, seed);
      const run = (earlyStopping: boolean | "never") =>
        search(table, 1, { numBeams: 2, maxNewTokens: 12, lengthPenalty: 1.5, earlyStopping });
      const [soon, now, never] = [await run(true), await run(false), await run("never")];
      expect(soon.steps).toBeLessThanOrEqual(now.steps);
      expect(now.steps).toBeLessThanOrEqual(never.steps);
      expect(soon.scores[0]).toBeLessThanOrEqual(now.scores[0]!);
      expect(now.scores[0]).toBeLessThanOrEqual(never.scores[0]!);
      if (soon.steps < now.steps) counts.trueSooner++;
      if (now.steps < never.steps) counts.neverLater++;
      if (now.scores[0]! < never.scores[0]!) counts.neverBetter++;
    }
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(0);
  });

  it("never hopes for no greater length when length does not raise scores", async () => {
    for (let seed = 1; seed <= 40; seed++) {
      for (const lengthPenalty of [-1, 0]) {
        const run = (earlyStopping: boolean | "never") =>
          search(randomTable(6, seed), 1, {
            numBeams: 2,
            maxNewTokens: 12,
            lengthPenalty,
            earlyStopping,
          });
        expect(await run("never")).toEqual(await run(false));
      }
    }
  });

  it("true stops at the step in which the numBeams-th sequence ends", async () => {
    // The end token and token 2 are always the likeliest two: each step ends one sequence.
    const table: Table = () => Float32Array.from([0.01, 0.5, 0.48, 0.01], Math.log);
    for (const numBeams of [2, 3]) {
      const options = {
        numBeams,
        maxNewTokens: 9,
        earlyStopping: true,
        numReturnSequences: numBeams,
      };
      const { sequences, steps } = await search(table, 1, options);
      const lengths = sequences.map((ids) => untilEnd(ids).length - 1);
      expect(Math.max(...lengths)).toBe(steps);
      expect(steps).toBeLessThan(9);
    }
  });
});

describe("beam sampling", () => {
  it("is deterministic by seed, and explores", async () => {
    const table = randomTable(12, 4);
    const run = async (seed: number) =>
      (
        await search(table, 2, { numBeams: 3, doSample: true, seed, maxNewTokens: 6 })
      ).sequences.join("|");
    expect(await run(5)).toBe(await run(5));
    const found = new Set(await Promise.all(Array.from({ length: 10 }, (_, seed) => run(seed))));
    expect(found.size).toBeGreaterThan(3);
  });

  it("draws anew for each item", async () => {
    const same = randomTable(12, 4);
    const table: Table = (_, history) => same(0, history);
    const options = { numBeams: 2, doSample: true, maxNewTokens: 6, seed: 1 };
    const { sequences } = await search(table, 6, options);
    expect(new Set(sequences.map((ids) => ids.join())).size).toBeGreaterThan(2);
  });

  it("is beam search when the candidates are all that there is", async () => {
    // Vocabulary 2: the 2K candidates of a step are all K x 2 continuations, drawn in some order.
    const table = randomTable(2, 8);
    const options = { numBeams: 2, maxNewTokens: 1, numReturnSequences: 1 };
    const sampled = await search(table, 1, { ...options, doSample: true, topK: 0, seed: 2 });
    const searched = await search(table, 1, options);
    expect(sampled.sequences).toEqual(searched.sequences);
    expect(sampled.scores).toEqual(searched.scores);
  });
});
