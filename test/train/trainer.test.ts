import { describe, expect, it } from "vitest";
import { crossEntropy } from "../../src/autograd/ops/crossEntropy.ts";
import { T5Config } from "../../src/t5/config.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { ArgumentError, DatasetError } from "../../src/tensor/errors.ts";
import { Scope, scope } from "../../src/tensor/scope.ts";
import { full, tensor } from "../../src/tensor/tensor.ts";
import type { TrainingArgumentsInput } from "../../src/train/arguments/arguments.ts";
import type { IndexedDataset } from "../../src/data/batches.ts";
import { EarlyStoppingCallback, type TrainerCallback } from "../../src/train/callbacks.ts";
import type { Example } from "../../src/data/collate.ts";
import { epochOrder } from "../../src/data/dataOrder.ts";
import { countWithoutEmbeddings } from "../../src/train/flos.ts";
import { RunningLoss } from "../../src/train/runningLoss.ts";
import { batchLoss } from "../../src/train/loss.ts";
import { Trainer, type TrainerOptions } from "../../src/train/trainer.ts";
import { cpu } from "../support/device.ts";
import { TinyModel, tinyRows } from "../support/tinyModel.ts";

const quiet = { saveStrategy: "no", disableTqdm: true } as const;

function makeTrainer(
  args: TrainingArgumentsInput,
  options: Partial<TrainerOptions> = {},
): Trainer & { model: TinyModel } {
  const model = options.model ?? new TinyModel();
  const trainDataset = options.trainDataset ?? tinyRows(12);
  return new Trainer({
    ...options,
    model,
    trainDataset,
    args: { ...quiet, ...args },
  }) as Trainer & {
    model: TinyModel;
  };
}

/** Mean squared error of the untrained TinyModel over rows, and the norm of its gradient, in f64. */
async function lossByHand(model: TinyModel, rows: readonly Example[]) {
  const w = [...(await model.dense.data())];
  const dw = w.map(() => 0);
  const ds = [0, 0, 0];
  let loss = 0;
  const count = 2 * rows.length;
  for (const { inputIds: x, labels } of rows) {
    for (let t = 0; t < 2; t++) {
      const error = x.reduce((sum, value, s) => sum + value * w[2 * s + t]!, 0) - labels[t]!;
      loss += error ** 2 / count;
      x.forEach((value, s) => {
        dw[2 * s + t]! += (2 * error * value) / count;
        ds[s]! += (2 * error * value * w[2 * s + t]!) / count;
      });
    }
  }
  return { loss, norm: Math.hypot(...dw, ...ds) };
}

