// Ranks that are killed, and jobs whose time is over: the run goes on from its newest checkpoint as if nothing had been.

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { makesOf, mpiMakes, needsMpi, runRanks } from "../support/mpi.ts";
import type { TrainCase, TrainResult } from "./trainCase.ts";

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
  const resumesLike = async (make: (typeof mpiMakes)[number], name: string): Promise<void> => {
    const [whole] = (await runRanks(make, 2, "trainRank.ts", [given("whole")])).results;
    const again = await runRanks(make, 2, "trainRank.ts", [given(name, { resume: true })]);
    const [resumed, other] = again.results as unknown as TrainResult[];
    expect(other?.isWorldProcessZero, again.stderr).toBe(false);
    expect(resumed?.losses, again.stderr).toEqual(whole!.losses);
    expect(resumed?.weights).toEqual(whole!.weights);
  };

  it.each(makesOf(0))("outlives the death of one under $name", async (make) => {
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
