import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runGeneration } from "../../src/generation/generate.ts";
import type { GenerationOptions } from "../../src/generation/options.ts";
import type { SessionSize } from "../../src/generation/session.ts";
import { FakeSession, randomTable, task, type Table } from "./fakeSession.ts";

/** Two items that go on until maxNewTokens (end token never likely). */
const endless = randomTable(6, 9, -99);

function start(options: GenerationOptions, table = endless) {
  const session = new FakeSession(table, Math.max(options.numBeams ?? 1, 1));
  return { session, result: runGeneration(() => session, task(2), options) };
}

describe("runGeneration", () => {
  it("checks the options before it opens a session", async () => {
    let opened = false;
    const open = () => {
      opened = true;
      return new FakeSession(endless, 1);
    };
    await expect(runGeneration(open, task(2), { numBeams: 0 })).rejects.toThrowError("numBeams");
    expect(opened).toBe(false);
  });

  it("uses the model's defaults", async () => {
    const open = ({ rowsPerItem }: SessionSize) => new FakeSession(endless, rowsPerItem);
    const { sequences, sequencesScores } = await runGeneration(
      open,
      task(),
      { maxNewTokens: 3 },
      { source: "generation_config.json", raw: { num_beams: 2 } },
    );
    expect(sequences[0]!.length).toBe(4);
    expect(sequencesScores!.length).toBe(1);
  });

  it("closes the session once, also when a step fails", async () => {
    for (const numBeams of [1, 3]) {
      const { session, result } = start({ numBeams, maxNewTokens: 3 });
      await result;
      expect(session.closed).toBe(1);

      const failing = new FakeSession(endless, numBeams);
      failing.top = () => Promise.reject(new Error("device lost"));
      failing.greedy = failing.top as never;
      await expect(runGeneration(() => failing, task(2), { numBeams })).rejects.toThrowError(
        "device lost",
      );
      expect(failing.closed).toBe(1);
    }
  });
});

