// What single training arguments do to a run.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Batch, Example } from "../../src/data/collate.ts";
import { lengthGroupedOrder } from "../../src/data/dataOrder.ts";
import { setWarningHandler } from "../../src/tensor/warnings.ts";
import type { TrainingArgumentsInput } from "../../src/train/arguments/arguments.ts";
import { Trainer, type TrainerOptions } from "../../src/train/trainer.ts";
import { SOURCES, TinyModel, tinyRows } from "../support/tinyModel.ts";

let folder: string;
let runs = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gradloom-arguments-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** A model that notes the batches it is trained on, and reads rows of any length by their first numbers. */
class Watcher extends TinyModel {
  readonly seen: Batch[] = [];

  override forward(batch: Batch) {
    if (this.training) this.seen.push(batch);
    return super.forward({
      ...batch,
      inputIds: batch.inputIds.map((ids) => ids.slice(0, SOURCES)),
    });
  }
}

const lengthOf = (i: number): number => SOURCES + ((i * 7) % 11);
/** Row i begins with i. */
const rows: Example[] = Array.from({ length: 23 }, (_, i) => ({
  inputIds: [i, ...new Array<number>(lengthOf(i) - 1).fill(1)],
  labels: [1, 2],
}));

function trainerOf(args: TrainingArgumentsInput, options: Partial<TrainerOptions> = {}) {
  const model = new Watcher();
  const trainer = new Trainer({
    model,
    trainDataset: rows,
    args: {
      ...{ outputDir: join(folder, `run-${runs++}`), saveStrategy: "no", disableTqdm: true },
      ...{ perDeviceTrainBatchSize: 4, learningRate: 1e-3, maxSteps: 6, ...args },
    },
    ...options,
  });
  return { model, trainer };
}

const firsts = (batches: readonly Batch[]): number[] =>
  batches.flatMap(({ inputIds }) => inputIds.map((ids) => ids[0]!));

describe("trainSamplingStrategy", () => {
  it("group_by_length gives transformers' order, epoch after epoch, also when resumed", async () => {
    const args = { trainSamplingStrategy: "group_by_length", maxSteps: 9, dataSeed: 5 } as const;
    const lengths = rows.map(({ inputIds }) => inputIds.length);
    const expected = [0, 1].flatMap((epoch) => [...lengthGroupedOrder(lengths, 4, 42, epoch)]);
    const { model, trainer } = trainerOf({ ...args, saveStrategy: "steps", saveSteps: 4 });
    await trainer.train();
    expect(firsts(model.seen)).toEqual(expected.slice(0, firsts(model.seen).length));
    expect(model.seen).toHaveLength(9);
    const resumed = trainerOf({ ...args, outputDir: trainer.args.outputDir });
    const checkpoint = join(trainer.args.outputDir, "checkpoint-4");
    await resumed.trainer.train({ resumeFromCheckpoint: checkpoint });
    expect(resumed.model.seen).toEqual(model.seen.slice(4));
  });

  it("counts what lengthColumnName says, and refuses a row without", async () => {
    const lengths = rows.map((_, i) => (i * 5) % 13);
    const told = rows.map((row, i) => ({ ...row, size: lengths[i] }));
    const args = { trainSamplingStrategy: "group_by_length", lengthColumnName: "size" } as const;
    const { model, trainer } = trainerOf(args, { trainDataset: told });
    await trainer.train();
    expect(firsts(model.seen)).toEqual([...lengthGroupedOrder(lengths, 4, 42, 0)]);
    const broken = trainerOf(args, { trainDataset: [told[0]!, rows[1]!] });
    await expect(broken.trainer.train()).rejects.toThrow(
      "lengthColumnName: size must be a length in every row, got undefined in row 1.",
    );
  });

  it("sequential keeps the rows' own order", async () => {
    const { model, trainer } = trainerOf({ trainSamplingStrategy: "sequential" });
    await trainer.train();
    expect(firsts(model.seen)).toEqual(rows.map((_, i) => i));
  });

  it("says that a stream has no lengths", async () => {
    const warnings: string[] = [];
    const before = setWarningHandler((text) => warnings.push(text));
    const stream = {
      async *[Symbol.asyncIterator]() {
        await Promise.resolve();
        yield* rows;
      },
    };
    const { trainer } = trainerOf(
      { trainSamplingStrategy: "group_by_length", maxSteps: 1 },
      { trainDataset: stream },
    );
    await trainer.train();
    setWarningHandler(before);
    expect(warnings).toEqual([
      expect.stringContaining('"group_by_length" has no effect on a stream'),
    ]);
  });

  it("group_by_length evaluates in that order, too, and gives predictions in the rows' own", async () => {
    const { model, trainer } = trainerOf(
      { trainSamplingStrategy: "group_by_length", predictWithGenerate: true },
      { evalDataset: rows },
    );
    const widths: number[] = [];
    Object.assign(model, {
      generate: ({ inputIds }: { inputIds: number[][] }) => {
        widths.push(inputIds[0]!.length);
        return Promise.resolve(inputIds.map((ids) => [ids[0]!, 0]));
      },
    });
    const { predictions, labelIds } = await trainer.predict(rows);
    expect(predictions.map(([first]) => first)).toEqual(rows.map((_, i) => i));
    expect(labelIds).toHaveLength(rows.length);
    expect(widths[0]).toBe(Math.max(...rows.map(({ inputIds }) => inputIds.length)));
  });
});

