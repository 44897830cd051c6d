import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { trainingArguments, warmupSteps } from "../../src/train/arguments/arguments.ts";
import { trainingFlos } from "../../src/train/flos.ts";
import { planRun } from "../../src/train/plan.ts";
import { scheduleFactor, type ScheduleSettings } from "../../src/optim/schedule.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

describe("schedules", () => {
  it("grow linearly from 0 in the warmup", () => {
    for (const type of ["linear", "cosine", "constant_with_warmup"] as const) {
      const factor = (s: number) => scheduleFactor({ type, warmupSteps: 4, totalSteps: 10 }, s);
      expect([0, 1, 2, 3, 4].map(factor)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    }
  });

  it("then fall as their name says", () => {
    const factors = (type: ScheduleSettings["type"]) =>
      [2, 5, 7, 9, 10, 12].map((s) => scheduleFactor({ type, warmupSteps: 2, totalSteps: 10 }, s));
    expect(factors("linear")).toEqual([1, 0.625, 0.375, 0.125, 0, 0]);
    const cosine = [1, 5 / 8, 3 / 8, 1 / 8, 0, -2 / 8].map(
      (left) => 0.5 * (1 - Math.cos(Math.PI * left)),
    );
    factors("cosine").forEach((value, i) => expect(value).toBeCloseTo(cosine[i]!, 12));
    expect(factors("constant_with_warmup")).toEqual([1, 1, 1, 1, 1, 1]);
    expect(scheduleFactor({ type: "constant", warmupSteps: 5, totalSteps: 10 }, 0)).toBe(1);
  });

  it("give the notebook's hundred learning rates", () => {
    // docs/guide/hugging-face-semantics.md 2.5: 5e-5 (k - 1) / 100 at step k
    const schedule = { type: "linear", warmupSteps: 100, totalSteps: 100 } as const;
    const rates = Array.from({ length: 101 }, (_, s) => 5e-5 * scheduleFactor(schedule, s));
    rates.slice(0, 100).forEach((rate, s) => expect(rate).toBeCloseTo((5e-5 * s) / 100, 15));
    expect([rates[0], rates[9], rates[99], rates[100]]).toEqual([
      0, 4.5e-6, 4.9500000000000004e-5, 0,
    ]);
    expect(rates.reduce((sum, rate) => sum + rate)).toBeCloseTo(2.475e-3, 12);
  });

  it.skipIf(!hasShared)(needsShared("equal transformers' (golden/adamw.json)"), async () => {
    const golden = JSON.parse(await readFile(shared("golden", "adamw.json"), "utf8")) as {
      lr_at_step: Record<string, number[]>;
    };
    const schedules: Record<string, ScheduleSettings> = {
      linear_w100_t100: { type: "linear", warmupSteps: 100, totalSteps: 100 },
      linear_w100_t1950: { type: "linear", warmupSteps: 100, totalSteps: 1950 },
      cosine_w10_t100: { type: "cosine", warmupSteps: 10, totalSteps: 100 },
      constant_w10: { type: "constant_with_warmup", warmupSteps: 10, totalSteps: 100 },
    };
    expect(Object.keys(golden.lr_at_step).sort()).toEqual(Object.keys(schedules).sort());
    for (const [name, expected] of Object.entries(golden.lr_at_step)) {
      expected.forEach((rate, s) =>
        expect(
          Math.abs(5e-5 * scheduleFactor(schedules[name]!, s) - rate),
          `${name} ${s}`,
        ).toBeLessThan(1e-18),
      );
    }
  });

  it("take the warmup as steps, as a share, or as warmupRatio", () => {
    const steps = (args: Parameters<typeof trainingArguments>[0]) =>
      warmupSteps(trainingArguments(args), 55);
    expect(steps({})).toBe(0);
    expect(steps({ warmupSteps: 7, warmupRatio: 0.5 })).toBe(7);
    expect(steps({ warmupSteps: 0.1 })).toBe(6);
    expect(steps({ warmupRatio: 0.1 })).toBe(6);
  });
});

describe("planRun", () => {
  const plan = (args: Parameters<typeof trainingArguments>[0], rows: number | null) =>
    planRun(trainingArguments(args), rows);

  it("gives the notebook's figures", () => {
    const { batchesPerEpoch, maxSteps, epochs, samples } = plan(
      { maxSteps: 100, numTrainEpochs: 5 },
      12_460,
    );
    expect({ batchesPerEpoch, maxSteps, epochs, samples }).toEqual({
      batchesPerEpoch: 1558,
      maxSteps: 100,
      epochs: 1,
      samples: 800,
    });
    expect(100 / batchesPerEpoch).toBe(0.06418485237483953);
    const batch = Array.from({ length: 8 }, () => new Array<number>(512).fill(0));
    // flan-t5-base without its token and position embeddings (docs/guide/hugging-face-semantics.md 2.8)
    expect(100 * trainingFlos(batch, 222_902_784)).toBe(547_805_881_958_400);
  });

  it("counts updates of several batches, the last of an epoch with fewer", () => {
    const args = { perDeviceTrainBatchSize: 4, gradientAccumulationSteps: 3 };
    expect(plan({ ...args, numTrainEpochs: 2 }, 29)).toEqual({
      batchesPerEpoch: 8,
      stepsPerEpoch: 3,
      maxSteps: 6,
      epochs: 2,
      samples: 58,
    });
    expect(plan({ ...args, numTrainEpochs: 1.5 }, 29)).toMatchObject({ maxSteps: 5, epochs: 2 });
    expect(plan({ ...args, maxSteps: 7 }, 29)).toMatchObject({ epochs: 3, samples: 84 });
    expect(plan({ ...args, dataloaderDropLast: true }, 29)).toMatchObject({ batchesPerEpoch: 7 });
  });

  it("refuses what has no length", () => {
    expect(() => plan({}, null)).toThrow(
      /maxSteps: must be at least 1 when trainDataset is a stream/,
    );
    expect(() => plan({ dataloaderDropLast: true }, 7)).toThrow(
      /dataloaderDropLast: .* got 7 rows/,
    );
    expect(plan({ maxSteps: 5, gradientAccumulationSteps: 2 }, null)).toMatchObject({
      batchesPerEpoch: 10,
      stepsPerEpoch: 5,
      maxSteps: 5,
    });
  });
});
