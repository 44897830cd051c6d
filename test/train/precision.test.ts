// Mixed precision against PyTorch's autocast on the CPU, and the loss scale of fp16.
//
// Figures: torch 2.13.0 and transformers 5.17.0, golden/run-masked's model, rows and arguments, each forward inside
// torch.autocast("cpu", dtype), AdamW at 3e-3 after a warmup of ten, clipping to 1, GradScaler("cpu") for float16; one thread.

import { readFile, writeFile } from "node:fs/promises";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { openDevice } from "../../src/kernels/openDevice.ts";
import { T5Config } from "../../src/t5/config.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { ArgumentError } from "../../src/tensor/errors.ts";
import { readSafetensors } from "../../src/tensor/safetensors.ts";
import { groupOf } from "../../src/kernels/matmul/groupBindings.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { TrainingArgumentsInput } from "../../src/train/arguments/arguments.ts";
import type { TrainerCallback } from "../../src/train/callbacks.ts";
import type { Example } from "../../src/data/collate.ts";
import { LossScale } from "../../src/train/precision.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { distance } from "../support/describeOp.ts";
import { temporaryFolder } from "../support/folder.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";
import { TinyModel, tinyRows } from "../support/tinyModel.ts";
import { tinyBatch, tinyConfig, tinyT5, weightsOf } from "../support/tinyT5.ts";

const folder = temporaryFolder();
/** One thread, as torch had: small models only wait for others. */
const cpu = await openDevice("cpu", { threads: 1 });

/** Mean losses of each ten updates, and the gradient norm of every tenth. */
const TORCH = {
  bf16: {
    losses: [7.14103379, 5.75758457, 5.05776906],
    norms: [7.81567097, 3.07797408, 2.09784198],
  },
  fp16: {
    losses: [7.13903055, 5.75935411, 5.05893154],
    norms: [7.81294346, 3.08950353, 2.09903789],
  },
} as const;

/** First eight logits of the first row of the first batch before training, in f32 and under autocast. */
const LOGITS = {
  f32: [
    -0.54328328, -1.72674143, -2.15033507, 0.32652, 1.51910579, 2.18882892, -0.18742599, -0.2312014,
  ],
  bf16: [
    -0.5390625, -1.7421875, -2.171875, 0.337890625, 1.5234375, 2.203125, -0.171875, -0.23828125,
  ],
  f16: [
    -0.54345703, -1.72851562, -2.1484375, 0.32836914, 1.51757812, 2.1875, -0.1871337890625,
    -0.23095703,
  ],
} as const;

interface GoldenRun {
  readonly arguments: Readonly<Record<string, number>>;
  readonly train: readonly {
    readonly input_ids: number[];
    readonly attention_mask: number[];
    readonly labels: number[];
  }[];
  readonly batches: readonly (readonly number[])[];
}