describe("includeNumInputTokensSeen", () => {
  const tokens = rows.slice(0, 8).reduce((sum, { inputIds }) => sum + inputIds.length, 0);
  it.each([
    ["non_padding", tokens],
    [true, 4 * 13 + 4 * 11],
  ] as const)("%s counts, logs and is taken up again", async (which, expected) => {
    const data = rows.slice(0, 8);
    const padded = Math.max(...data.slice(0, 4).map(({ inputIds }) => inputIds.length));
    const args = {
      ...{ includeNumInputTokensSeen: which, trainSamplingStrategy: "sequential" },
      ...{ loggingSteps: 1, maxSteps: 2, saveStrategy: "steps", saveSteps: 1 },
    } satisfies TrainingArgumentsInput;
    const { trainer } = trainerOf(args, { trainDataset: data });
    await trainer.train();
    const { logHistory, numInputTokensSeen } = trainer.state;
    const wholes =
      4 * padded + 4 * Math.max(...data.slice(4).map(({ inputIds }) => inputIds.length));
    const seen = which === true ? wholes : expected;
    expect(numInputTokensSeen).toBe(seen);
    expect(logHistory.map((record) => record.num_input_tokens_seen)).toEqual([
      expect.any(Number),
      ...[seen, seen],
    ]);
    expect(logHistory[0]!.train_tokens_per_second).toBeGreaterThan(0);
    const resumed = trainerOf(
      { ...args, outputDir: trainer.args.outputDir },
      { trainDataset: data },
    );
    await resumed.trainer.train({
      resumeFromCheckpoint: join(trainer.args.outputDir, "checkpoint-1"),
    });
    expect(resumed.trainer.state.numInputTokensSeen).toBe(seen);
  });
});