describe("Trainer", () => {
  it("learns", async () => {
    const trainer = makeTrainer({ maxSteps: 150, learningRate: 0.05, loggingSteps: 50 });
    const { globalStep, trainingLoss, metrics } = await trainer.train();
    const losses = trainer.state.logHistory.flatMap(({ loss }) => loss ?? []);
    expect(losses.length).toBe(3);
    expect(losses[2]).toBeLessThan(0.1 * losses[0]!);
    expect(globalStep).toBe(150);
    expect(trainingLoss).toBeCloseTo((losses[0]! + losses[1]! + losses[2]!) / 3, 5);
    expect(metrics.train_loss).toBe(trainingLoss);
    expect(metrics.epoch).toBe(75);
  });

  it("logs transformers' keys", async () => {
    const trainer = makeTrainer(
      { maxSteps: 2, loggingSteps: 1, evalStrategy: "steps", evalSteps: 2, learningRate: 0.01 },
      { evalDataset: tinyRows(5) },
    );
    await trainer.train();
    expect(trainer.state.logHistory.map((record) => Object.keys(record))).toEqual([
      ["loss", "grad_norm", "learning_rate", "epoch", "step"],
      ["loss", "grad_norm", "learning_rate", "epoch", "step"],
      [
        ...["eval_loss", "eval_runtime", "eval_samples_per_second", "eval_steps_per_second"],
        ...["epoch", "step"],
      ],
      [
        ...["train_runtime", "train_samples_per_second", "train_steps_per_second"],
        ...["total_flos", "train_loss", "epoch", "step"],
      ],
    ]);
    expect(trainer.state.logHistory.map(({ step, epoch }) => [step, epoch])).toEqual([
      [1, 0.5],
      [2, 1],
      [2, 1],
      [2, 1],
    ]);
    const off = makeTrainer({ maxSteps: 1, loggingSteps: 1, maxGradNorm: 0 });
    await off.train();
    expect(Object.keys(off.state.logHistory[0]!)).toEqual([
      "loss",
      "learning_rate",
      "epoch",
      "step",
    ]);
  });

  it("logs no loss a second time when it is asked to at the end of an epoch", async () => {
    const callback: TrainerCallback = {
      onEpochEnd: (_args, _state, control) => void (control.shouldLog = true),
    };
    const trainer = makeTrainer({ maxSteps: 4, loggingSteps: 2 }, { callbacks: [callback] });
    await trainer.train();
    const logged = trainer.state.logHistory.filter(({ loss }) => loss !== undefined);
    expect(logged.map(({ step, epoch }) => [step, epoch])).toEqual([
      [2, 1],
      [4, 2],
    ]);
  });

  it("reports loss and gradient norm of exactly the rows of the step", async () => {
    // Six rows in batches of two, two batches an update: the second update of an epoch has one.
    const rows = tinyRows(6);
    const args = { perDeviceTrainBatchSize: 2, gradientAccumulationSteps: 2, learningRate: 0 };
    const trainer = makeTrainer(
      { ...args, numTrainEpochs: 2, loggingSteps: 1 },
      { trainDataset: rows },
    );
    const { model } = trainer;
    await trainer.train();
    expect(trainer.state.globalStep).toBe(4);
    for (const [i, record] of trainer.state.logHistory.slice(0, 4).entries()) {
      const order = [...epochOrder(6, 42, Math.floor(i / 2))].map((row) => rows[row]!);
      const byHand = await lossByHand(model, i % 2 === 0 ? order.slice(0, 4) : order.slice(4));
      expect(record.loss).toBeCloseTo(byHand.loss, 5);
      expect(record.grad_norm).toBeCloseTo(byHand.norm, 5);
    }
  });

  it("takes the data order from dataSeed, else from seed", async () => {
    const seen = async (args: TrainingArgumentsInput): Promise<number[]> => {
      const rows = tinyRows(6);
      const order: number[] = [];
      const dataset: IndexedDataset = {
        length: 6,
        get: (i) => {
          order.push(i);
          return Promise.resolve(rows[i]!);
        },
      };
      await makeTrainer(
        { maxSteps: 2, perDeviceTrainBatchSize: 3, ...args },
        { trainDataset: dataset },
      ).train();
      return order;
    };
    expect(await seen({})).toEqual([...epochOrder(6, 42, 0)]);
    expect(await seen({ seed: 3 })).toEqual([...epochOrder(6, 3, 0)]);
    expect(await seen({ seed: 3, dataSeed: 9 })).toEqual([...epochOrder(6, 9, 0)]);
  });

  it("repeats a run bit for bit, dropout included, and differs with another seed", async () => {
    const run = async (seed: number): Promise<number[]> => {
      const model = new TinyModel({ dropoutRate: 0.3 });
      // dataSeed fixed: only the dropout masks differ
      await makeTrainer({ maxSteps: 9, learningRate: 0.1, seed, dataSeed: 1 }, { model }).train();
      return model.weights();
    };
    const first = await run(42);
    expect(await run(42)).toEqual(first);
    expect(await run(43)).not.toEqual(first);
  });

  it("runs events in transformers' order", async () => {
    const events: string[] = [];
    const recorder = new Proxy({} as TrainerCallback, {
      get: (_, event) =>
        typeof event === "string" && event.startsWith("on")
          ? () => void events.push(event.slice(2))
          : undefined,
    });
    const trainer = makeTrainer(
      {
        ...{ numTrainEpochs: 1, perDeviceTrainBatchSize: 4, gradientAccumulationSteps: 2 },
        ...{ loggingSteps: 2, evalStrategy: "epoch" },
      },
      { evalDataset: tinyRows(3), callbacks: [recorder] },
    );
    await trainer.train();
    expect(events).toEqual([
      ...["InitEnd", "TrainBegin", "EpochBegin"],
      ...["StepBegin", "SubstepEnd", "PreOptimizerStep", "OptimizerStep", "StepEnd"],
      ...["StepBegin", "PreOptimizerStep", "OptimizerStep", "StepEnd", "Log"],
      ...["EpochEnd", "PredictionStep", "Log", "Evaluate", "Log", "TrainEnd"],
    ]);
  });

  it("evaluates at the last step too, once, unless evalDelay lies behind it", async () => {
    const evaluated = async (args: TrainingArgumentsInput): Promise<number[]> => {
      const trainer = makeTrainer(
        { evalStrategy: "steps", evalSteps: 2, ...args },
        { evalDataset: tinyRows(3) },
      );
      await trainer.train();
      return trainer.state.logHistory.flatMap(({ eval_loss, step }) =>
        eval_loss === undefined ? [] : [step!],
      );
    };
    expect(await evaluated({ maxSteps: 5 })).toEqual([2, 4, 5]);
    expect(await evaluated({ maxSteps: 4 })).toEqual([2, 4]);
    expect(await evaluated({ maxSteps: 5, evalDelay: 3 })).toEqual([4, 5]);
    expect(await evaluated({ maxSteps: 5, evalDelay: 6 })).toEqual([]);
  });

  it("awaits onInitEnd before it trains, and lets its error out there", async () => {
    const events: string[] = [];
    const callback: TrainerCallback = {
      async onInitEnd() {
        await Promise.resolve();
        events.push("init");
      },
      onTrainBegin: () => void events.push("train"),
    };
    await makeTrainer({ maxSteps: 1 }, { callbacks: [callback] }).train();
    expect(events).toEqual(["init", "train"]);
    const failing = { onInitEnd: () => Promise.reject(new Error("no")) };
    await expect(makeTrainer({}, { callbacks: [failing] }).train()).rejects.toThrow("no");
  });

  it("obeys the flags that callbacks set", async () => {
    const callback: TrainerCallback = {
      onStepEnd(_args, state, control) {
        if (state.globalStep === 2) control.shouldLog = true;
        if (state.globalStep === 3) control.shouldTrainingStop = true;
      },
    };
    const trainer = makeTrainer({ maxSteps: 50 }, { callbacks: [callback] });
    const { globalStep } = await trainer.train();
    expect(globalStep).toBe(3);
    expect(trainer.state.logHistory.map(({ step, loss }) => [step, loss !== undefined])).toEqual([
      [2, true],
      [3, false],
    ]);
    let epochs = 0;
    const skip: TrainerCallback = {
      onEpochBegin: () => void epochs++,
      onStepEnd: (_args, _state, control) => void (control.shouldEpochStop = true),
    };
    await makeTrainer({ numTrainEpochs: 3 }, { callbacks: [skip] }).train();
    expect(epochs).toBe(3);
  });

  it("holds as much memory after 200 steps as after 1, and none in the end", async () => {
    const before = cpu.memory();
    const model = new TinyModel({ dropoutRate: 0.1 });
    const withModel = cpu.memory();
    const seen: { tensors: number; bytes: number }[] = [];
    const watch: TrainerCallback = {
      onStepEnd() {
        const { tensors, bytes } = cpu.memory();
        seen.push({ tensors, bytes });
      },
    };
    const trainer = makeTrainer(
      { maxSteps: 200, gradientAccumulationSteps: 2, loggingSteps: 10, evalStrategy: "steps" },
      { model, evalDataset: tinyRows(4), callbacks: [watch] },
    );
    await trainer.train();
    expect(seen.length).toBe(200);
    expect(new Set(seen.map(({ tensors, bytes }) => `${tensors} ${bytes}`)).size).toBe(1);
    expect(cpu.memory()).toMatchObject({ tensors: withModel.tensors, bytes: withModel.bytes });
    model.dispose();
    expect(cpu.memory()).toMatchObject({ tensors: before.tensors, bytes: before.bytes });
  });

  it("can be aborted, lets other work run meanwhile, and frees everything", async () => {
    const model = new TinyModel();
    const before = cpu.memory();
    const controller = new AbortController();
    const trainer = makeTrainer({ maxSteps: 1e7, gradientAccumulationSteps: 3 }, { model });
    // Once training is under way; a timer alone might come first on a busy machine.
    const poll = setInterval(() => {
      if (trainer.state.globalStep > 0) controller.abort(new Error("enough"));
    }, 1);
    await expect(trainer.train({ signal: controller.signal })).rejects.toThrow("enough");
    clearInterval(poll);
    expect(trainer.state.globalStep).toBeGreaterThan(0);
    expect(cpu.memory()).toMatchObject({ tensors: before.tensors, bytes: before.bytes });
    await expect(
      makeTrainer({ maxSteps: 1 }, { model, evalDataset: tinyRows(2) }).evaluate(undefined, {
        signal: AbortSignal.abort(new Error("no")),
      }),
    ).rejects.toThrow("no");
  });

  it("leaves the model in the mode it was in", async () => {
    for (const mode of ["train", "eval"] as const) {
      const model = new TinyModel();
      model[mode]();
      const trainer = makeTrainer({ maxSteps: 1 }, { model, evalDataset: tinyRows(2) });
      await trainer.train();
      expect(model.training).toBe(mode === "train");
      await trainer.evaluate();
      expect(model.training).toBe(mode === "train");
    }
  });

  it("reads a stream in its own order, again and again", async () => {
    const rows = tinyRows(5);
    const read: number[] = [];
    const stream = {
      async *[Symbol.asyncIterator](): AsyncGenerator<Example> {
        for (const [i, row] of rows.entries()) {
          read.push(i);
          yield await Promise.resolve(row);
        }
      },
    };
    const args = { maxSteps: 4, perDeviceTrainBatchSize: 2 };
    const trainer = makeTrainer(args, { trainDataset: stream });
    await trainer.train();
    expect(trainer.state.globalStep).toBe(4);
    // Batches of 2, 2 and 1, then the first of the next pass.
    expect(read).toEqual([0, 1, 2, 3, 4, 0, 1]);
    expect(() => makeTrainer({}, { trainDataset: stream })).not.toThrow();
    await expect(makeTrainer({}, { trainDataset: stream }).train()).rejects.toThrow(ArgumentError);
    const empty = { async *[Symbol.asyncIterator](): AsyncGenerator<Example> {} };
    await expect(makeTrainer(args, { trainDataset: empty }).train()).rejects.toThrow(DatasetError);
  });

  it("says what is missing", async () => {
    await expect(makeTrainer({}, { trainDataset: [] }).train()).rejects.toThrow(
      "trainDataset: must hold at least one example, got none",
    );
    const model = new TinyModel();
    await expect(new Trainer({ model }).train()).rejects.toThrow("train: needs trainDataset");
    await expect(new Trainer({ model }).evaluate()).rejects.toThrow("evaluate: needs a dataset");
    expect(() => makeTrainer({ evalStrategy: "steps" })).toThrow("evalStrategy: needs evalDataset");
    const notData = 7 as unknown as Example[];
    await expect(makeTrainer({}, { trainDataset: notData }).train()).rejects.toThrow(ArgumentError);
    const holes = { length: 2, get: () => undefined as unknown as Example };
    await expect(makeTrainer({}, { trainDataset: holes }).train()).rejects.toThrow(
      /row \d must be an example/,
    );
    const grouped = { trainSamplingStrategy: "group_by_length", maxSteps: 1 } as const;
    for (const row of [null, undefined, "text", {}, { inputIds: 3, labels: [1] }]) {
      const rows = [...tinyRows(1), row] as Example[];
      const stream = (async function* () {
        yield* rows;
      })();
      for (const [args, trainDataset] of [
        [{ maxSteps: 2, perDeviceTrainBatchSize: 2 }, rows],
        [{ maxSteps: 2, perDeviceTrainBatchSize: 2 }, stream],
        [grouped, rows],
      ] as const) {
        await expect(makeTrainer(args, { trainDataset }).train()).rejects.toThrow(DatasetError);
      }
    }
  });
});

