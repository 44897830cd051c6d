// generateMany on a model that is a table: what comes out, in which order, and who is in the batch meanwhile.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { longestFirst } from "../../src/generation/continuous.ts";
import { runGeneration } from "../../src/generation/generate.ts";
import { runMany, type GenerateManyOptions } from "../../src/generation/generateMany.ts";
import type { SessionSize } from "../../src/generation/session.ts";
import { FakeSession, randomTable, task, untilEnd, type Table } from "./fakeSession.ts";

fc.configureGlobal({ seed: 20261129 });

const file = { source: "generation_config.json", raw: {} };

/** Inputs whose lengths differ: item i has 1 + i % 4 tokens. */
const inputs = (count: number) => ({
  ...task(count),
  inputIds: Array.from({ length: count }, (_, i) => new Array<number>(1 + (i % 4)).fill(3)),
});

async function many(table: Table, count: number, options: GenerateManyOptions) {
  let session: FakeSession | null = null;
  let size: SessionSize | null = null;
  const open = (asked: SessionSize) => {
    size = asked;
    return (session = new FakeSession(table, asked.rowsPerItem));
  };
  const sequences: number[][] = [];
  for await (const ids of runMany(open, inputs(count), options, file)) sequences.push(ids);
  return { sequences, session: session as FakeSession | null, size: size as SessionSize | null };
}

const search = fc.constantFrom<GenerateManyOptions>(
  {},
  { minNewTokens: 2, repetitionPenalty: 1.3 },
  { doSample: true, seed: 7 },
  { doSample: true, seed: 7, topK: 2, numReturnSequences: 3 },
  { numBeams: 3 },
  { numBeams: 3, numReturnSequences: 2, earlyStopping: true },
  { numBeams: 2, doSample: true, seed: 5, noRepeatNgramSize: 2 },
);

describe("generateMany", () => {
  it("gives each row what it gets alone, in order, at any batch size", () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.integer({ min: 1, max: 1 << 30 }),
          count: fc.integer({ min: 1, max: 9 }),
          batchSize: fc.integer({ min: 1, max: 4 }),
          maxNewTokens: fc.integer({ min: 1, max: 7 }),
          search,
        }),
        async ({ seed, count, batchSize, maxNewTokens, search }) => {
          const table = randomTable(6, seed, 0.5);
          const options = { ...search, maxNewTokens };
          const { sequences, session } = await many(table, count, { ...options, batchSize });
          const alone = await many(table, count, { ...options, batchSize: 1 });
          expect(sequences).toEqual(alone.sequences);
          const perItem = options.numReturnSequences ?? 1;
          expect(sequences.length).toBe(count * perItem);
          expect([...session!.admitted].sort((a, b) => a - b)).toEqual([...Array(count).keys()]);
          expect(session!.mostRows).toBeLessThanOrEqual(
            Math.min(batchSize, count) * Math.max(perItem, options.numBeams ?? 1),
          );
          expect(session!.items).toEqual([]);
          expect(session!.closed).toBe(1);
        },
      ),
      { numRuns: 15 },
    ));

  it("gives what generate gives for a batch of greedy search and of sampling", () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1 << 30 }),
        fc.constantFrom<GenerateManyOptions>({}, { doSample: true, seed: 11 }),
        async (seed, search) => {
          const table = randomTable(6, seed, 0.5);
          const options = { ...search, maxNewTokens: 6 };
          const { sequences } = await many(table, 5, { ...options, batchSize: 2 });
          const open = ({ rowsPerItem }: SessionSize) => new FakeSession(table, rowsPerItem);
          const batch = await runGeneration(open, inputs(5), options);
          expect(sequences.map(untilEnd)).toEqual(batch.sequences.map(untilEnd));
        },
      ),
    ));

  it("lets the next row in as soon as one has ended", async () => {
    // Item i goes on for i + 1 tokens.
    const table: Table = (item, history) => {
      const logits = new Float32Array(4);
      logits[history.length > item ? 1 : 2] = 9;
      return logits;
    };
    const { session } = await many(table, 8, { maxNewTokens: 20, batchSize: 2 });
    // 1 + 2 + ... + 8 tokens in two places.
    expect(session!.greedySteps).toBeLessThan(22);
    const single = await many(table, 8, { maxNewTokens: 20, batchSize: 1 });
    expect(single.session!.greedySteps).toBe(36);
  });

  it("keeps to maxTokens, but takes a row that is too long alone", async () => {
    const table = randomTable(6, 3, -99);
    // A row counts for its 1 to 4 tokens and the 1 + 5 of its sequence.
    const few = await many(table, 8, { maxNewTokens: 5, maxTokens: 17 });
    expect(few.session!.mostRows).toBe(2);
    const one = await many(table, 4, { maxNewTokens: 5, maxTokens: 1 });
    expect(one.session!.mostRows).toBe(1);
    expect(one.sequences.length).toBe(4);
    const both = await many(table, 8, { maxNewTokens: 5, maxTokens: 1000, batchSize: 3 });
    expect(both.session!.mostRows).toBe(3);
  });

  it("tells how many are done", async () => {
    const told: (readonly [number, number])[] = [];
    const onProgress = (...each: [number, number]) => void told.push(each);
    await many(randomTable(6, 3), 5, { batchSize: 2, onProgress });
    expect(told).toEqual([1, 2, 3, 4, 5].map((done) => [done, 5]));
  });

  it("opens nothing for no rows, and closes when nobody goes on", async () => {
    expect((await many(randomTable(6, 3), 0, {})).session).toBeNull();
    const session = new FakeSession(randomTable(6, 3), 1);
    for await (const ids of runMany(() => session, inputs(5), { batchSize: 2 }, file)) {
      expect(ids[0]).toBe(0);
      break;
    }
    expect(session.closed).toBe(1);
  });

  it("ends with the signal's reason, and closes the session", async () => {
    const session = new FakeSession(randomTable(6, 3, -99), 1);
    const controller = new AbortController();
    const rows = runMany(
      () => session,
      inputs(5),
      { batchSize: 1, maxNewTokens: 3, signal: controller.signal },
      file,
    );
    await rows.next();
    controller.abort(new Error("enough"));
    await expect(rows.next()).rejects.toThrow("enough");
    expect(session.closed).toBe(1);
  });

  it.each([
    [{ batchSize: 0 }, "generateMany: batchSize must be a whole number >= 1, got 0"],
    [{ maxTokens: 1.5 }, "generateMany: maxTokens must be a whole number >= 1, got 1.5"],
    [{ streamer: () => undefined }, "generateMany: streamer must be left out"],
    [{ returnDictInGenerate: true }, "generateMany: returnDictInGenerate must be left out"],
    [{ numBeams: 0 }, "generate: numBeams must be"],
    [{ beams: 2 }, "generate: unknown option beams"],
  ])("refuses %j before anything is computed", (options, message) => {
    const open = () => new FakeSession(randomTable(6, 3), 1);
    expect(() => runMany(open, inputs(1), options as GenerateManyOptions, file)).toThrow(message);
  });
});

it("takes the longest rows of a window first", () => {
  expect(longestFirst([3, 5, 5, 1, 9, 2], 4)).toEqual([1, 2, 0, 3, 4, 5]);
  expect(longestFirst([], 4)).toEqual([]);
});
