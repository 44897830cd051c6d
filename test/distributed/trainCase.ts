// A training run that one process or several can do, and what it ended with.

import { readFile } from "node:fs/promises";
import { openDevice } from "../../src/kernels/openDevice.ts";
import { T5Config } from "../../src/t5/config.ts";
import { addLora } from "../../src/t5/lora/adapter.ts";
import { LoraConfig } from "../../src/t5/lora/config.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import type { Example } from "../../src/data/collate.ts";
import type { ProcessGroup } from "../../src/distributed/processGroup.ts";
import type { TrainingArgumentsInput } from "../../src/train/arguments/arguments.ts";
import type { TrainerCallback } from "../../src/train/callbacks.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { tinyConfig } from "../support/tinyT5.ts";
import { uniform } from "../support/random.ts";
import { shared } from "../support/shared.ts";

export interface TrainCase {
  /** A run of golden/, or the tiny T5. */
  readonly golden?: string;
  /** Rows of the tiny T5, of lengths that differ. */
  readonly rows: number;
  readonly args: TrainingArgumentsInput;
  readonly dropout?: number;
  readonly lora?: boolean;
  readonly checkpointing?: boolean;
  readonly resume?: boolean;
  /** On a rank: changes a weight after the step, or throws, or prints each step and takes its time. */
  readonly mischief?: { readonly rank: number; readonly step: number; readonly what: string };
  readonly slow?: number;
  readonly wire?: "f32" | "bf16";
  readonly evaluates?: boolean;
}

export interface TrainResult {
  readonly losses: readonly number[];
  readonly norms: readonly number[];
  readonly evaluations: readonly Readonly<Record<string, number>>[];
  readonly weights: readonly number[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly steps: number;
  readonly isWorldProcessZero: boolean;
  /** Where dropout masks are drawn. */
  readonly random: { readonly seed: number; readonly offset: number };
}

export function tinyExamples(count: number, seed = 5): Example[] {
  const next = uniform(seed);
  const ids = (most: number): number[] =>
    Array.from({ length: 2 + Math.floor(next() * most) }, () => 2 + Math.floor(next() * 60));
  return Array.from({ length: count }, () => ({ inputIds: ids(9), labels: ids(6) }));
}

async function goldenCase(name: string) {
  const run = JSON.parse(await readFile(shared("golden", name, "run.json"), "utf8")) as {
    readonly train: readonly { input_ids: number[]; attention_mask: number[]; labels: number[] }[];
  };
  return run.train.map((row) => ({
    inputIds: row.input_ids,
    attentionMask: row.attention_mask,
    labels: row.labels,
  }));
}

export async function trainOnce(
  given: TrainCase,
  group: ProcessGroup,
  interruptSignal?: AbortSignal,
): Promise<TrainResult> {
  const device = await openDevice("cpu", { threads: 1 });
  const config = T5Config.fromJSON({ ...tinyConfig.toJSON(), dropout_rate: given.dropout ?? 0 });
  const model = given.golden
    ? await T5ForConditionalGeneration.fromPretrained(shared("golden", given.golden, "initial"), {
        device,
        dtype: "float32",
      })
    : T5ForConditionalGeneration.fromConfig(config, { device, seed: 1 });
  if (given.lora) addLora(model, new LoraConfig({ r: 4 }), { seed: 3 });
  const all = given.golden ? await goldenCase(given.golden) : tinyExamples(given.rows);
  const evalDataset = tinyExamples(13, 8);
  const trainer = new Trainer({
    model,
    args: { disableTqdm: true, loggingSteps: 1, saveStrategy: "no", ...given.args },
    trainDataset: all.slice(0, given.rows),
    ...(given.evaluates ? { evalDataset } : {}),
    ...(given.args.predictWithGenerate
      ? { computeMetrics: ({ predictions, labelIds }) => lengths(predictions, labelIds) }
      : {}),
    callbacks: [mischief(given, group)],
    processGroup: group,
    ...(given.wire ? { gradientWire: given.wire } : {}),
  });
  const training = trainer.train({ resumeFromCheckpoint: given.resume, interruptSignal });
  const output = await training.catch((error: unknown) => {
    if ((error as Error).name === "AbortError") return null;
    throw error;
  });
  const weights: number[] = [];
  for (const x of model.parameters().values()) weights.push(...(await x.data()));
  const { logHistory } = trainer.state;
  const losses = logHistory.filter((record) => "loss" in record);
  const result = {
    losses: losses.map(({ loss }) => loss!),
    norms: losses.map(({ grad_norm }) => grad_norm!),
    evaluations: logHistory.filter((record) => "eval_loss" in record),
    weights,
    metrics: output?.metrics ?? {},
    steps: trainer.state.globalStep,
    isWorldProcessZero: trainer.state.isWorldProcessZero,
    random: { seed: model.random.seed, offset: model.random.offset },
  };
  model.dispose();
  await device.close();
  return result;
}

/** Figures that depend on every row, and on their order. */
function lengths(
  predictions: readonly (readonly number[])[],
  labels: readonly (readonly number[])[],
) {
  const sum = (ids: readonly number[]): number => ids.reduce((a, b) => a + b, 0);
  return {
    rows: predictions.length,
    checksum: predictions.reduce((total, ids, i) => total + (i + 1) * sum(ids), 0),
    labels: labels.reduce((total, ids, i) => total + (i + 1) * sum(ids), 0),
  };
}

function mischief({ mischief: wanted, slow }: TrainCase, { rank }: ProcessGroup): TrainerCallback {
  return {
    async onStepEnd(_args, state, control, { model }) {
      if (slow) process.stdout.write(`step ${state.globalStep} of process ${process.pid}\n`);
      if (slow) await new Promise((resolve) => setTimeout(resolve, slow));
      if (wanted?.rank !== rank || wanted.step !== state.globalStep) return;
      if (wanted.what === "throw") throw new Error("the GPU was lost");
      if (wanted.what === "kill") process.kill(process.pid, "SIGKILL");
      if (wanted.what === "stop") control.shouldTrainingStop = true;
      if (wanted.what === "weights") {
        const x = [...model.parameters().values()][0]!;
        const { array, release } = x.device.pin(x.storage, x.dtype, x.size)!;
        array[0] = 7;
        release();
      }
    },
  };
}