describe("evaluate", () => {
  it("weights batches by their rows, and logs", async () => {
    const rows = tinyRows(5);
    const trainer = makeTrainer({ perDeviceEvalBatchSize: 4 }, { evalDataset: rows });
    const metrics = await trainer.evaluate();
    const byHand = await lossByHand(trainer.model, rows);
    expect(metrics.eval_loss).toBeCloseTo(byHand.loss, 5);
    expect(trainer.state.logHistory).toEqual([{ ...metrics, step: 0 }]);
  });

  it("is not confused by dropout", async () => {
    const model = new TinyModel({ dropoutRate: 0.5 });
    model.train();
    const { offset } = model.random;
    const trainer = makeTrainer({}, { model, evalDataset: tinyRows(3) });
    const { eval_loss: loss } = await trainer.evaluate();
    expect(loss).toBeCloseTo((await lossByHand(model, tinyRows(3))).loss, 5);
    expect(model.random.offset).toBe(offset);
  });
});

describe("RunningLoss", () => {
  const add = (running: RunningLoss, value: number, step: number): void =>
    scope(() => running.add(full([], value, { device: cpu }), step));

  it("lets NaN and infinity count as the mean of those before", async () => {
    const running = new RunningLoss(cpu, true);
    add(running, 1, 0);
    add(running, 3, 1);
    add(running, NaN, 2); // 4 / (1 + 2)
    expect(await running.take(3)).toBeCloseTo((4 + 4 / 3) / 3, 6);
    add(running, 6, 3);
    add(running, Infinity, 4); // 6 / (1 + 4 - 3)
    expect(await running.take(5)).toBeCloseTo(9 / 2, 6);
    expect(await running.mean(5)).toBeCloseTo((4 + 4 / 3 + 9) / 5, 6);
    running.dispose();
  });

  it("shows them without the filter", async () => {
    const running = new RunningLoss(cpu, false);
    add(running, 1, 0);
    add(running, NaN, 1);
    expect(await running.take(2)).toBeNaN();
    running.dispose();
  });
});

