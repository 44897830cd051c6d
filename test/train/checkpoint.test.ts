import { mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { describe, expect, it, vi } from "vitest";
import { T5Config } from "../../src/t5/config.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { CheckpointError, GradloomError } from "../../src/tensor/errors.ts";
import type { TrainingArgumentsInput } from "../../src/train/arguments/arguments.ts";
import { writeFolderAtomically } from "../../src/train/checkpoint/atomicFolder.ts";
import { EarlyStoppingCallback, type TrainerCallback } from "../../src/train/callbacks.ts";
import type { Example } from "../../src/data/collate.ts";
import { readStateFiles } from "../../src/train/checkpoint/stateFiles.ts";
import { listCheckpoints, surplusCheckpoints } from "../../src/train/checkpoint/rotation.ts";
import type { TrainableModel } from "../../src/train/trainableModel.ts";
import { Trainer, type TrainerOptions } from "../../src/train/trainer.ts";
import { cpu } from "../support/device.ts";
import { temporaryFolder } from "../support/folder.ts";
import { uniform } from "../support/random.ts";
import { TinyModel, tinyRows } from "../support/tinyModel.ts";

const folder = temporaryFolder();

function makeTrainer(args: TrainingArgumentsInput, options: Partial<TrainerOptions> = {}): Trainer {
  return new Trainer({
    model: new TinyModel({ dropoutRate: 0.2 }),
    trainDataset: tinyRows(11),
    ...options,
    args: { learningRate: 0.05, perDeviceTrainBatchSize: 2, disableTqdm: true, ...args },
  });
}

async function readJson(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
}

async function weightsOf(model: TrainableModel): Promise<number[]> {
  const all = await Promise.all([...model.parameters().values()].map((x) => x.data()));
  return all.flatMap((x) => [...x]);
}

/** The log without what depends on the clock. */
function figures(trainer: Trainer): Record<string, number>[] {
  return trainer.state.logHistory.map((record) =>
    Object.fromEntries(Object.entries(record).filter(([key]) => !/runtime|per_second/.test(key))),
  );
}

/** Raised at the end of a step: what a crash leaves is what was written before. */
class Crash extends Error {}
const crashAfter = (step: number): TrainerCallback => ({
  onStepBegin(_args, state) {
    if (state.globalStep === step) throw new Crash();
  },
});

describe("a checkpoint folder", () => {
  it("has transformers' files, and state with its keys", async () => {
    const outputDir = folder();
    const trainer = makeTrainer(
      {
        ...{ outputDir, maxSteps: 4, saveSteps: 2, loggingSteps: 2, evalStrategy: "steps" },
        loadBestModelAtEnd: true,
      },
      {
        evalDataset: tinyRows(3),
        callbacks: [new EarlyStoppingCallback({ earlyStoppingPatience: 9 })],
      },
    );
    await trainer.train();
    expect((await readdir(outputDir)).sort()).toEqual(["checkpoint-2", "checkpoint-4"]);
    expect((await readdir(`${outputDir}/checkpoint-4`)).sort()).toEqual([
      ...["config.json", "model.safetensors", "optimizer.safetensors", "rng_state.json"],
      ...["running_loss.json", "scheduler.json", "trainer_state.json", "training_args.json"],
    ]);
    const text = await readFile(`${outputDir}/checkpoint-4/trainer_state.json`, "utf8");
    const state = JSON.parse(text) as Record<string, unknown>;
    expect(Object.keys(state)).toEqual([
      ...["best_global_step", "best_metric", "best_model_checkpoint", "epoch", "eval_steps"],
      ...["global_step", "is_hyper_param_search", "is_local_process_zero", "is_world_process_zero"],
      ...["log_history", "logging_steps", "max_steps", "num_input_tokens_seen", "num_train_epochs"],
      ...[
        "save_steps",
        "stateful_callbacks",
        "total_flos",
        "train_batch_size",
        "trial_name",
        "trial_params",
      ],
    ]);
    expect(text.startsWith('{\n  "best_global_step": ')).toBe(true);
    expect(text.endsWith("}\n")).toBe(true);
    expect(state).toMatchObject({
      ...{ global_step: 4, max_steps: 4, num_train_epochs: 1, train_batch_size: 2, epoch: 4 / 6 },
      stateful_callbacks: {
        TrainerControl: {
          args: {
            ...{ should_epoch_stop: false, should_evaluate: false, should_log: false },
            ...{ should_save: true, should_training_stop: true },
          },
          attributes: {},
        },
        EarlyStoppingCallback: {
          args: { early_stopping_patience: 9, early_stopping_threshold: 0 },
          attributes: { early_stopping_patience_counter: 0 },
        },
      },
    });
    // Saved before the record of the whole run is made.
    expect((state.log_history as object[]).length).toBe(trainer.state.logHistory.length - 1);
    expect(await readJson(`${outputDir}/checkpoint-4/training_args.json`)).toMatchObject({
      learning_rate: 0.05,
      per_device_train_batch_size: 2,
    });
  });

  it("holds the model alone with saveOnlyModel, and no model without a save strategy", async () => {
    const outputDir = folder();
    await makeTrainer({ outputDir, maxSteps: 1, saveOnlyModel: true }).train();
    expect((await readdir(`${outputDir}/checkpoint-1`)).sort()).toEqual([
      ...["config.json", "model.safetensors", "trainer_state.json", "training_args.json"],
    ]);
    await expect(
      makeTrainer({ outputDir, maxSteps: 2 }).train({ resumeFromCheckpoint: true }),
    ).rejects.toThrow(/must hold scheduler.json to be resumed from/);
    const none = folder();
    await makeTrainer({ outputDir: none, maxSteps: 1, saveStrategy: "no" }).train();
    await expect(readdir(none)).rejects.toThrow("ENOENT");
  });

  it("holds the tokenizer's files when there is a tokenizer", async () => {
    const outputDir = folder();
    const tokenizer = {
      padTokenId: 0,
      savePretrained: (to: string) => writeFile(`${to}/tokenizer.json`, "{}"),
    };
    const trainer = makeTrainer({ outputDir, maxSteps: 1 }, { tokenizer });
    await trainer.train();
    expect(await readdir(`${outputDir}/checkpoint-1`)).toContain("tokenizer.json");
    await trainer.saveModel(`${outputDir}/final`);
    expect((await readdir(`${outputDir}/final`)).sort()).toEqual([
      ...["config.json", "model.safetensors", "tokenizer.json", "training_args.json"],
    ]);
  });
});

describe("resuming", () => {
  const schedules: Record<string, TrainingArgumentsInput> = {
    "at a log": { maxSteps: 14, saveSteps: 4, loggingSteps: 2 },
    "between two logs": { maxSteps: 14, saveSteps: 5, loggingSteps: 3 },
    "with accumulation": {
      maxSteps: 8,
      saveSteps: 1,
      loggingSteps: 3,
      gradientAccumulationSteps: 4,
    },
    "by epochs": { numTrainEpochs: 4, saveStrategy: "epoch", loggingStrategy: "epoch" },
    "with a warmup and cosine": {
      maxSteps: 12,
      saveSteps: 3,
      lrSchedulerType: "cosine",
      warmupSteps: 5,
    },
  };

  it.each(Object.entries(schedules))("goes on as if nothing had happened (%s)", async (_, args) => {
    const evalDataset = tinyRows(3, 9);
    const evaluation = args.saveStrategy === "epoch" ? {} : { evalStrategy: "steps", evalSteps: 4 };
    const settings = { ...args, ...evaluation } as TrainingArgumentsInput;
    const whole = makeTrainer({ ...settings, outputDir: folder() }, { evalDataset });
    const expected = await whole.train();

    const outputDir = folder();
    for (const step of [6, 7]) {
      const crashing = makeTrainer(
        { ...settings, outputDir },
        { evalDataset, callbacks: [crashAfter(step)] },
      );
      const resume = (await listCheckpoints(outputDir)).length > 0;
      await expect(crashing.train({ resumeFromCheckpoint: resume })).rejects.toThrow(Crash);
    }
    const resumed = makeTrainer({ ...settings, outputDir }, { evalDataset });
    const actual = await resumed.train({ resumeFromCheckpoint: true });
    expect(figures(resumed)).toEqual(figures(whole));
    expect(actual.trainingLoss).toBe(expected.trainingLoss);
    expect(await weightsOf(resumed.model)).toEqual(await weightsOf(whole.model));
  });

  it("goes on with T5, dropout and bf16 weights", async () => {
    const config = T5Config.fromJSON(
      {
        ...{ model_type: "t5", vocab_size: 24, d_model: 8, d_kv: 4, d_ff: 12, num_heads: 2 },
        ...{ num_layers: 1, num_decoder_layers: 1, feed_forward_proj: "gated-gelu" },
        ...{ decoder_start_token_id: 0, dropout_rate: 0.1 },
      },
      { source: "test" },
    );
    const initial = folder();
    await T5ForConditionalGeneration.fromConfig(config, { device: cpu, seed: 3 }).savePretrained(
      initial,
    );
    const draw = uniform(3);
    const ids = (length: number): number[] =>
      Array.from({ length }, () => 2 + Math.floor(draw() * 20));
    const rows = Array.from({ length: 9 }, () => ({
      inputIds: ids(3 + draw() * 4),
      labels: ids(2 + draw() * 3),
    }));
    const make = async (outputDir: string, callbacks: TrainerCallback[] = []): Promise<Trainer> => {
      const model = await T5ForConditionalGeneration.fromPretrained(initial, {
        device: cpu,
        dtype: "bfloat16",
      });
      const args = { outputDir, maxSteps: 8, saveSteps: 3, loggingSteps: 2 };
      return makeTrainer(args, { model, trainDataset: rows, callbacks });
    };
    const whole = await make(folder());
    await whole.train();
    const outputDir = folder();
    await expect((await make(outputDir, [crashAfter(5)])).train()).rejects.toThrow(Crash);
    const resumed = await make(outputDir);
    await resumed.train({ resumeFromCheckpoint: `${outputDir}/checkpoint-3` });
    expect(figures(resumed)).toEqual(figures(whole));
    expect(await weightsOf(resumed.model)).toEqual(await weightsOf(whole.model));
    expect(await readdir(`${outputDir}/checkpoint-8`)).toContain("generation_config.json");
    // What was saved is what was trained.
    const loaded = await T5ForConditionalGeneration.fromPretrained(`${outputDir}/checkpoint-8`, {
      device: cpu,
    });
    expect(await weightsOf(loaded)).toEqual(await weightsOf(whole.model));
  });

  it("reads past the rows of a stream that were seen", async () => {
    const rows = tinyRows(5);
    const trainDataset = {
      async *[Symbol.asyncIterator](): AsyncGenerator<Example> {
        for (const row of rows) yield await Promise.resolve(row);
      },
    };
    const args = { maxSteps: 8, saveSteps: 5, loggingSteps: 1 };
    const whole = makeTrainer({ ...args, outputDir: folder() }, { trainDataset });
    await whole.train();
    const outputDir = folder();
    const crashing = makeTrainer(
      { ...args, outputDir },
      { trainDataset, callbacks: [crashAfter(6)] },
    );
    await expect(crashing.train()).rejects.toThrow(Crash);
    const resumed = makeTrainer({ ...args, outputDir }, { trainDataset });
    await resumed.train({ resumeFromCheckpoint: true });
    expect(figures(resumed)).toEqual(figures(whole));
  });

  it("remembers how patient early stopping has been", async () => {
    const make = (outputDir: string, more: TrainerCallback[] = []): Trainer => {
      const model = new TinyModel();
      const trainer = makeTrainer(
        {
          ...{ outputDir, maxSteps: 30, evalStrategy: "steps", evalSteps: 1, saveSteps: 1 },
          ...{ metricForBestModel: "loss", learningRate: 0 },
        },
        {
          model,
          evalDataset: tinyRows(2),
          callbacks: [new EarlyStoppingCallback({ earlyStoppingPatience: 5 }), ...more],
        },
      );
      return trainer;
    };
    const outputDir = folder();
    await expect(make(outputDir, [crashAfter(4)]).train()).rejects.toThrow(Crash);
    expect((await make(outputDir).train({ resumeFromCheckpoint: true })).globalStep).toBe(6);
  });

  it("evaluates with evalOnStart before the first update and again when resumed, for the log alone", async () => {
    const outputDir = folder();
    const steps = { evalStrategy: "steps", evalSteps: 4, saveSteps: 2, maxSteps: 4 } as const;
    const args = { ...steps, outputDir, evalOnStart: true, metricForBestModel: "loss" };
    const evaluations = ({ state }: Trainer): object[] =>
      state.logHistory.flatMap(({ eval_loss, epoch, step }) =>
        eval_loss === undefined ? [] : [{ epoch, step }],
      );
    const evalDataset = tinyRows(3);
    const first = makeTrainer(args, { evalDataset, callbacks: [crashAfter(2)] });
    await expect(first.train()).rejects.toThrow(Crash);
    expect(evaluations(first)).toEqual([{ epoch: 0, step: 0 }]);
    const { bestMetric, bestGlobalStep, epoch } = first.state;
    expect([bestMetric, bestGlobalStep]).toEqual([null, null]);
    const second = makeTrainer(args, { evalDataset });
    await second.train({ resumeFromCheckpoint: true });
    expect(evaluations(second)).toEqual([
      { epoch: 0, step: 0 },
      { epoch, step: 2 },
      { epoch: second.state.epoch, step: 4 },
    ]);
    expect(second.state.bestGlobalStep).toBe(4);
  });

  it("counts the evaluation at the start of a resumed run for early stopping, after one more update", async () => {
    const outputDir = folder();
    const make = (maxSteps: number): Trainer =>
      makeTrainer(
        {
          ...{ outputDir, maxSteps, evalOnStart: true, evalStrategy: "steps", evalSteps: 2 },
          ...{ saveSteps: 2, metricForBestModel: "loss" },
        },
        { evalDataset: tinyRows(2), callbacks: [new EarlyStoppingCallback()] },
      );
    expect((await make(2).train()).globalStep).toBe(2);
    expect((await make(6).train({ resumeFromCheckpoint: true })).globalStep).toBe(3);
  });

  it("does nothing more when the run was complete", async () => {
    const outputDir = folder();
    const first = makeTrainer({ outputDir, maxSteps: 3, loggingSteps: 1 });
    const { trainingLoss } = await first.train();
    const again = makeTrainer({ outputDir, maxSteps: 3, loggingSteps: 1 });
    expect(await again.train({ resumeFromCheckpoint: true })).toMatchObject({
      globalStep: 3,
      trainingLoss,
    });
    expect(await weightsOf(again.model)).toEqual(await weightsOf(first.model));
  });

  it("says what is wrong with a checkpoint, and changes nothing then", async () => {
    const outputDir = folder();
    const attempt = async (from: string | true, model = new TinyModel({ seed: 8 })) => {
      const trainer = makeTrainer({ outputDir, maxSteps: 9 }, { model });
      const before = await weightsOf(trainer.model);
      const message = await trainer.train({ resumeFromCheckpoint: from }).then(
        () => "no error",
        (error: unknown) => {
          expect(error).toBeInstanceOf(Error);
          return `${(error as Error).name}: ${(error as Error).message}`;
        },
      );
      expect(await weightsOf(trainer.model)).toEqual(before);
      return message;
    };
    expect(await attempt(true)).toMatch(
      /^CheckpointError: resumeFromCheckpoint: .* must hold a checkpoint-N folder, got none/,
    );
    expect(await attempt(`${outputDir}/nowhere`)).toMatch(
      /^CheckpointError: .*nowhere: must hold trainer_state.json/,
    );
    await makeTrainer({ outputDir, maxSteps: 2 }).train();
    const checkpoint = `${outputDir}/checkpoint-2`;
    const damage = async (name: string, content: string): Promise<string> => {
      const path = `${checkpoint}/${name}`;
      const whole = await readFile(path);
      await writeFile(path, content);
      const message = await attempt(true);
      await writeFile(path, whole);
      return message;
    };
    expect(await damage("trainer_state.json", "{")).toMatch(
      /CheckpointError: .*trainer_state.json: must be a JSON object/,
    );
    expect(await damage("trainer_state.json", "{}")).toMatch(
      /trainer_state.json: global_step must be a whole number of at least 0, got nothing/,
    );
    expect(await damage("rng_state.json", "{}")).toMatch(/CheckpointError: .*rng_state.json/);
    expect(await damage("scheduler.json", '{"last_epoch": "2"}')).toMatch(
      /last_epoch must be a whole number of 0..2, the checkpoint's global_step, got "2"/,
    );
    expect(await damage("optimizer.safetensors", "short")).toMatch(
      /SafetensorsError: .*optimizer.safetensors/,
    );
    expect(await damage("model.safetensors", "short")).toMatch(
      /SafetensorsError: .*model.safetensors/,
    );
  });
});

describe("the state of a checkpoint", () => {
  const args = (outputDir: string): TrainingArgumentsInput => ({
    ...{ outputDir, maxSteps: 4, saveSteps: 2, loggingSteps: 1, evalStrategy: "steps" },
    ...{ evalSteps: 1, loadBestModelAtEnd: true },
  });
  const make = (outputDir: string) =>
    makeTrainer(args(outputDir), {
      evalDataset: tinyRows(3),
      callbacks: [new EarlyStoppingCallback({ earlyStoppingPatience: 9 })],
    });
  const counter = (value: unknown) => ({
    stateful_callbacks: {
      EarlyStoppingCallback: { args: {}, attributes: { early_stopping_patience_counter: value } },
    },
  });
  const edits: [file: string, edit: object, message: RegExp][] = [
    ["trainer_state.json", { global_step: -1 }, /global_step must be a whole number of at least 0/],
    ["trainer_state.json", { global_step: 1e15 }, /global_step must be at most max_steps, 4/],
    ["trainer_state.json", { epoch: "x" }, /epoch must be a number of at least 0, or null/],
    ["trainer_state.json", { total_flos: "x" }, /total_flos must be a number/],
    ["trainer_state.json", { log_history: [null] }, /log_history must be a list of objects/],
    ["trainer_state.json", { log_history: [{ step: 1, loss: "x" }] }, /log_history must be/],
    ["trainer_state.json", { best_metric: "x" }, /best_metric must be a number or null, got "x"/],
    ["trainer_state.json", { best_global_step: "x" }, /best_global_step must be/],
    ["trainer_state.json", { best_model_checkpoint: 5 }, /best_model_checkpoint must be a text/],
    ["trainer_state.json", { best_model_checkpoint: "/etc" }, /\/etc\/model.safetensors/],
    ["trainer_state.json", { stateful_callbacks: null }, /stateful_callbacks must be an object/],
    ["trainer_state.json", { stateful_callbacks: { a: 5 } }, /stateful_callbacks must be/],
    ["trainer_state.json", { max_steps: "x" }, /max_steps must be a whole number/],
    ["trainer_state.json", { num_input_tokens_seen: {} }, /num_input_tokens_seen must be a number/],
    ["trainer_state.json", counter(-1), /early_stopping_patience_counter must be a whole number/],
    ["scheduler.json", { last_epoch: -5 }, /last_epoch must be a whole number of 0..2/],
    ["scheduler.json", { last_epoch: null }, /last_epoch must be .* got null/],
    ["rng_state.json", { dropout: { seed: -1, offset: 0 } }, /seed must be a whole number/],
    ["rng_state.json", { dropout: { seed: 0, offset: 0.5 } }, /offset must be .* got 0.5/],
    ["rng_state.json", { dropout: [] }, /rng_state.json: must be a JSON object/],
    ["scaler.json", { scale: 0 }, /scale must be a power of two that f32 can hold, got 0/],
    ["scaler.json", { scale: -65536 }, /scale must be/],
    ["scaler.json", { scale: null }, /scale must be .* got null/],
    ["scaler.json", { skipped_steps: 3 }, /skipped_steps must be a whole number of 0..2/],
    ["running_loss.json", { sum: 1e300 }, /sum must be a number that f32 can hold, or null/],
    ["running_loss.json", { logged_step: 1e9 }, /logged_step must be a whole number of 0..2/],
  ];

  it("is refused by name when it cannot be that of a run, and nothing is touched", async () => {
    const outputDir = folder();
    await make(outputDir).train();
    const checkpoint = `${outputDir}/checkpoint-2`;
    const fp16 = { scale: 65536, _growth_tracker: 2, skipped_steps: 0 };
    await writeFile(`${checkpoint}/scaler.json`, JSON.stringify(fp16));
    const expected = { withLossScale: true, withMetricSchedule: false };
    for (const [file, edit, message] of edits) {
      const path = `${checkpoint}/${file}`;
      const whole = await readFile(path, "utf8");
      await writeFile(path, JSON.stringify({ ...(JSON.parse(whole) as object), ...edit }));
      if (file === "scaler.json") {
        await expect(readStateFiles(checkpoint, expected), JSON.stringify(edit)).rejects.toThrow(
          message,
        );
      } else {
        const trainer = make(outputDir);
        const before = await weightsOf(trainer.model);
        const attempt = trainer.train({ resumeFromCheckpoint: checkpoint });
        await expect(attempt, JSON.stringify(edit)).rejects.toThrow(message);
        await expect(attempt).rejects.toThrow(GradloomError);
        expect(await weightsOf(trainer.model)).toEqual(before);
        expect(trainer.state.globalStep).toBe(0);
      }
      await writeFile(path, whole);
    }
    expect((await readStateFiles(checkpoint, expected)).lossScale?.growthTracker).toBe(2);
    await make(outputDir).train({ resumeFromCheckpoint: checkpoint });
  });
});

describe("weights that are not finite", () => {
  it("are said in a warning and in the log, whatever the filter makes of the loss", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    try {
      const trainer = makeTrainer({ outputDir: folder(), maxSteps: 4, loggingSteps: 1 });
      const { model } = trainer;
      const wrapped = model.forward.bind(model);
      model.forward = (batch) => {
        const isBad = trainer.state.globalStep === 1;
        const inputIds = isBad ? batch.inputIds.map((row) => row.map(() => NaN)) : batch.inputIds;
        return wrapped({ ...batch, inputIds });
      };
      await trainer.train();
      const counts = trainer.state.logHistory.map((record) => record.nonfinite_weights);
      expect(counts).toEqual([undefined, 9, 9, 9, 9]);
      expect(trainer.state.logHistory.map(({ loss }) => loss === undefined || loss >= 0)).toEqual(
        Array<boolean>(5).fill(true),
      );
      expect(warn).toHaveBeenCalledTimes(1);
      expect(warn.mock.calls[0]![0]).toMatch(/9 weights are NaN or infinite after update 2/);
    } finally {
      warn.mockRestore();
    }
  });
});

