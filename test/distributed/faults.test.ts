// Ranks that are killed, and jobs whose time is over: the run goes on from its newest checkpoint as if nothing had been.

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { singleProcess } from "../../src/distributed/processGroup.ts";
import { isFull } from "../support/full.ts";
import { uniform } from "../support/random.ts";
import { makesOf, mpiMakes, needsMpi, runRanks, type MpiMake } from "../support/mpi.ts";
import { off, trainOnce, type TrainCase, type TrainResult } from "./trainCase.ts";

vi.setConfig({ testTimeout: 400_000 }); // several processes on a machine that may be busy

describe.skipIf(mpiMakes.length === 0)(needsMpi("a run of two ranks"), () => {
  let folder: string;
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), "gradloom-faults-"))));
  afterEach(() => rm(folder, { recursive: true }));

  const given = (name: string, more: Partial<TrainCase> = {}): string => {
    const outputDir = join(folder, name);
    const steps = { perDeviceTrainBatchSize: 3, maxSteps: 8, saveSteps: 2, learningRate: 1e-2 };
    const args = { ...steps, saveStrategy: "steps" as const, outputDir };
    return JSON.stringify({ rows: 48, dropout: 0.2, args, ...more } satisfies TrainCase);
  };
  const resumesLike = async (
    make: MpiMake,
    name: string,
    more: Partial<TrainCase> = {},
  ): Promise<void> => {
    const [whole] = (await runRanks(make, 2, "trainRank.ts", [given("whole", more)])).results;
    const again = await runRanks(make, 2, "trainRank.ts", [given(name, { ...more, resume: true })]);
    const [resumed, other] = again.results as unknown as TrainResult[];
    expect(other?.isWorldProcessZero, again.stderr).toBe(false);
    expect(resumed?.losses, again.stderr).toEqual(whole!.losses);
    expect(resumed?.weights).toEqual(whole!.weights);
  };

  it.runIf(isFull).each(makesOf(0))("outlives the death of one under $name", async (make) => {
    const killed = { mischief: { rank: 1, step: 5, what: "kill" } };
    const { results, code } = await runRanks(make, 2, "trainRank.ts", [given("killed", killed)]);
    expect(results).toEqual([]);
    expect(code).not.toBe(0);
    expect((await readdir(join(folder, "killed"))).sort()).toEqual([
      ".gradloom.lock", // of a process that is gone: the next run takes it over
      "checkpoint-2",
      "checkpoint-4",
    ]);
    await resumesLike(make, "killed");
  });

  it.runIf(isFull).each(mpiMakes)("outlives ten deaths at random under $name", async (make) => {
    const next = uniform(make.name.length);
    for (let round = 0; round < 10; round++) {
      const [rank, step] = [Math.floor(2 * next()), 3 + Math.floor(5 * next())];
      const name = `killed ${round}`;
      // Between two steps, or milliseconds later: while gradients are summed or a checkpoint is written.
      const what = next() < 0.5 ? "kill" : "kill soon";
      const more: Partial<TrainCase> = { zeroStage: round % 2 === 0 ? 0 : 1 };
      const run = [given(name, { ...more, mischief: { rank, step, what } })];
      const { code } = await runRanks(make, 2, "trainRank.ts", run);
      expect(code, `rank ${rank} at step ${step}`).not.toBe(0);
      // Open MPI's launcher may end before the rank that it ends, which holds the lock until then.
      await new Promise((resolve) => setTimeout(resolve, 2000));
      await resumesLike(make, name, more);
    }
  });

  it("goes on as one process, and from one, with the moments dealt out and without", async () => {
    const make = makesOf(0)[0]!;
    const exact = { dropout: 0 };
    const stopped = { mischief: { rank: 0, step: 4, what: "stop" } };
    const alone = (name: string, more: Partial<TrainCase>) => {
      const { args, ...rest } = JSON.parse(given(name, { ...exact, ...more })) as TrainCase;
      return { ...rest, args: { ...args, gradientAccumulationSteps: 2 } };
    };
    const whole = await trainOnce(alone("whole", {}), singleProcess);

    await runRanks(make, 2, "trainRank.ts", [given("a", { ...exact, ...stopped, zeroStage: 1 })]);
    const joined = await trainOnce(alone("a", { resume: true }), singleProcess);
    await trainOnce(alone("b", stopped), singleProcess);
    const again = [given("b", { ...exact, resume: true, zeroStage: 1 })];
    const { results, stderr } = await runRanks(make, 2, "trainRank.ts", again);
    expect(results, stderr).toHaveLength(2);
    for (const result of [joined, ...(results as unknown as TrainResult[])]) {
      expect(result.steps).toBe(8);
      expect(off(result.losses, whole.losses)).toBeLessThan(1e-6);
      expect(off(result.weights, whole.weights)).toBeLessThan(1e-6);
    }
  });

  it.each(makesOf(1))("saves and ends at SIGTERM under $name", async (make) => {
    let asked = false;
    const { results, stderr } = await runRanks(
      ...([make, 2, "trainRank.ts", [given("stopped", { slow: 300 })]] as const),
      {
        // To the ranks, as srun sends it: Open MPI's mpirun would kill them a second later.
        onOutput: (stdout) => {
          const pids = [...stdout.matchAll(/step 2 of process (\d+)\n/g)].map((m) => Number(m[1]));
          if (asked || pids.length < 2) return;
          asked = true;
          process.kill(pids[0]!, "SIGTERM"); // one is enough: all stop together
        },
      },
    );
    expect(results, stderr).toHaveLength(2);
    const { steps } = results[0] as unknown as TrainResult;
    expect(steps).toBeLessThan(8);
    expect(await readdir(join(folder, "stopped"))).toContain(`checkpoint-${steps}`);
    await resumesLike(make, "stopped");
  });
});
