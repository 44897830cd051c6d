// Speed of training steps and of generation, with the memory and the main thread's time that they take.

import { gradientNorm } from "../../src/kernels/gradientNorm.ts";
import { addToSum } from "../../src/kernels/runningSum.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { zeros } from "../../src/tensor/tensor.ts";
import type { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";
import { AdamW } from "../../src/train/adamw.ts";
import { lossGradients } from "../../src/train/loss.ts";
import { nextTurn } from "../../src/train/nextTurn.ts";
import { ids, median } from "../flanT5Small.ts";
import { batch, randomT5 } from "./models.ts";
import type { Figure } from "./speed.ts";

/** Samples a second of the notebook's own run, FLAN-T5-base on its GPU: its train_samples_per_second. */
const NOTEBOOK = 24.157;

export interface ModelRun {
  /** What the figures are called. */
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly dtype: "f32" | "bf16";
}

export interface StepRun extends ModelRun {
  readonly texts: number;
  readonly source: number;
  readonly target: number;
  readonly steps: number;
  /** Mixed precision on f32 weights. */
  readonly autocast?: "f16";
  /** Whether it is the step that the notebook does. */
  readonly isNotebook?: true;
}

/** Training steps as the Trainer does them: dropout, clipping, AdamW, nothing read back but the loss at the end. */
export async function stepFigures(device: WebGpuDevice, run: StepRun): Promise<Figure[]> {
  const { name, texts, source, target, steps } = run;
  const model = randomT5(run.fields, device, run.dtype);
  model.train();
  model.autocast = run.autocast ?? null;
  const optimizer = new AdamW(model.parameters());
  const total = zeros([1], { device });
  const inputs = batch(texts, source, target, run.fields.vocab_size as number);
  const factors = { labelSmoothing: 0, share: 1, scale: 1 };
  const step = (): void => {
    const memory = new Scope();
    memory.run(() => {
      const into = optimizer.openGradients();
      const gradients = lossGradients(model, inputs, factors, into, (loss) =>
        addToSum(total, loss, 1),
      );
      const { scale } = gradientNorm(optimizer.gather(gradients), 1);
      optimizer.step(gradients, 1e-5, scale);
      optimizer.closeGradients();
    });
    memory.dispose();
  };
  try {
    const cold = performance.now();
    step();
    await device.sync();
    const compiling = (performance.now() - cold) / 1000;
    device.resetPeak();
    const begun = performance.now();
    for (let i = 0; i < steps; i++) {
      step();
      await nextTurn();
    }
    await device.sync();
    const seconds = (performance.now() - begun) / 1000 / steps;
    const { dispatches, microseconds } = await recordingTime(device, step);
    const loss = (await total.item()) / (1 + steps + RECORDED);
    if (!Number.isFinite(loss)) throw new Error(`${name}: the loss must be finite, got ${loss}`);
    const { peakBytes, pooledBytes } = device.memory();
    const rate = texts / seconds;
    return [
      {
        what: `${name} step`,
        value: rate,
        unit: "samples/s",
        ...(run.isNotebook
          ? { beside: `${(rate / NOTEBOOK).toPrecision(3)} times the notebook's ${NOTEBOOK}` }
          : {}),
      },
      { what: `${name} step`, value: 1000 * seconds, unit: "ms" },
      { what: `${name} mean loss`, value: loss, unit: "" },
      { what: `${name} dispatches of a step`, value: dispatches, unit: "" },
      {
        what: `${name} main thread`,
        value: microseconds / dispatches,
        unit: "µs per dispatch",
      },
      {
        what: `${name} peak memory`,
        value: peakBytes / 2 ** 20,
        unit: "MiB in tensors",
        beside: `${(pooledBytes / 2 ** 20).toFixed(0)} MiB pooled`,
      },
      { what: `${name} first step, compiling`, value: compiling, unit: "s" },
    ];
  } finally {
    optimizer.dispose();
    total.dispose();
    model.dispose();
  }
}

/** Steps whose recording is timed. */
const RECORDED = 5;

/** Main-thread time of a step from its first op to its last submission, waits excluded: the median. */
async function recordingTime(
  device: WebGpuDevice,
  step: () => void,
): Promise<{ dispatches: number; microseconds: number }> {
  const before = device.dispatches;
  const times: number[] = [];
  for (let i = 0; i < RECORDED; i++) {
    const begun = performance.now();
    step();
    // What is left to submit is submitted at once: sync waits only after it.
    const done = device.sync();
    times.push(1000 * (performance.now() - begun));
    await done;
  }
  const dispatches = (device.dispatches - before) / RECORDED;
  return { dispatches, microseconds: median(times) };
}

export interface GenerationRun extends ModelRun {
  readonly source: number;
  readonly tokens: number;
}

/** Greedy generation for one text, and for eight at a time. */
export async function generationFigures(
  device: WebGpuDevice,
  { name, fields, dtype, source, tokens }: GenerationRun,
): Promise<Figure[]> {
  const model = randomT5(fields, device, dtype);
  try {
    const figures: Figure[] = [];
    for (const texts of [1, 8]) {
      const inputs = { inputIds: ids(texts, source, (fields.vocab_size as number) - 2) };
      const times: number[] = [];
      let made = 0;
      for (let turn = 0; turn < 4; turn++) {
        const begun = performance.now();
        const sequences = await model.generate(inputs, { maxNewTokens: tokens });
        // The first turn compiles. Random weights seldom end a text early; what was made is counted.
        if (turn > 0) times.push((performance.now() - begun) / 1000);
        made = texts * (sequences[0]!.length - 1);
      }
      figures.push({
        what: `${name} greedy, ${texts} ${texts === 1 ? "text" : "texts"} of ${source} tokens, ${made} new`,
        value: made / median(times),
        unit: "tokens/s",
      });
    }
    return figures;
  } finally {
    model.dispose();
  }
}