describe("lrSchedulerType", () => {
  const args = {
    ...{ lrSchedulerType: "reduce_lr_on_plateau", lrSchedulerKwargs: { patience: 0, mode: "max" } },
    ...{ evalStrategy: "steps", evalSteps: 1, maxSteps: 6, loggingSteps: 1, learningRate: 1e-4 },
    ...{ saveStrategy: "steps", saveSteps: 1 },
  } satisfies TrainingArgumentsInput;
  const data = { trainDataset: tinyRows(24), evalDataset: tinyRows(8, 9) };

  it("reduce_lr_on_plateau follows the evaluations, and goes on where a checkpoint stopped", async () => {
    const { trainer, model } = trainerOf(args, data);
    await trainer.train();
    const ratesOf = (history: typeof trainer.state.logHistory) =>
      history.flatMap(({ learning_rate: rate }) => rate ?? []);
    // The loss falls, which mode "max" takes for no improvement: from the second evaluation on a tenth.
    const rates = ratesOf(trainer.state.logHistory);
    [1e-4, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8].forEach((rate, i) =>
      expect(rates[i]).toBeCloseTo(rate, 12),
    );
    const resumed = trainerOf({ ...args, outputDir: trainer.args.outputDir }, data);
    await resumed.trainer.train({
      resumeFromCheckpoint: join(trainer.args.outputDir, "checkpoint-3"),
    });
    expect(ratesOf(resumed.trainer.state.logHistory)).toEqual(rates);
    expect(await resumed.model.weights()).toEqual(await model.weights());
    const path = join(trainer.args.outputDir, "checkpoint-3", "scheduler.json");
    const stored = JSON.parse(await readFile(path, "utf8")) as { metric_schedule: object };
    stored.metric_schedule = { ...stored.metric_schedule, lr: "fast" };
    await writeFile(path, JSON.stringify(stored));
    const broken = trainerOf({ ...args, outputDir: trainer.args.outputDir }, data).trainer.train({
      resumeFromCheckpoint: join(trainer.args.outputDir, "checkpoint-3"),
    });
    await expect(broken).rejects.toThrow(
      /scheduler.json: metric_schedule.lr must be a number of at least 0, got "fast"/,
    );
  });

  it("says before the first update what a schedule lacks", async () => {
    const { trainer, model } = trainerOf({ lrSchedulerType: "warmup_stable_decay" });
    await expect(trainer.train()).rejects.toThrow("needs num_decay_steps, got none");
    expect(model.seen).toEqual([]);
    expect(() => trainerOf({ lrSchedulerType: "greedy" })).toThrow(
      'lrSchedulerType: "greedy" needs evaluations, got evalStrategy "no".',
    );
  });
});

describe("optim", () => {
  const data = { trainDataset: tinyRows(24) };
  const args = {
    ...{ optim: "adafactor", maxSteps: 6, loggingSteps: 1, learningRate: 1e-2, weightDecay: 0.1 },
    ...{ saveStrategy: "steps", saveSteps: 1 },
  } satisfies TrainingArgumentsInput;

  it.each([
    ["as transformers' Trainer has it", {}],
    [
      "with its own rate and a first moment",
      { optimArgs: "relative_step=true,scale_parameter=true,beta1=0.9" },
    ],
  ])("adafactor %s goes on bit for bit where a checkpoint stopped", async (_, change) => {
    const { trainer, model } = trainerOf({ ...args, ...change }, data);
    await trainer.train();
    const { outputDir } = trainer.args;
    const resumed = trainerOf({ ...args, ...change, outputDir }, data);
    await resumed.trainer.train({ resumeFromCheckpoint: join(outputDir, "checkpoint-3") });
    expect(await resumed.model.weights()).toEqual(await model.weights());
    const ratesOf = (history: typeof trainer.state.logHistory) =>
      history.flatMap(({ learning_rate: rate }) => rate ?? []);
    const rates = ratesOf(trainer.state.logHistory);
    expect(ratesOf(resumed.trainer.state.logHistory)).toEqual(rates);
    const expected = [6, 5, 4, 3, 2, 1].map((left) => (1e-2 * left) / 6);
    if ("optimArgs" in change) expect(rates).toEqual(new Array(6).fill(1e-2));
    else rates.forEach((rate, i) => expect(rate).toBeCloseTo(expected[i]!, 12));
  });

  it("adafactor's update is that of the class with scaleParameter and relativeStep false", async () => {
    const { trainer, model } = trainerOf({ ...args, maxGradNorm: 0, maxSteps: 1 }, data);
    const before = await model.weights();
    await trainer.train();
    // The first update: every second moment is that of this gradient, so all but the norm's weights move by about the rate.
    const moved = (await model.weights()).map((x, i) => Math.abs(x - before[i]!));
    for (const step of moved.slice(SOURCES)) expect(step).toBeLessThan(3e-2);
    expect(Math.max(...moved)).toBeGreaterThan(1e-3);
  });

  it.each([
    [
      { optim: "adamw_torch", optimArgs: "beta1=0.9" },
      'optimArgs: must be left out with optim "adamw_torch"',
    ],
    [{ optim: "adafactor", optimArgs: "beta=0.9" }, 'and beta1 (numbers), got "beta=0.9"'],
    [{ optim: "adafactor", optimArgs: "scale_parameter=1" }, 'got "scale_parameter=1"'],
    [{ optim: "adafactor", optimArgs: "warmup_init=true" }, "warmupInit must be false without"],
  ] as const)("refuses %j", async (input, message) => {
    await expect(trainerOf(input, data).trainer.train()).rejects.toThrow(message);
  });

  it("refuses the state of another optimizer by name", async () => {
    const { trainer } = trainerOf({ ...args, optim: "adamw_torch", maxSteps: 1 }, data);
    await trainer.train();
    const other = trainerOf({ ...args, outputDir: trainer.args.outputDir }, data);
    await expect(other.trainer.train({ resumeFromCheckpoint: true })).rejects.toThrow(
      /optimizer.safetensors/,
    );
  });
});

