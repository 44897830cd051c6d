import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runGeneration } from "../../src/generation/generate.ts";
import type { GenerationOptions } from "../../src/generation/options.ts";
import type { SessionSize } from "../../src/generation/session.ts";
import { FakeSession, randomTable, task, type Table } from "./fakeSession.ts";

fc.configureGlobal({ seed: 20261123 });

async function greedy(
  table: Table,
  batchSize: number,
  options: GenerationOptions,
): Promise<{ sequences: number[][]; session: FakeSession }> {
  let session!: FakeSession;
  const open = ({ rowsPerItem }: SessionSize) => (session = new FakeSession(table, rowsPerItem));
  const { sequences } = await runGeneration(open, task(batchSize), options);
  return { sequences, session };
}

/** One item alone, by the definition: the best token of each step, until the end token. */
function followBest(
  table: Table,
  item: number,
  maxNewTokens: number,
  adjust: (logits: Float32Array, ids: number[]) => void = () => undefined,
): number[] {
  const ids = [0];
  while (ids.length <= maxNewTokens && (ids.length === 1 || ids.at(-1) !== 1)) {
    const logits = table(item, ids);
    adjust(logits, ids);
    ids.push(logits.indexOf(Math.max(...logits)));
  }
  return ids;
}

const cases = {
  seed: fc.integer({ min: 1, max: 1 << 30 }),
  batchSize: fc.integer({ min: 1, max: 4 }),
  maxNewTokens: fc.integer({ min: 1, max: 9 }),
};

describe("greedy search", () => {
  it("takes the best token of every step and pads rows that ended, without fetching logits", () =>
    fc.assert(
      fc.asyncProperty(fc.record(cases), async ({ seed, batchSize, maxNewTokens }) => {
        const table = randomTable(5, seed);
        const { sequences, session } = await greedy(table, batchSize, { maxNewTokens });
        const expected = Array.from({ length: batchSize }, (_, i) =>
          followBest(table, i, maxNewTokens),
        );
        const longest = Math.max(...expected.map((ids) => ids.length));
        expect(sequences).toEqual(
          expected.map((ids) => [...ids, ...new Array<number>(longest - ids.length).fill(0)]),
        );
        expect(session.steps).toBe(0);
        expect(session.greedySteps).toBe(longest - 1);
      }),
    ));

  it("gives the same sequences when it looks only every few tokens", () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({ ...cases, lookahead: fc.integer({ min: 2, max: 5 }) }),
        async ({ seed, batchSize, maxNewTokens, lookahead }) => {
          const table = randomTable(5, seed);
          const streamed: number[][] = [];
          const streamer = { put: (tokens: number[]) => void streamed.push(tokens), end: () => {} };
          const open = ({ rowsPerItem: rows }: SessionSize) =>
            Object.assign(new FakeSession(table, rows), { lookahead });
          const ahead = await runGeneration(open, task(batchSize), { maxNewTokens, streamer });
          const { sequences } = await greedy(table, batchSize, { maxNewTokens });
          expect(ahead.sequences).toEqual(sequences);
          expect(streamed.length).toBe(sequences[0]!.length - 1);
        },
      ),
    ));

  it("bans the end token for minNewTokens", () =>
    fc.assert(
      fc.asyncProperty(fc.record(cases), async ({ seed, maxNewTokens }) => {
        const minNewTokens = Math.ceil(maxNewTokens / 2);
        const table = randomTable(5, seed, 2);
        const { sequences } = await greedy(table, 1, { maxNewTokens, minNewTokens });
        const expected = followBest(table, 0, maxNewTokens, (logits, ids) => {
          if (ids.length - 1 < minNewTokens) logits[1] = -Infinity;
        });
        expect(sequences).toEqual([expected]);
      }),
    ));

  it("applies processors to each row's own tokens", async () => {
    const table = randomTable(6, 5, -9);
    const { sequences } = await greedy(table, 3, { maxNewTokens: 4, noRepeatNgramSize: 1 });
    for (const [item, ids] of sequences.entries()) {
      expect(new Set(ids).size).toBe(5);
      expect(ids).toEqual(
        followBest(table, item, 4, (logits, past) =>
          past.forEach((id) => (logits[id] = -Infinity)),
        ),
      );
    }
  });

  it("counts the start token in maxLength, and 20 new tokens by default", async () => {
    const endless = randomTable(5, 3, -99);
    expect((await greedy(endless, 1, { maxLength: 4 })).sequences[0]!.length).toBe(4);
    expect((await greedy(endless, 1, { maxNewTokens: 4 })).sequences[0]!.length).toBe(5);
    expect((await greedy(endless, 1, {})).sequences[0]!.length).toBe(21);
  });

  it("ends at any of several end tokens", async () => {
    const table: Table = (_, history) =>
      Float32Array.of(0, 0, 0, 0, 0).fill(9, history.length + 1, history.length + 2);
    const open = () => new FakeSession(table, 1);
    const ending = { ...task(), eosTokenIds: [1, 3] };
    expect((await runGeneration(open, ending)).sequences).toEqual([[0, 2, 3]]);
  });
});
