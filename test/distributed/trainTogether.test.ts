// Several ranks train to what one process does that accumulates as many batches.

import { describe, expect, it, vi } from "vitest";
import { singleProcess } from "../../src/distributed/processGroup.ts";
import { isFull } from "../support/full.ts";
import { makesOf, mpiMakes, needsMpi, runRanks, type MpiMake } from "../support/mpi.ts";
import { hasShared } from "../support/shared.ts";
import { off, trainOnce, type TrainCase, type TrainResult } from "./trainCase.ts";

vi.setConfig({ testTimeout: 400_000 }); // several processes on a machine that may be busy

const tiny: TrainCase = {
  rows: 48,
  args: { perDeviceTrainBatchSize: 3, numTrainEpochs: 2, learningRate: 1e-2, weightDecay: 0.1 },
};

async function expectEqual(
  makes: readonly MpiMake[],
  ranks: number,
  given: TrainCase,
  alone: TrainCase,
): Promise<void> {
  const one = await trainOnce(alone, singleProcess);
  for (const make of makes) {
    const { results, stderr } = await runRanks(make, ranks, "trainRank.ts", [
      JSON.stringify(given),
    ]);
    expect(results, stderr).toHaveLength(ranks);
    for (const result of results as unknown as TrainResult[]) {
      expect(off(result.losses, one.losses)).toBeLessThan(1e-6);
      expect(off(result.norms, one.norms)).toBeLessThan(1e-5);
      expect(off(result.weights, one.weights)).toBeLessThan(1e-6);
      expect(result.metrics.total_flos).toBe(one.metrics.total_flos);
      expect(result.metrics.epoch).toBe(one.metrics.epoch);
      expect(result.steps).toBe(one.steps);
      expect(result.evaluations).toHaveLength(one.evaluations.length);
      for (const [i, evaluation] of result.evaluations.entries()) {
        const expected = one.evaluations[i]!;
        expect(off([evaluation.eval_loss!], [expected.eval_loss!])).toBeLessThan(1e-5);
        expect(evaluation.eval_checksum).toBe(expected.eval_checksum);
        expect(evaluation.eval_labels).toBe(expected.eval_labels);
      }
      // one log on all ranks, times included
      expect(result.evaluations).toEqual((results[0] as unknown as TrainResult).evaluations);
    }
  }
}

function accumulating(given: TrainCase, batches: number): TrainCase {
  return { ...given, args: { ...given.args, gradientAccumulationSteps: batches } };
}

describe.skipIf(mpiMakes.length === 0)(needsMpi("ranks equal one process"), () => {
  it.each(isFull ? [2, 4] : [2])("of %i times as many batches", async (ranks) => {
    await expectEqual(makesOf(0), ranks, tiny, accumulating(tiny, ranks));
  });

  it("with accumulation, evaluation, generation and checkpointed gradients", async () => {
    const given: TrainCase = {
      ...tiny,
      args: {
        ...tiny.args,
        ...{ gradientAccumulationSteps: 2, gradientCheckpointing: true, loggingSteps: 2 },
        ...{ evalStrategy: "epoch", predictWithGenerate: true, generationMaxLength: 5 },
        ...{ perDeviceEvalBatchSize: 3, maxGradNorm: 0.5 },
      },
      evaluates: true,
    };
    await expectEqual(makesOf(1), 2, given, accumulating(given, 4));
  });

  it.runIf(isFull)("with LoRA, whose adapters alone are summed", async () => {
    await expectEqual(
      mpiMakes,
      2,
      { ...tiny, lora: true },
      accumulating({ ...tiny, lora: true }, 2),
    );
  });

  it.each(isFull ? [2, 4] : [2])("with the moments dealt out over %i ranks", async (ranks) => {
    const alone = accumulating(tiny, ranks);
    await expectEqual(makesOf(0), ranks, { ...tiny, zeroStage: 1 }, alone);
    if (!isFull) return;
    await expectEqual(
      mpiMakes,
      ranks,
      { ...tiny, zeroStage: 1, lora: true },
      { ...alone, lora: true },
    );
  });

  it.runIf(isFull).each([0, 1] as const)("on webgpu, at ZeRO stage %i", async (zeroStage) => {
    const given: TrainCase = { ...tiny, device: "webgpu", args: { ...tiny.args, maxSteps: 4 } };
    await expectEqual(makesOf(0), 2, { ...given, zeroStage }, accumulating(given, 2));
  });

  it.skipIf(!hasShared || !isFull).each([2, 4])(
    "on golden/run-masked, with %i ranks",
    async (ranks) => {
      const given: TrainCase = {
        golden: "run-masked",
        rows: 96,
        args: { perDeviceTrainBatchSize: 6, maxSteps: 8, learningRate: 1e-3, warmupSteps: 2 },
      };
      await expectEqual(makesOf(0), ranks, given, accumulating(given, ranks));
    },
  );
});