describe("evaluations", () => {
  const generating = (args: TrainingArgumentsInput) => {
    const { model, trainer } = trainerOf(
      { predictWithGenerate: true, ...args },
      { evalDataset: rows.slice(0, 4) },
    );
    const generate = vi.fn((inputs: { inputIds: number[][] }, _options: object) =>
      Promise.resolve(inputs.inputIds.map(() => [0])),
    );
    return {
      trainer: Object.assign(trainer, { model: Object.assign(model, { generate }) }),
      generate,
    };
  };

  it("generate as generationConfig says, from an object or a file; other arguments win", async () => {
    const path = join(folder, "generation_config.json");
    await writeFile(path, '{"num_beams": 4, "length_penalty": 2, "eos_token_id": 1}');
    for (const generationConfig of [path, folder, { numBeams: 4, length_penalty: 2 }]) {
      const input = { generationConfig, generationNumBeams: 2 } as TrainingArgumentsInput;
      const { trainer, generate } = generating(input);
      await trainer.predict(rows.slice(0, 4));
      expect(generate.mock.calls[0]![1]).toMatchObject({ numBeams: 2, lengthPenalty: 2 });
    }
    const { trainer } = generating({ generationConfig: join(folder, "none") });
    await expect(trainer.predict(rows)).rejects.toThrow(
      "generationConfig: must be options, generation_config.json or its folder",
    );
    const wrong = generating({ generationConfig: { numBeams: 0 } });
    await expect(wrong.trainer.predict(rows)).rejects.toThrow("num_beams must be an integer of 1");
  });

  it("give their loss alone with predictionLossOnly", async () => {
    const computeMetrics = vi.fn(() => ({ own: 1 }));
    const { trainer } = trainerOf(
      { predictionLossOnly: true },
      { evalDataset: tinyRows(4), computeMetrics },
    );
    expect(await trainer.evaluate()).not.toHaveProperty("eval_own");
    expect(computeMetrics).not.toHaveBeenCalled();
  });
});

describe("resuming", () => {
  it("goes on from args.resumeFromCheckpoint, with ignoreDataSkip from the beginning of the epoch", async () => {
    const args = {
      trainSamplingStrategy: "sequential",
      saveStrategy: "steps",
      saveSteps: 2,
    } as const;
    const { trainer } = trainerOf(args);
    await trainer.train();
    const outputDir = trainer.args.outputDir;
    const checkpoint = join(outputDir, "checkpoint-2");
    const resumed = trainerOf({ ...args, outputDir, resumeFromCheckpoint: checkpoint });
    expect((await resumed.trainer.train()).globalStep).toBe(6);
    expect(firsts(resumed.model.seen)[0]).toBe(8);
    const anew = trainerOf({
      ...args,
      outputDir,
      resumeFromCheckpoint: checkpoint,
      ignoreDataSkip: true,
    });
    expect((await anew.trainer.train()).globalStep).toBe(6);
    expect(firsts(anew.model.seen)[0]).toBe(0);
    expect(anew.model.seen).toHaveLength(4);
  });
});

it("useCpu refuses a model elsewhere", () => {
  const model = new Watcher();
  const elsewhere = Object.assign(Object.create(model) as Watcher, {
    device: { kind: "webgpu" },
  });
  const args = { useCpu: true, disableTqdm: true };
  expect(() => new Trainer({ model: elsewhere, args })).toThrow(
    'useCpu: needs a model on the cpu device, got one on webgpu. Load it with openDevice("cpu").',
  );
  expect(() => new Trainer({ model, args })).not.toThrow();
});