describe("interruptSignal", () => {
  /** What a run with an interruption after every event of these gives, resumed until it ends. */
  async function inPieces(make: (callbacks: TrainerCallback[]) => Trainer, event: "onStepBegin") {
    let pieces = 0;
    for (;;) {
      const controller = new AbortController();
      const stop: TrainerCallback = {
        [event]: () => controller.abort(new DOMException("interrupted", "AbortError")),
      };
      const trainer = make([stop]);
      const { outputDir } = trainer.args;
      const resumeFromCheckpoint = (await listCheckpoints(outputDir)).length > 0;
      try {
        await trainer.train({ resumeFromCheckpoint, interruptSignal: controller.signal });
        return { trainer, pieces };
      } catch (error) {
        expect((error as Error).message).toBe("interrupted");
        expect(++pieces).toBeLessThan(50);
      }
    }
  }
  const strategies: Record<string, TrainingArgumentsInput> = {
    "nothing saved else": { saveStrategy: "no", loggingSteps: 3 },
    "the model alone saved": { saveSteps: 1, saveOnlyModel: true, loggingSteps: 1 },
    "evaluation by steps": {
      ...{ evalStrategy: "steps", evalSteps: 2, saveSteps: 2, loadBestModelAtEnd: true },
      loggingSteps: 1,
    },
    "evaluation and saving by epochs": {
      ...{ evalStrategy: "epoch", saveStrategy: "epoch", loggingStrategy: "epoch" },
      loadBestModelAtEnd: true,
    },
  };

  it.each(Object.entries(strategies))(
    "finishes the update, and resuming gives the same run: %s",
    async (_name, strategy) => {
      const make = (outputDir: string) => (callbacks: TrainerCallback[]) =>
        makeTrainer(
          { outputDir, numTrainEpochs: 2, ...strategy },
          {
            ...{ evalDataset: tinyRows(3), callbacks },
            model: new TinyModel({ dropoutRate: 0.2 }),
          },
        );
      const whole = make(folder())([]);
      await whole.train();
      const { trainer, pieces } = await inPieces(make(folder()), "onStepBegin");
      expect(pieces).toBeGreaterThanOrEqual(10);
      expect(figures(trainer)).toEqual(figures(whole));
      expect(await weightsOf(trainer.model)).toEqual(await weightsOf(whole.model));
    },
  );

  it("leaves an evaluation to the run that resumes, with the checkpoint that waits for it", async () => {
    const make = (outputDir: string, callbacks: TrainerCallback[] = []) =>
      makeTrainer(
        {
          ...{ outputDir, maxSteps: 4, evalStrategy: "steps", evalSteps: 2, saveSteps: 2 },
          ...{ metricForBestModel: "loss", perDeviceEvalBatchSize: 1 },
        },
        { evalDataset: tinyRows(3), callbacks },
      );
    const whole = make(folder());
    await whole.train();
    const outputDir = folder();
    const controller = new AbortController();
    const onPredictionStep = () => controller.abort(new Error("interrupted"));
    await expect(
      make(outputDir, [{ onPredictionStep }]).train({ interruptSignal: controller.signal }),
    ).rejects.toThrow("interrupted");
    expect((await listCheckpoints(outputDir)).map(({ step }) => step)).toEqual([2]);
    const resumed = make(outputDir);
    await resumed.train({ resumeFromCheckpoint: true });
    expect(figures(resumed)).toEqual(figures(whole));
    expect(resumed.state.bestGlobalStep).toBe(whole.state.bestGlobalStep);
  });

  it("saves nothing before the first update", async () => {
    const outputDir = folder();
    const interruptSignal = AbortSignal.abort(new Error("interrupted"));
    await expect(makeTrainer({ outputDir }).train({ interruptSignal })).rejects.toThrow(
      "interrupted",
    );
    expect(await readdir(outputDir)).toEqual([]);
  });
});