describe.skipIf(!hasShared)(needsShared("autocast"), () => {
  let golden: GoldenRun;
  let rows: Example[];
  beforeAll(async () => {
    golden = JSON.parse(
      await readFile(shared("golden", "run-masked", "run.json"), "utf8"),
    ) as GoldenRun;
    rows = golden.train.map(({ input_ids, attention_mask, labels }) => ({
      ...{ inputIds: input_ids, attentionMask: attention_mask, labels },
    }));
  });
  const load = (dtype: "float32" | "float16" = "float32") =>
    T5ForConditionalGeneration.fromPretrained(shared("golden", "run-masked", "initial"), {
      ...{ device: cpu, dtype },
    });
  const makeTrainer = (
    model: T5ForConditionalGeneration,
    args: TrainingArgumentsInput,
    callbacks: readonly TrainerCallback[] = [],
  ) =>
    new Trainer({
      model,
      args: {
        ...{ learningRate: 0.003, warmupSteps: 10, perDeviceTrainBatchSize: 6, loggingSteps: 10 },
        ...{ disableTqdm: true, saveStrategy: "no", ...args },
      },
      ...{ trainDataset: rows, callbacks },
    });

  it.each(["bf16", "f16"] as const)("rounds what torch rounds in %s", async (dtype) => {
    const model = await load();
    model.autocast = dtype;
    const batch = golden.batches[0]!.map((i) => rows[i]!);
    const inputs = {
      inputIds: batch.map(({ inputIds }) => [...inputIds]),
      attentionMask: batch.map(({ attentionMask }) => [...attentionMask!]),
      labels: batch.map(({ labels }) => [...labels]),
    };
    const logits = await scope(() => [model.forward(inputs).logits.data()])[0]!;
    const first = Array.from(logits.subarray(0, 8));
    // Every logit is a 16-bit number, as torch's; attention and GELU round less often here.
    const exact = distance(LOGITS.f32, LOGITS[dtype]);
    expect(distance(first, LOGITS[dtype])).toBeLessThan(1.5 * exact);
    expect(distance(first, LOGITS.f32)).toBeGreaterThan(0.2 * exact);
    const unit = dtype === "bf16" ? 2 ** -8 : 2 ** -11;
    for (const value of first) {
      const scale = 2 ** Math.floor(Math.log2(Math.abs(value)));
      expect(Number.isInteger(value / (2 * unit * scale))).toBe(true);
    }
    model.dispose();
  });

  it.each(["bf16", "fp16"] as const)("trains as torch does with %s", async (precision) => {
    const model = await load();
    const trainer = makeTrainer(model, {
      maxSteps: 30,
      [precision]: true,
      lrSchedulerType: "constant_with_warmup",
    });
    const { skippedSteps } = await trainer.train();
    const history = trainer.state.logHistory.filter(({ loss }) => loss !== undefined);
    const { losses, norms } = TORCH[precision];
    for (const [i, { loss, grad_norm }] of history.entries()) {
      expect(Math.abs(loss! / losses[i]! - 1), `loss ${i}`).toBeLessThan(1e-3);
      expect(Math.abs(grad_norm! / norms[i]! - 1), `norm ${i}`).toBeLessThan(1e-2);
    }
    expect(history).toHaveLength(3);
    expect(skippedSteps).toBe(0);
    expect(model.autocast).toBeNull(); // put back
    expect([...model.parameters().values()].every(({ dtype }) => dtype === "f32")).toBe(true);
    model.dispose();
  });

  it("leaves updates out that overflow, schedule included, and resumes the scale", async () => {
    const outputDir = folder();
    const args = { fp16: true, maxSteps: 10, saveSteps: 2, loggingSteps: 1, outputDir };
    const saved = { ...args, saveStrategy: "steps" } as const;
    const first = await load();
    const stop: TrainerCallback = {
      onStepEnd(_args, state, control) {
        if (state.globalStep === 2) control.shouldTrainingStop = true;
      },
    };
    await makeTrainer(first, saved, [stop]).train();
    const path = `${outputDir}/checkpoint-2/scaler.json`;
    const scaler = JSON.parse(await readFile(path, "utf8")) as Record<string, number>;
    expect(scaler).toEqual({
      ...{ scale: 65536, growth_factor: 2, backoff_factor: 0.5, growth_interval: 2000 },
      ...{ _growth_tracker: 2, skipped_steps: 0 },
    });
    await writeFile(path, JSON.stringify({ ...scaler, scale: 2 ** 20, skipped_steps: 2 }));

    const model = await load();
    const weights: Float32Array[] = [];
    const scales: number[] = [];
    const observe: TrainerCallback = {
      async onStepEnd() {
        weights.push((await model.parameters().get("lm_head.weight")!.data()) as Float32Array);
      },
      async onSave(_args, state) {
        const file = `${outputDir}/checkpoint-${state.globalStep}/scaler.json`;
        scales.push((JSON.parse(await readFile(file, "utf8")) as { scale: number }).scale);
      },
    };
    const trainer = makeTrainer(model, { ...saved, saveSteps: 1 }, [observe]);
    const { skippedSteps, globalStep } = await trainer.train({ resumeFromCheckpoint: true });
    expect(globalStep).toBe(10);
    const halved = scales.filter((scale, i) => scale < (scales[i - 1] ?? 2 ** 20)).length;
    expect(halved).toBeGreaterThanOrEqual(2);
    expect(halved).toBeLessThan(8);
    expect(skippedSteps).toBe(2 + halved);
    // An update that overflows moves neither weights nor learning rate; every other one moves both.
    const records = trainer.state.logHistory.filter(
      ({ step, loss }) => step > 2 && loss !== undefined,
    );
    const isSkipped = records.map(({ grad_norm }) => !Number.isFinite(grad_norm));
    expect(isSkipped.filter(Boolean)).toHaveLength(halved);
    expect(isSkipped[0]).toBe(true);
    for (let i = 1; i < records.length; i++) {
      expect(distance(weights[i]!, weights[i - 1]!) > 0).toBe(!isSkipped[i]);
      const rates = [records[i - 1]!.learning_rate!, records[i]!.learning_rate!] as const;
      expect(rates[1] > rates[0]).toBe(!isSkipped[i - 1]);
    }
    first.dispose();
    model.dispose();
  });

  it("takes the loss scale back from gradients, with clipping and without", async () => {
    const firstStep = async (args: TrainingArgumentsInput) => {
      const model = await load();
      const outputDir = folder();
      const all = {
        maxSteps: 1,
        loggingSteps: 1,
        saveStrategy: "steps",
        outputDir,
        ...args,
      } as const;
      const trainer = makeTrainer(model, all);
      await trainer.train();
      const { tensors } = await readSafetensors(`${outputDir}/checkpoint-1/optimizer.safetensors`);
      model.dispose();
      const moment = tensors.get("lm_head.weight.exp_avg")!.data as Float32Array;
      return { norm: trainer.state.logHistory[0]!.grad_norm!, moment };
    };
    for (const maxGradNorm of [0, 1]) {
      const mixed = await firstStep({ maxGradNorm, fp16: true });
      const { moment } = await firstStep({ maxGradNorm });
      const largest = moment.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expect(distance(mixed.moment, moment)).toBeLessThan(0.02 * largest);
      expect(mixed.norm).toBeCloseTo(9.058, 2); // torch's
    }
  });

  it("refuses weights in 16 bits with fp16", async () => {
    const model = await load("float16");
    await expect(makeTrainer(model, { fp16: true, maxSteps: 1 }).train()).rejects.toThrow(
      /^fp16: trained weights must be f32, got f16 \(shared\.weight\)/,
    );
    model.dispose();
  });
});