describe("early stopping and the best model", () => {
  /** Evaluation losses that a script gives, one for each evaluation. */
  async function run(losses: readonly number[], patience: number, threshold: number) {
    const model = new TinyModel();
    const evaluations = [...losses];
    const forward = model.forward.bind(model);
    model.forward = (batch) =>
      model.training ? forward(batch) : { loss: full([], evaluations.shift()!, { device: cpu }) };
    const stopping = new EarlyStoppingCallback({
      earlyStoppingPatience: patience,
      earlyStoppingThreshold: threshold,
    });
    const trainer = makeTrainer(
      { maxSteps: losses.length, evalStrategy: "steps", evalSteps: 1, metricForBestModel: "loss" },
      { model, evalDataset: tinyRows(1), callbacks: [stopping] },
    );
    const { globalStep } = await trainer.train();
    const { bestMetric, bestGlobalStep } = trainer.state;
    return { globalStep, bestMetric, bestGlobalStep };
  }

  it("stops after `patience` evaluations without an improvement", async () => {
    expect(await run([5, 4, 4.5, 3, 3.5, 3.5, 1], 2, 0)).toEqual({
      ...{ globalStep: 6, bestMetric: 3, bestGlobalStep: 4 },
    });
    expect((await run([5, 5, 5, 5], 1, 0)).globalStep).toBe(2);
  });

  it("counts an improvement of at most the threshold as none, but remembers the best", async () => {
    expect(await run([5, 4.75, 4.5, 4.25, 4], 3, 0.25)).toEqual({
      ...{ globalStep: 4, bestMetric: 4.25, bestGlobalStep: 4 },
    });
  });

  it("never takes NaN for the best", async () => {
    expect(await run([NaN, 2, NaN, NaN], 2, 0)).toEqual({
      ...{ globalStep: 4, bestMetric: 2, bestGlobalStep: 2 },
    });
  });

  it("refuses to run without a metric or evaluations", async () => {
    const callbacks = [new EarlyStoppingCallback()];
    await expect(makeTrainer({}, { callbacks }).train()).rejects.toThrow(
      "needs metricForBestModel",
    );
    const metric = makeTrainer({ metricForBestModel: "loss" }, { callbacks });
    await expect(metric.train()).rejects.toThrow("needs evaluations");
    expect(() => new EarlyStoppingCallback({ earlyStoppingPatience: 0 })).toThrow(ArgumentError);
    expect(() => new EarlyStoppingCallback({ earlyStoppingThreshold: -1 })).toThrow(ArgumentError);
  });

  it("refuses a metric that evaluations do not give", async () => {
    const trainer = makeTrainer(
      { maxSteps: 1, evalStrategy: "steps", evalSteps: 1, metricForBestModel: "rouge1" },
      { evalDataset: tinyRows(1) },
    );
    await expect(trainer.train()).rejects.toThrow(
      /metricForBestModel: must be one of eval_loss, .* got "rouge1"/,
    );
  });
});

