// autoFindBatchSize: half the batch after a lack of memory, from the weights that the run began with.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Batch } from "../../src/data/collate.ts";
import { OutOfMemoryError } from "../../src/tensor/errors.ts";
import { setWarningHandler } from "../../src/tensor/warnings.ts";
import type { TrainingArgumentsInput } from "../../src/train/arguments/arguments.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { TinyModel, tinyRows } from "../support/tinyModel.ts";

let folder: string;
let runs = 0;
let warnings: string[] = [];
let before: ReturnType<typeof setWarningHandler>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gradloom-batch-"));
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(() => {
  warnings = [];
  before = setWarningHandler((text) => warnings.push(text));
});
afterEach(() => void setWarningHandler(before));

/** A model whose forward pass has memory for so many rows, and `spared` times for more. */
class Cramped extends TinyModel {
  readonly sizes: number[] = [];
  readonly rows: number;
  spared: number;

  constructor(rows: number, spared = 0) {
    super();
    this.rows = rows;
    this.spared = spared;
  }

  override forward(batch: Batch) {
    const { length } = batch.inputIds;
    this.sizes.push(length);
    if (length > this.rows && this.spared-- <= 0) throw new OutOfMemoryError("cpu: too small");
    return super.forward(batch);
  }
}

async function run(model: TinyModel, args: TrainingArgumentsInput) {
  const outputDir = join(folder, `run-${runs++}`);
  const trainer = new Trainer({
    model,
    trainDataset: tinyRows(24),
    args: {
      ...{ outputDir, saveStrategy: "no", disableTqdm: true, learningRate: 1e-2, maxSteps: 6 },
      ...{ autoFindBatchSize: true, ...args },
    },
  });
  const output = await trainer.train();
  return { trainer, output, weights: await model.weights() };
}

describe("autoFindBatchSize", () => {
  it.each([
    ["at the first update", 0],
    ["after two updates", 2],
  ])("halves the batch and begins anew when memory runs out %s", async (_, spared) => {
    const cramped = new Cramped(2, spared);
    const found = await run(cramped, { perDeviceTrainBatchSize: 8 });
    expect(found.output.globalStep).toBe(6);
    expect(found.trainer.state.trainBatchSize).toBe(2);
    expect(found.trainer.args.perDeviceTrainBatchSize).toBe(2);
    const attempts = [...new Array<number>(spared + 1).fill(8), 4, ...new Array<number>(6).fill(2)];
    expect(cramped.sizes).toEqual(attempts);
    const told = await run(new TinyModel(), {
      perDeviceTrainBatchSize: 2,
      autoFindBatchSize: false,
    });
    expect(found.weights).toEqual(told.weights);
    expect(found.trainer.state.logHistory.map(({ step }) => step)).toEqual(
      told.trainer.state.logHistory.map(({ step }) => step),
    );
    expect(warnings).toEqual([
      "autoFindBatchSize: a batch of 8 does not fit, and the run begins anew with 4 (cpu: too small)",
      "autoFindBatchSize: a batch of 4 does not fit, and the run begins anew with 2 (cpu: too small)",
    ]);
  });

  it("goes on with the batch that a checkpoint was written with", async () => {
    const args = { perDeviceTrainBatchSize: 8, saveStrategy: "steps", saveSteps: 3 } as const;
    const first = await run(new Cramped(2), args);
    const model = new TinyModel(); // with memory enough
    const { outputDir } = first.trainer.args;
    const trainer = new Trainer({
      model,
      trainDataset: tinyRows(24),
      args: { ...first.trainer.args, perDeviceTrainBatchSize: 8, outputDir },
    });
    await trainer.train({ resumeFromCheckpoint: join(outputDir, "checkpoint-3") });
    expect(trainer.state.trainBatchSize).toBe(2);
    expect(await model.weights()).toEqual(first.weights);
  });

  it("throws where one row does not fit, another error, and without it the first", async () => {
    await expect(run(new Cramped(0), { perDeviceTrainBatchSize: 2 })).rejects.toThrow(
      OutOfMemoryError,
    );
    expect(warnings).toHaveLength(1);
    const cramped = new Cramped(2);
    const off = run(cramped, { perDeviceTrainBatchSize: 8, autoFindBatchSize: false });
    await expect(off).rejects.toThrow(OutOfMemoryError);
    expect(cramped.sizes).toEqual([8]);
    const broken = Object.assign(new TinyModel(), {
      forward: () => {
        throw new Error("broken");
      },
    });
    await expect(run(broken, { perDeviceTrainBatchSize: 8 })).rejects.toThrow("broken");
    expect(warnings).toHaveLength(1);
  });
});