describe("writeFolderAtomically", () => {
  it("leaves what was there when writing fails", async () => {
    const target = folder();
    await writeFolderAtomically(target, async (to) => {
      await writeFile(`${to}/a`, "old");
      await writeFile(`${to}/trainer_state.json`, "{}");
    });
    await expect(
      writeFolderAtomically(target, async (to) => {
        await writeFile(`${to}/a`, "new");
        throw new Error("full");
      }),
    ).rejects.toThrow("full");
    expect(await readFile(`${target}/a`, "utf8")).toBe("old");
    expect((await readdir(`${target}/..`)).filter((name) => name.startsWith("."))).toEqual([]);
    await writeFolderAtomically(target, (to) => writeFile(`${to}/b`, "new"));
    expect(await readdir(target)).toEqual(["b"]);
  });

  it("hides what is not finished", async () => {
    const parent = folder();
    await writeFolderAtomically(`${parent}/checkpoint-3`, async (to) => {
      await writeFile(`${to}/trainer_state.json`, "{}");
      await mkdir(`${to}/deep`);
      await writeFile(`${to}/deep/file`, "x");
      expect(await listCheckpoints(parent)).toEqual([]);
    });
    expect((await listCheckpoints(parent)).map(({ step }) => step)).toEqual([3]);
  });

  it("explains what the system refuses", async () => {
    const file = folder();
    await writeFile(file, "");
    const attempt = writeFolderAtomically(`${file}/checkpoint-1`, () => Promise.resolve());
    await expect(attempt).rejects.toThrow(CheckpointError);
    await expect(attempt).rejects.toThrow(/must be a place that can be written to, got E\w+/);
  });

  it("is cleared of what a killed run left, once the next checkpoint is saved", async () => {
    const outputDir = folder();
    for (const name of [".checkpoint-7.0123abcd.partial", ".checkpoint-5.89abcdef.deleted"]) {
      await mkdir(`${outputDir}/${name}/deep`, { recursive: true });
      await writeFile(`${outputDir}/${name}/.gradloom-temporary`, "");
    }
    await mkdir(`${outputDir}/.checkpoint-6.01234567.partial`); // killed before it was marked
    await makeTrainer({ outputDir, maxSteps: 1 }).train();
    expect((await readdir(outputDir)).sort()).toEqual(["checkpoint-1"]);
  });

  it("leaves alone what carries no mark of its own, whatever it is called", async () => {
    const outputDir = folder();
    const foreign = [
      ...[".mine", ".notes.partial", ".checkpoint-7.partial", ".checkpoint-1.replaced"],
      ...[".checkpoint-7.0123abcd.partial", ".checkpoint-2.0123abcd.replaced", "checkpoint-9"],
    ];
    for (const name of foreign) {
      await mkdir(`${outputDir}/${name}`, { recursive: true });
      await writeFile(`${outputDir}/${name}/letter.txt`, name);
    }
    await writeFile(`${outputDir}/.checkpoint-3.0123abcd.deleted`, "a file");
    await symlink("nowhere", `${outputDir}/checkpoint-998`);
    const args = { outputDir, maxSteps: 4, saveSteps: 1, saveTotalLimit: 1 };
    await makeTrainer(args).train();
    await makeTrainer({ ...args, maxSteps: 5 }).train({ resumeFromCheckpoint: true });
    const left = [...foreign, ".checkpoint-3.0123abcd.deleted", "checkpoint-998", "checkpoint-5"];
    expect((await readdir(outputDir)).sort()).toEqual(left.sort());
    for (const name of foreign) {
      expect(await readFile(`${outputDir}/${name}/letter.txt`, "utf8")).toBe(name);
    }
  });

  it("refuses to replace a folder that is no checkpoint", async () => {
    const outputDir = folder();
    await mkdir(`${outputDir}/checkpoint-1`, { recursive: true });
    await writeFile(`${outputDir}/checkpoint-1/letter.txt`, "");
    await expect(makeTrainer({ outputDir, maxSteps: 1 }).train()).rejects.toThrow(
      /checkpoint-1: must be a checkpoint or nothing, got something without trainer_state.json/,
    );
    expect(await readdir(outputDir)).toEqual(["checkpoint-1"]);
  });
});

