// Whole Trainer runs of transformers, step by step (golden/run-*).

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import type { Example } from "../../src/train/collate.ts";
import { EarlyStoppingCallback } from "../../src/train/callbacks.ts";
import type { TrainingArgumentsInput } from "../../src/train/arguments.ts";
import { epochOrder } from "../../src/train/dataOrder.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { cpu } from "../support/device.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

interface Row {
  readonly input_ids: number[];
  readonly attention_mask?: number[];
  readonly labels: number[];
}
interface Run {
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly train: readonly Row[];
  readonly eval: readonly Row[];
  readonly batches: readonly (readonly number[])[];
  readonly log_history: readonly Readonly<Record<string, number>>[];
  readonly train_loss: number;
  readonly global_step: number;
  readonly total_flos: number;
  readonly best_model_checkpoint: string | null;
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gradloom-golden-"));
});
afterAll(() => rm(folder, { recursive: true }));

const examples = (rows: readonly Row[]): Example[] =>
  rows.map(({ input_ids, attention_mask, labels }) => ({
    inputIds: input_ids,
    ...(attention_mask ? { attentionMask: attention_mask } : {}),
    labels,
  }));

const camel = (key: string) => key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

async function reproduce(name: string, more: TrainingArgumentsInput, patience?: number) {
  const run = JSON.parse(await readFile(shared("golden", name, "run.json"), "utf8")) as Run;
  const { dtype: _dtype, early_stopping_patience: _patience, ...given } = run.arguments;
  const args = Object.fromEntries(Object.entries(given).map(([key, value]) => [camel(key), value]));
  const model = await T5ForConditionalGeneration.fromPretrained(shared("golden", name, "initial"), {
    device: cpu,
  });
  const trainer = new Trainer({
    model,
    args: { ...args, outputDir: join(folder, name), disableTqdm: true, ...more },
    trainDataset: examples(run.train),
    ...(run.eval.length > 0 ? { evalDataset: examples(run.eval) } : {}),
    ...(patience ? { callbacks: [new EarlyStoppingCallback({ earlyStoppingPatience: patience })] } : {}),
  });
  const output = await trainer.train();
  model.dispose();
  return { run, trainer, output };
}

function expectLog(actual: Trainer, run: Run, lossTolerance: number): void {
  const numbers = (key: string) => (record: Readonly<Record<string, number>>) => record[key];
  for (const [key, tolerance] of [
    ["loss", lossTolerance],
    ["eval_loss", lossTolerance],
    ["grad_norm", 5 * lossTolerance],
    ["learning_rate", 1e-12],
    ["epoch", 1e-12],
  ] as const) {
    const expected = run.log_history.map(numbers(key)).filter((x) => x !== undefined);
    const ours = actual.state.logHistory.map(numbers(key)).filter((x) => x !== undefined);
    expect(ours.length, key).toBe(expected.length);
    ours.forEach((value, i) => {
      const error = Math.abs(value! - expected[i]!) / Math.max(Math.abs(expected[i]!), 1e-12);
      expect(error, `${key} ${i}: ${value} and ${expected[i]}`).toBeLessThanOrEqual(tolerance);
    });
  }
}

describe.skipIf(!hasShared)(needsShared("runs of transformers' Trainer"), () => {
  it.each([
    ["run-notebook", 8],
    ["run-masked", 6],
  ])("%s", async (name, batchSize) => {
    const { run, trainer, output } = await reproduce(name, {});
    expectLog(trainer, run, 1e-3);
    expect(output.metrics.total_flos).toBe(run.total_flos);
    expect(output.globalStep).toBe(run.global_step);
    expect(Math.abs(output.trainingLoss - run.train_loss) / run.train_loss).toBeLessThan(1e-3);
    const order = [0, 1, 2, 3, 4].flatMap((epoch) => [...epochOrder(run.train.length, 42, epoch)]);
    expect(order.slice(0, run.batches.length * batchSize)).toEqual(run.batches.flat());
  });

  it("run-full: accumulation, evaluation, early stopping, best model", async () => {
    const { run, trainer } = await reproduce("run-full", { saveTotalLimit: 3 }, 2);
    expectLog(trainer, run, 5e-3);
    expect(trainer.state.globalStep).toBe(run.global_step);
    expect(trainer.state.bestModelCheckpoint).toBe(
      join(folder, "run-full", run.best_model_checkpoint!),
    );
  });
});