describe("with T5", () => {
  const config = (json: Record<string, unknown> = {}) =>
    T5Config.fromJSON(
      {
        ...{ model_type: "t5", vocab_size: 24, d_model: 8, d_kv: 4, d_ff: 12, num_heads: 2 },
        ...{ num_layers: 1, num_decoder_layers: 1, feed_forward_proj: "gated-gelu" },
        ...{ decoder_start_token_id: 0, dropout_rate: 0.1, ...json },
      },
      { source: "test" },
    );

  it("counts weights outside embeddings as the configuration does", () => {
    for (const tie_word_embeddings of [true, false]) {
      const model = T5ForConditionalGeneration.fromConfig(config({ tie_word_embeddings }), {
        device: cpu,
        tied: tie_word_embeddings,
      });
      expect(countWithoutEmbeddings(model.parameters())).toBe(
        model.config.numParametersWithoutEmbeddings(),
      );
      model.dispose();
    }
  });

  it("smooths labels in training and evaluation", async () => {
    const model = T5ForConditionalGeneration.fromConfig(config(), { device: cpu });
    const rows = [
      { inputIds: [3, 4, 5], labels: [6, 7, -100] },
      { inputIds: [8, 9, 1], labels: [10, 1, -100] },
    ];
    const batch = {
      inputIds: rows.map((row) => row.inputIds),
      labels: rows.map((row) => row.labels),
    };
    const memory = new Scope();
    const loss = memory.run(() => batchLoss(model, batch, { labelSmoothing: 0.2, pack: false }));
    const { logits } = memory.run(() => model.forward(batch));
    const labels = memory.run(() => tensor(batch.labels, undefined, { device: cpu, dtype: "i32" }));
    const expected = memory.run(() => crossEntropy(logits, labels, { labelSmoothing: 0.2 }));
    expect(await loss.item()).toBeCloseTo(await expected.item(), 6);
    const plainLoss = await memory
      .run(() => batchLoss(model, batch, { labelSmoothing: 0, pack: false }))
      .item();
    expect(Math.abs((await loss.item()) - plainLoss)).toBeGreaterThan(1e-3);
    memory.dispose();

    const trainer = new Trainer({
      model,
      args: { ...quiet, labelSmoothingFactor: 0.2 },
      evalDataset: rows,
    });
    expect((await trainer.evaluate()).eval_loss).toBeCloseTo(await evaluated(model, batch), 6);
    model.dispose();
  });

  async function evaluated(
    model: T5ForConditionalGeneration,
    batch: Parameters<typeof batchLoss>[1],
  ) {
    const memory = new Scope();
    const value = await memory
      .run(() => batchLoss(model, batch, { labelSmoothing: 0.2, pack: false }))
      .item();
    memory.dispose();
    return value;
  }

  it("pads rows of different lengths so that padding changes nothing", async () => {
    const model = T5ForConditionalGeneration.fromConfig(config(), { device: cpu });
    const rows = [
      { inputIds: [3, 4, 5, 6, 1], labels: [6, 7, 1] },
      { inputIds: [8, 1], labels: [10, 11, 1] },
    ];
    const loss = async (perDeviceEvalBatchSize: number): Promise<number> => {
      const args = { ...quiet, perDeviceEvalBatchSize };
      return (await new Trainer({ model, args, evalDataset: rows }).evaluate()).eval_loss!;
    };
    expect(await loss(2)).toBeCloseTo(await loss(1), 5);
    model.dispose();
  });
});
