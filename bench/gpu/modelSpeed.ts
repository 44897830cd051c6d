// Speed of training steps and of generation, with the memory and the main thread's time that they take.

import type { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";
import { nextTurn } from "../../src/tensor/nextTurn.ts";
import { ids, median } from "../flanT5Small.ts";
import { randomT5 } from "./models.ts";
import type { Figure } from "./speed.ts";
import { recordingTime, trainingStep, type StepShape } from "./trainingStep.ts";

/** Samples a second of the notebook's own run, FLAN-T5-base on its GPU: its train_samples_per_second. */
const NOTEBOOK = 24.157;

/** Steps whose recording is timed. */
const RECORDED = 5;

export interface StepRun extends StepShape {
  /** What the figures are called. */
  readonly name: string;
  readonly steps: number;
  /** Whether it is the step that the notebook does. */
  readonly isNotebook?: true;
}

/** Training steps as the Trainer does them; nothing is read back but the loss at the end. */
export async function stepFigures(device: WebGpuDevice, run: StepRun): Promise<Figure[]> {
  const { name, texts, steps } = run;
  const step = trainingStep(device, run);
  try {
    const cold = performance.now();
    step.run();
    await device.sync();
    const compiling = (performance.now() - cold) / 1000;
    device.resetPeak();
    const begun = performance.now();
    for (let i = 0; i < steps; i++) {
      step.run();
      await nextTurn();
    }
    await device.sync();
    const seconds = (performance.now() - begun) / 1000 / steps;
    const { dispatches, microseconds } = await recordingTime(device, step, RECORDED);
    const loss = (await step.lossSum()) / (1 + steps + RECORDED);
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
        value: median(microseconds) / dispatches,
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
    step.dispose();
  }
}

export interface GenerationRun {
  /** What the figures are called. */
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly dtype: "f32" | "bf16";
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