describe("rotation", () => {
  const at = (step: number, time: number) => ({ path: `out/checkpoint-${step}`, step, time });
  const steps = (list: readonly { step: number }[]): number[] => list.map(({ step }) => step);

  it("deletes the oldest, never the newest nor the best", () => {
    const four = [at(5, 0), at(10, 5000), at(15, 10_000), at(20, 15_000)];
    expect(steps(surplusCheckpoints(four, 2, null))).toEqual([5, 10]);
    expect(steps(surplusCheckpoints(four, 2, "out/checkpoint-5"))).toEqual([10, 15]);
    expect(steps(surplusCheckpoints(four, 1, "out/checkpoint-10"))).toEqual([5, 15]);
    expect(steps(surplusCheckpoints(four, 1, "out/checkpoint-20"))).toEqual([5, 10, 15]);
    expect(steps(surplusCheckpoints(four, 4, null))).toEqual([]);
    expect(surplusCheckpoints([], 1, null)).toEqual([]);
  });

  it("goes by time, and by step where times are too close to tell", () => {
    expect(steps(surplusCheckpoints([at(100, 9000), at(900, 0)], 1, null))).toEqual([900]);
    expect(steps(surplusCheckpoints([at(100, 900), at(900, 0)], 1, null))).toEqual([100]);
  });

  it("leaves the limit and the best after a run, which ends with the best model", async () => {
    const outputDir = folder();
    const model = new TinyModel();
    // Too large a rate, so that the loss soon rises.
    const trainer = makeTrainer(
      {
        ...{ outputDir, maxSteps: 8, evalStrategy: "steps", evalSteps: 1, saveSteps: 1 },
        ...{ loadBestModelAtEnd: true, saveTotalLimit: 2, learningRate: 2, warmupSteps: 8 },
      },
      { model, evalDataset: tinyRows(4) },
    );
    await trainer.train();
    const { bestGlobalStep, bestModelCheckpoint, bestMetric } = trainer.state;
    expect(bestGlobalStep).toBeLessThan(8);
    expect(bestModelCheckpoint).toBe(`${outputDir}/checkpoint-${bestGlobalStep}`);
    expect(steps(await listCheckpoints(outputDir))).toEqual([bestGlobalStep, 8]);
    expect((await trainer.evaluate()).eval_loss).toBe(bestMetric);
  });

  it("with a limit of 1 leaves the best alone in the end", async () => {
    const outputDir = folder();
    const trainer = makeTrainer(
      {
        ...{ outputDir, maxSteps: 6, evalStrategy: "steps", evalSteps: 1, saveSteps: 1 },
        ...{ loadBestModelAtEnd: true, saveTotalLimit: 1, learningRate: 2, warmupSteps: 6 },
      },
      { evalDataset: tinyRows(4) },
    );
    await trainer.train();
    expect(steps(await listCheckpoints(outputDir))).toEqual([trainer.state.bestGlobalStep]);
  });

  it('saves only improvements with saveStrategy "best"', async () => {
    const outputDir = folder();
    const trainer = makeTrainer(
      {
        ...{ outputDir, maxSteps: 6, evalStrategy: "steps", evalSteps: 1, saveStrategy: "best" },
        ...{ metricForBestModel: "loss", learningRate: 0 },
      },
      { evalDataset: tinyRows(4) },
    );
    await trainer.train();
    expect(steps(await listCheckpoints(outputDir))).toEqual([1]);
    expect(trainer.state.bestModelCheckpoint).toBe(`${outputDir}/checkpoint-1`);
  });

  it("finds the best checkpoint again after the folder was moved", async () => {
    const outputDir = folder();
    const args = { maxSteps: 2, evalStrategy: "steps", evalSteps: 1, saveSteps: 1 } as const;
    const evalDataset = tinyRows(4);
    await makeTrainer({ ...args, outputDir, metricForBestModel: "loss" }, { evalDataset }).train();
    const path = `${outputDir}/checkpoint-2/trainer_state.json`;
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replaceAll(outputDir, "/elsewhere"));
    const resumed = makeTrainer(
      { ...args, outputDir, metricForBestModel: "loss" },
      { evalDataset },
    );
    await resumed.train({ resumeFromCheckpoint: true });
    expect(resumed.state.bestModelCheckpoint).toMatch(new RegExp(`^${outputDir}/checkpoint-\\d$`));
  });

  it("lists checkpoints in order, and nothing else", async () => {
    const outputDir = folder();
    for (const name of ["checkpoint-10", "checkpoint-9", "checkpoint-best", "runs"]) {
      await mkdir(`${outputDir}/${name}`, { recursive: true });
      await writeFile(`${outputDir}/${name}/trainer_state.json`, "{}");
    }
    await utimes(`${outputDir}/checkpoint-9`, 5, 5);
    const found = await listCheckpoints(outputDir);
    expect(steps(found)).toEqual([9, 10]);
    expect(found[0]!.time).toBe(5000);
    await rm(outputDir, { recursive: true });
    expect(await listCheckpoints(outputDir)).toEqual([]);
  });
});

describe("reportTo", () => {
  it("writes log.jsonl, anew for a new run and continued for a resumed one", async () => {
    const outputDir = folder();
    const args = {
      outputDir,
      maxSteps: 4,
      saveSteps: 2,
      loggingSteps: 1,
      reportTo: "jsonl",
    } as const;
    const lines = async (): Promise<unknown[]> =>
      (await readFile(`${outputDir}/log.jsonl`, "utf8"))
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
    await expect(makeTrainer(args, { callbacks: [crashAfter(3)] }).train()).rejects.toThrow(Crash);
    expect((await lines()).length).toBe(3);
    const resumed = makeTrainer(args);
    await resumed.train({ resumeFromCheckpoint: true });
    expect(await lines()).toEqual(resumed.state.logHistory);
    const anew = makeTrainer(args);
    await anew.train();
    expect(await lines()).toEqual(anew.state.logHistory);
  });
});