describe.skipIf(mpiMakes.length === 0)(needsMpi("ranks"), () => {
  const make = mpiMakes[0] ?? null;
  const run = (given: TrainCase) => runRanks(make, 2, "trainRank.ts", [JSON.stringify(given)]);
  const short: TrainCase = { ...tiny, args: { ...tiny.args, maxSteps: 6 } };

  it("draw dropout masks of their own, and keep the same weights", async () => {
    const one = await trainOnce(accumulating({ ...short, dropout: 0.3 }, 2), singleProcess);
    const { results, stderr } = await run({ ...short, dropout: 0.3 });
    const [a, b] = results as unknown as TrainResult[];
    expect(a?.weights, stderr).toEqual(b?.weights);
    expect(a!.random.seed).toBe(one.random.seed);
    expect(b!.random.seed).not.toBe(a!.random.seed);
    expect(b!.random.offset).toBe(a!.random.offset);
    expect(off(a!.weights, one.weights)).toBeGreaterThan(1e-3);
  });

  it.runIf(isFull)(
    "send gradients in bf16 within its rounding, and keep the same weights",
    async () => {
      const one = await trainOnce(accumulating(short, 2), singleProcess);
      const { results, stderr } = await run({ ...short, wire: "bf16" });
      const [a, b] = results as unknown as TrainResult[];
      expect(a?.weights, stderr).toEqual(b?.weights);
      // Rounded once on each rank and once as a sum: 2^-8 in all.
      expect(off(a!.norms.slice(0, 1), one.norms.slice(0, 1))).toBeLessThan(2 ** -8);
      expect(off(a!.norms, one.norms)).toBeGreaterThan(1e-6);
    },
  );

  it.runIf(isFull)("stop where rank 0 says, and there alone", async () => {
    const stop = (rank: number) => run({ ...short, mischief: { rank, step: 2, what: "stop" } });
    expect((await stop(0)).results.map(({ steps }) => steps)).toEqual([2, 2]);
    expect((await stop(1)).results.map(({ steps }) => steps)).toEqual([6, 6]);
  });

  it.runIf(isFull)("name the rank whose weights differ", async () => {
    // The check comes before the checkpoint, which is not written.
    const outputDir = "/nowhere";
    const args = { ...short.args, saveStrategy: "steps" as const, saveSteps: 3, outputDir };
    const { code, stderr } = await run({
      ...{ ...short, args, mischief: { rank: 1, step: 3, what: "weights" } },
    });
    expect(stderr).toMatch(/must hold the same weights, got other ones on rank \d at step 3/);
    expect(code).not.toBe(0);
  });

  it("all end with the message of the one that fails", async () => {
    const { code, stderr, results } = await run({
      ...{ ...short, mischief: { rank: 1, step: 2, what: "throw" } },
    });
    expect(stderr).toContain("rank 1 of 2: the GPU was lost");
    expect(code).not.toBe(0);
    expect(results).toEqual([]);
  });
});