describe("products", () => {
  /** Names of the kernels of matrix products in a step, and how many products each was. */
  function productsOf(autocast: "f16" | "bf16" | null): Map<string, number> {
    const model = tinyT5({ device: cpu });
    model.autocast = autocast;
    const counts = new Map<string, number>();
    const dispatch = vi.spyOn(cpu, "dispatch");
    scope(() => backward(model.forward(tinyBatch(2, 5)).loss!));
    for (const [{ name }, tensors] of dispatch.mock.calls) {
      if (!name.startsWith("matmul")) continue;
      const { a, b } = groupOf(tensors);
      counts.set(name, (counts.get(name) ?? 0) + Math.max(a, b));
    }
    dispatch.mockRestore();
    model.dispose();
    return counts;
  }

  it("may run on matrix units in both mixed precisions, and only there", () => {
    const exact = productsOf(null);
    expect([...exact.keys()].sort()).toEqual(["matmul", "matmulGroup"]);
    const single = exact.get("matmul")! + exact.get("matmulGroup")!;
    // Each of the three products of a linear layer has an operand stored in 16 bits: the weight, or x as it is kept.
    expect(productsOf("f16")).toEqual(new Map([["matmulF16Rounding", single]]));
    expect(productsOf("bf16")).toEqual(new Map([["matmulBf16Rounding", single]]));
  });
});

