// Calls side by side on one model: each as if it were alone, or refused by name.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TrainingArgumentsInput } from "../../src/train/arguments/arguments.ts";
import { Trainer, type TrainerOptions } from "../../src/train/trainer.ts";
import { ArgumentError } from "../../src/tensor/errors.ts";
import { nextTurn } from "../../src/tensor/nextTurn.ts";
import { tinyT5 } from "../support/tinyT5.ts";

type Model = ReturnType<typeof tinyT5>;

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gradloom-beside-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const rows = Array.from({ length: 12 }, (_, i) => ({
  inputIds: Array.from({ length: 3 + (i % 5) }, (_, j) => 2 + ((i * 7 + j) % 20)),
  labels: Array.from({ length: 2 + (i % 4) }, (_, j) => 2 + ((i * 5 + j) % 20)),
}));

function trainer(
  model: Model,
  args: TrainingArgumentsInput = {},
  more: Partial<TrainerOptions> = {},
): Trainer {
  return new Trainer({
    model,
    trainDataset: rows,
    evalDataset: rows.slice(0, 6),
    args: {
      ...{ outputDir: folder, maxSteps: 8, saveStrategy: "no", perDeviceTrainBatchSize: 4 },
      ...{ perDeviceEvalBatchSize: 2, disableTqdm: true, learningRate: 1e-2, ...args },
    },
    ...more,
  });
}

async function weightsOf(model: Model): Promise<number[]> {
  const all = await Promise.all([...model.parameters().values()].map((x) => x.data()));
  return all.flatMap((x) => [...x]);
}

/** Runs `again` over and over until `work` is done. */
async function beside<T>(work: Promise<T>, again: () => Promise<unknown>): Promise<[T, number]> {
  let times = 0;
  let done = false;
  const all = (async () => {
    while (!done) {
      await again();
      await nextTurn();
      times++;
    }
  })();
  const result = await work.finally(() => (done = true));
  await all;
  return [result, times];
}

describe.each(["f32", "bf16"] as const)("training in %s", (precision) => {
  const args = { bf16: precision === "bf16" };

  it("comes to the same weights beside evaluations, generation and forward passes", async () => {
    const alone = tinyT5();
    await trainer(alone, args).train();
    const wanted = await weightsOf(alone);
    const works: ((model: Model) => Promise<unknown>)[] = [
      (model) => trainer(model).evaluate(),
      (model) =>
        trainer(model, { predictWithGenerate: true, generationMaxLength: 4 }).predict(
          rows.slice(0, 4),
        ),
      (model) => model.generate({ inputIds: [rows[0]!.inputIds] }, { maxNewTokens: 4 }),
      async (model) => {
        const { loss } = model.forward({ inputIds: [[2, 3]], labels: [[4]] });
        await loss!.item();
        loss!.dispose();
      },
    ];
    for (const work of works) {
      const model = tinyT5();
      const [, times] = await beside(trainer(model, args).train(), () => work(model));
      expect(times).toBeGreaterThan(0);
      expect(await weightsOf(model)).toEqual(wanted);
      expect([model.training, model.autocast]).toEqual([false, null]);
      model.dispose();
    }
    alone.dispose();
  });
});

it("evaluates without dropout, and in its own precision, beside a training that changes nothing", async () => {
  const model = tinyT5();
  const losses = new Set<unknown>([(await trainer(model).evaluate())["eval_loss"]]);
  expect([...losses][0]).toBeGreaterThan(0);
  const training = trainer(model, { learningRate: 0, bf16: true, maxSteps: 20 }).train();
  await beside(training, async () => losses.add((await trainer(model).evaluate())["eval_loss"]));
  expect(losses.size).toBe(1);
  model.dispose();
});

it("leaves mode and precision as they were after overlapping evaluations", async () => {
  const model = tinyT5();
  model.train();
  await Promise.all([
    trainer(model, { bf16: true }).evaluate(),
    trainer(model, { perDeviceEvalBatchSize: 6 }).evaluate(),
    trainer(model, { bf16: true, perDeviceEvalBatchSize: 1 }).evaluate(),
  ]);
  expect([model.training, model.autocast]).toEqual([true, null]);
  model.dispose();
});

it("refuses a second training of one model by name, and takes the next one after it", async () => {
  const model = tinyT5();
  const first = trainer(model).train();
  const second = trainer(model).train();
  await expect(second).rejects.toThrow(ArgumentError);
  await expect(second).rejects.toThrow("must be trained by one run at a time");
  expect((await first).globalStep).toBe(8);
  const aborted = trainer(model).train({ signal: AbortSignal.abort(new Error("no")) });
  await expect(aborted).rejects.toThrow("no");
  expect((await trainer(model).train()).globalStep).toBe(8);
  model.dispose();
});

describe("a collator", () => {
  const cases: [string, () => unknown, string][] = [
    ["nothing", () => undefined, "collator: must return a batch, got undefined"],
    ["null", () => null, "collator: must return a batch, got null"],
    ["a promise", () => Promise.resolve({ inputIds: [[1]], labels: [[1]] }), "got a promise"],
    ["other names", () => ({ input_ids: [[1]] }), "must return inputIds in rows, got undefined"],
    [
      "one row",
      () => ({ inputIds: [1, 2], labels: [1] }),
      "must return inputIds in rows, got an array of 2",
    ],
    [
      "no row",
      () => ({ inputIds: [], labels: [] }),
      "must return inputIds in rows, got an array of 0",
    ],
    ["text", () => ({ inputIds: [[1]], labels: "text" }), "must return labels in rows, got string"],
  ];
  it.each(cases)("that returns %s is refused by name", async (_name, collator, message) => {
    const model = tinyT5();
    const broken = trainer(model, {}, { collator: collator as never });
    await expect(broken.train()).rejects.toThrow(ArgumentError);
    await expect(broken.train()).rejects.toThrow(message);
    await expect(broken.evaluate()).rejects.toThrow(message);
    model.dispose();
  });
});
