// Every collective over installed libraries of MPI, on memory as tensors have it.

import { describe, expect, it, vi } from "vitest";
import { launchOf, threadsOfRank } from "../../src/distributed/launcher.ts";
import { openProcessGroup } from "../../src/distributed/openProcessGroup.ts";
import { singleProcess } from "../../src/distributed/processGroup.ts";
import { makesOf, mpiMakes, needsMpi, runRanks, standardAbi } from "../support/mpi.ts";

vi.setConfig({ testTimeout: 400_000 }); // several processes on a machine that may be busy

describe.skipIf(mpiMakes.length === 0)(needsMpi("collectives"), () => {
  it.each(makesOf(0))("of 3 ranks under $name", async (make) => {
    const { results, stderr, code } = await runRanks(make, 3, "collectivesRank.ts");
    expect(code).toBe(0);
    expectCollectives(results, stderr, make.name);
  });

  // MPICH 5 and Open MPI 6, as Debian's unstable branch has them: scripts/adapters/lavapipe runs a command there.
  it.skipIf(standardAbi.length === 0)("of 3 ranks by the standard ABI of MPI 5", async () => {
    for (const { make, library } of standardAbi) {
      const env = { GRADLOOM_MPI: library };
      const { results, stderr, code } = await runRanks(make, 3, "collectivesRank.ts", [], { env });
      expect(code, stderr).toBe(0);
      expectCollectives(results, stderr, "MPI standard ABI");
    }
  });

  it.each(makesOf(1))("end with the message of the rank that failed under $name", async (make) => {
    const { code, stderr, results } = await runRanks(make, 2, "collectivesRank.ts", ["fail"]);
    expect(stderr).toContain("rank 1 of 2: the disk is full");
    expect(code).not.toBe(0);
    expect(results).toEqual([]);
  });

  it.each(makesOf(2))("give up on a rank that is late under $name", async (make) => {
    const begun = performance.now();
    const env = { GRADLOOM_MPI_TIMEOUT: "1" };
    const { code, stderr } = await runRanks(make, 2, "collectivesRank.ts", ["late"], { env });
    expect(stderr).toContain("rank 0 of 2: allreduce: all 2 ranks must come within 1 s");
    expect(code).not.toBe(0);
    expect(performance.now() - begun).toBeLessThan(20_000);
  });

  it.skipIf(mpiMakes.length < 2)("refuse a library of another make than the launcher", async () => {
    const env = { GRADLOOM_MPI: "libmpich.so.12" };
    const { code, stderr } = await runRanks(mpiMakes[0]!, 2, "collectivesRank.ts", [], { env });
    expect(stderr).toMatch(
      // MPICH 5 notices by itself, before it has a world.
      /mpi: all 2 processes that Open MPI's mpirun started must see each other, got a world of 1 from MPICH|unsupported PMI version/,
    );
    expect(code).not.toBe(0);
  });
});

/** What collectivesRank.ts prints of three ranks. */
function expectCollectives(
  results: readonly Readonly<Record<string, unknown>>[],
  stderr: string,
  abi: string,
): void {
  expect(results, stderr).toHaveLength(3);
  for (const [rank, result] of results.entries()) {
    expect(result).toMatchObject({
      ...{ rank, size: 3 },
      sum: [3, 3 * 99_999 + 3],
      most: [2, -0].map((x) => x + 0),
      own: [0, 1, 2].map((i) => 6 * (3 * rank + i)),
      all: [0, 1, 10, 11, 20, 21],
      to: [rank, 10 + rank, 20 + rank],
      words: [8],
      gathered: [
        [0, 0, "NaN"],
        [1, 1, "1"],
        [2, 2, "1"],
      ],
    });
    expect(result["description"]).toContain(`(${abi}), rank ${rank} of 3`);
  }
}

describe("openProcessGroup", () => {
  it("is this process alone where no launcher started it", async () => {
    expect(await openProcessGroup("auto")).toBe(singleProcess);
    expect(await openProcessGroup("none")).toBe(singleProcess);
  });

  it("refuses another kind", () => {
    expect(() => openProcessGroup("nccl" as "mpi")).toThrow(
      'openProcessGroup: the kind must be "mpi", "none" or "auto", got "nccl"',
    );
  });

  it("names the library that cannot be loaded, and the cure", async () => {
    const env = { GRADLOOM_MPI: "/nowhere/libmpi.so", PMI_SIZE: "2" };
    const { stderr, code } = await runRanks(null, 0, "collectivesRank.ts", [], { env });
    expect(code).toBe(1);
    expect(stderr).toMatch(/mpi: needs a library of MPI, got none \(.*\/nowhere\/libmpi\.so/);
    expect(stderr).toContain("set GRADLOOM_MPI to the path of libmpi.so");
  });
});

describe("a group of one", () => {
  it("leaves everything as it is", async () => {
    const x = Float32Array.of(3, 4);
    await singleProcess.allreduce(x);
    await singleProcess.broadcast(x);
    expect([...x]).toEqual([3, 4]);
    const own = new Float32Array(2);
    expect(singleProcess.startReduceScatter(x, own).test()).toBe(true);
    expect([...own]).toEqual([3, 4]);
    expect(await singleProcess.gather("a")).toEqual(["a"]);
    expect(() => singleProcess.abort(new Error("no"))).toThrow("no");
  });
});

describe("launchOf", () => {
  it.each([
    [{}, null],
    [{ SLURM_NTASKS: "4", SLURM_PROCID: "0" }, null], // a batch script, not a task
    [
      { OMPI_COMM_WORLD_SIZE: "4", OMPI_COMM_WORLD_LOCAL_SIZE: "2", SLURM_STEP_NUM_TASKS: "1" },
      { name: "Open MPI's mpirun", family: "openmpi", size: 4, localSize: 2 },
    ],
    [
      { SLURM_STEP_NUM_TASKS: "6", SLURM_STEP_TASKS_PER_NODE: "2(x3)", PMI_SIZE: "6" },
      { name: "srun", family: null, size: 6, localSize: 2 },
    ],
    [
      { SLURM_STEP_NUM_TASKS: "5", SLURM_STEP_TASKS_PER_NODE: "2(x2),1" },
      { name: "srun", family: null, size: 5, localSize: null },
    ],
    [
      { PMI_SIZE: "2", MPI_LOCALNRANKS: "2" },
      { name: "MPICH's mpiexec", family: "mpich", size: 2, localSize: 2 },
    ],
  ])("reads %j", (environment, expected) => {
    expect(launchOf(environment)).toEqual(expected);
  });
});

describe("threadsOfRank", () => {
  const launch = launchOf({ PMI_SIZE: "4", MPI_LOCALNRANKS: "4" });
  it("shares the cores among ranks that nothing bound", () => {
    expect(threadsOfRank(launch, 16, 16)).toBe(4);
    expect(threadsOfRank(launch, 2, 2)).toBe(1);
  });
  it("leaves a rank the cores that it was bound to", () => {
    expect(threadsOfRank(launch, 16, 4)).toBeNull();
    expect(threadsOfRank(null, 16, 16)).toBeNull();
  });
});