describe("the loss scale", () => {
  it("halves on overflow and doubles after 2000 updates without one, as GradScaler", () => {
    const scale = new LossScale();
    expect(scale.scale).toBe(65536);
    scale.update(true);
    scale.update(true);
    expect(scale.state).toEqual({ scale: 16384, growthTracker: 0, skippedSteps: 2 });
    for (let i = 0; i < 1999; i++) scale.update(false);
    expect(scale.state).toEqual({ scale: 16384, growthTracker: 1999, skippedSteps: 2 });
    scale.update(false);
    expect(scale.state).toEqual({ scale: 32768, growthTracker: 0, skippedSteps: 2 });
    for (let i = 0; i < 1000; i++) scale.update(false);
    scale.update(true);
    expect(scale.state).toEqual({ scale: 16384, growthTracker: 0, skippedSteps: 3 });
    scale.restore({ scale: 2 ** 127, growthTracker: 1999, skippedSteps: 3 });
    scale.update(false);
    expect(scale.scale).toBe(2 ** 127); // the next power is not a finite f32
  });

  it("says after ten updates in a row without one taken that all were skipped, and again after others", () => {
    const warn = vi.spyOn(console, "warn").mockReturnValue(undefined);
    const scale = new LossScale();
    const skip = (count: number) => {
      for (let i = 0; i < count; i++) scale.update(true);
      return warn.mock.calls.length;
    };
    expect(skip(9)).toBe(0);
    scale.update(false);
    expect(skip(9)).toBe(0);
    expect(skip(1)).toBe(1);
    expect(warn.mock.calls[0]![0]).toMatch(
      /^warning: fp16: skipped updates in a row: 10, for gradients overflow \(the loss scale is 0\.125 now\)\./,
    );
    expect(skip(100)).toBe(1); // once for a series
    scale.update(false);
    expect(skip(10)).toBe(2);
    scale.end();
    expect(warn).toHaveBeenCalledTimes(2);
    warn.mockRestore();
  });

  it("says so at the end of a run that was shorter and took no update", () => {
    const warn = vi.spyOn(console, "warn").mockReturnValue(undefined);
    const ends = (...updates: boolean[]) => {
      warn.mockClear();
      const scale = new LossScale();
      for (const overflowed of updates) scale.update(overflowed);
      scale.end();
      return warn.mock.calls.length;
    };
    expect([ends(true, true), ends(true, false), ends(false, true), ends()]).toEqual([1, 0, 0, 0]);
    warn.mockRestore();
  });

  it("is in the log of a run in which every update overflows", async () => {
    const warn = vi.spyOn(console, "warn").mockReturnValue(undefined);
    const config = T5Config.fromJSON({ ...tinyConfig.toJSON(), initializer_factor: 1e5 });
    const model = tinyT5({ config });
    const before = await weightsOf(model);
    const run = (fp16: boolean) =>
      new Trainer({
        model,
        trainDataset: [{ inputIds: [5, 6, 1], labels: [7, 1] }],
        args: {
          ...{ fp16, maxSteps: 12, loggingSteps: 4, saveStrategy: "no", outputDir: folder() },
          ...{ disableTqdm: true, perDeviceTrainBatchSize: 1 },
        },
      });
    const trainer = run(true);
    const { skippedSteps, metrics } = await trainer.train();
    const skipped = trainer.state.logHistory.map((record) => record["skipped_steps"]);
    expect(skipped).toEqual([4, 8, 12, 12]);
    expect([skippedSteps, metrics["skipped_steps"]]).toEqual([12, 12]);
    expect(warn).toHaveBeenCalledTimes(1);
    expect(await weightsOf(model)).toEqual(before);
    const plain = run(false);
    await plain.train();
    expect(plain.state.logHistory.some((record) => "skipped_steps" in record)).toBe(false);
    warn.mockRestore();
    model.dispose();
  });

  it("is asked of models that have mixed precision only", async () => {
    const trainer = (args: TrainingArgumentsInput) =>
      new Trainer({
        ...{ model: new TinyModel(), trainDataset: tinyRows(4) },
        args: { saveStrategy: "no", maxSteps: 1, disableTqdm: true, ...args },
      });
    await expect(trainer({ bf16: true }).train()).rejects.toThrow(
      /^bf16: needs a model with mixed/,
    );
    expect(() => trainer({ bf16: true, fp16: true })).toThrow(ArgumentError);
  });
});