describe("signal", () => {
  it("rejects with its reason between two tokens and frees the session", async () => {
    for (const options of [{}, { doSample: true }, { numBeams: 2 }]) {
      const controller = new AbortController();
      let calls = 0;
      const table: Table = (item, history) => {
        // The fake computes synchronously, like the cpu device: timers run only if generation yields.
        if (calls++ === 10) setTimeout(() => controller.abort(), 0);
        return endless(item, history.slice(-2));
      };
      const maxNewTokens = 5_000;
      const { session, result } = start(
        { ...options, maxNewTokens, signal: controller.signal },
        table,
      );
      const error: unknown = await result.catch((reason: unknown) => reason);
      expect(error).toBe(controller.signal.reason);
      expect((error as Error).name).toBe("AbortError");
      expect(session.steps + session.greedySteps).toBeLessThan(maxNewTokens);
      expect(session.closed).toBe(1);
    }
  });

  it("passes on a reason of the caller's own", async () => {
    const reason = new Error("the page was left");
    const controller = new AbortController();
    const streamer = (): void => controller.abort(reason);
    const { session, result } = start({ signal: controller.signal, streamer });
    await expect(result).rejects.toBe(reason);
    expect(session.greedySteps).toBe(1);
  });

  it("opens no session when it was aborted before", async () => {
    const open = () => {
      throw new Error("opened");
    };
    await expect(
      runGeneration(open, task(), { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({
      name: "AbortError",
    });
  });

  it("leaves generation alone when it is not aborted", async () => {
    const { result } = start({ maxNewTokens: 3, signal: new AbortController().signal });
    expect((await result).sequences[0]!.length).toBe(4);
  });
});

describe("streamer", () => {
  it("gets the newest token of every row as soon as it is chosen, pads included, then the end", async () => {
    const table = randomTable(5, 21, 0.5);
    const events: (number[] | "end")[] = [];
    const session = new FakeSession(table, 1);
    const streamer = {
      put(tokens: number[]): void {
        events.push(tokens);
        // As soon as: the session has not yet been fed what it hands out.
        expect(session.greedySteps).toBe(events.length);
      },
      end(): void {
        events.push("end");
      },
    };
    const { sequences } = await runGeneration(() => session, task(3), { streamer });
    const lengths = sequences.map((ids) => ids.indexOf(1));
    expect(new Set(lengths).size).toBeGreaterThan(1);
    expect(events.pop()).toBe("end");
    expect(events).toEqual(
      sequences[0]!.slice(1).map((_, at) => sequences.map((ids) => ids[at + 1])),
    );
  });

  it("may be a function, and is waited for", async () => {
    const seen: number[][] = [];
    const streamer = async (tokens: number[]): Promise<void> => {
      await new Promise((resume) => setTimeout(resume, 1));
      seen.push(tokens);
    };
    const { session, result } = start({ streamer, maxNewTokens: 4 });
    const { sequences } = await result;
    expect(seen).toEqual([1, 2, 3, 4].map((at) => sequences.map((ids) => ids[at])));
    expect(session.closed).toBe(1);
  });

  it("owns what it is given", async () => {
    const plain = await start({ maxNewTokens: 4 }).result;
    const spoiled = await start({ maxNewTokens: 4, streamer: (tokens) => void tokens.fill(3) })
      .result;
    expect(spoiled).toEqual(plain);
  });

  it("fails generation when it throws, and is not ended then", async () => {
    let ended = false;
    const streamer = {
      put: () => Promise.reject(new Error("the pipe broke")),
      end: () => void (ended = true),
    };
    const { session, result } = start({ streamer });
    await expect(result).rejects.toThrowError("the pipe broke");
    expect(ended).toBe(false);
    expect(session.closed).toBe(1);
  });
});

describe("what leaves the device", () => {
  // A processor that never acts, but wants to see every score.
  const seeingAll: GenerationOptions = { noRepeatNgramSize: 50 };

  it.each<[string, GenerationOptions]>([
    ["beam search", { numBeams: 3, numReturnSequences: 2 }],
    ["sampling among the best", { doSample: true, topK: 4, topP: 0.9, temperature: 0.8, seed: 5 }],
  ])("%s reads only candidates, and gives what it would from all scores", (_, options) =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1 << 30 }), async (seed) => {
        const run = async (more: GenerationOptions) => {
          let session!: FakeSession;
          const open = ({ rowsPerItem: rows }: SessionSize) =>
            (session = new FakeSession(randomTable(9, seed), rows));
          const result = await runGeneration(open, task(2), {
            ...{ maxNewTokens: 6, ...options, ...more },
          });
          return { result, reads: session.fullReads };
        };
        const [few, all] = [await run({}), await run(seeingAll)];
        expect(few.reads).toBe(0);
        expect(all.reads).toBeGreaterThan(0);
        expect(few.result.sequences).toEqual(all.result.sequences);
        few.result.sequencesScores?.forEach((score, i) =>
          expect(score).toBeCloseTo(all.result.sequencesScores![i]!, 5),
        );
      }),
    ),
  );

  it("beams take the first of tokens whose sums are equal, though their own scores are not", async () => {
    // Three scores of about -1, 1e-7 apart: after some steps that is lost in the sum.
    const close: Table = () => Float32Array.from([-9, -99, -9, -9, -9, -9, 0, 1e-7, 2e-7]);
    const run = (more: GenerationOptions) =>
      runGeneration(({ rowsPerItem: rows }) => new FakeSession(close, rows), task(), {
        ...{ numBeams: 3, maxNewTokens: 12, ...more },
      });
    expect((await run({})).sequences).toEqual((await run(seeingAll)).sequences);
  });

  it("sampling reads all scores where others tie with the k-th", async () => {
    let session!: FakeSession;
    const tied: Table = () => Float32Array.of(1, -9, 3, 2, 2, 2);
    const open = ({ rowsPerItem: rows }: SessionSize) => (session = new FakeSession(tied, rows));
    await runGeneration(open, task(), { doSample: true, topK: 2, maxNewTokens: 3 });
    expect(session.fullReads).toBe(3);
  });
});
