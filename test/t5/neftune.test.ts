// NEFTune: noise on the embeddings of both stacks, in training alone.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { T5Config } from "../../src/t5/config.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { TinyModel, tinyRows } from "../support/tinyModel.ts";
import { tinyBatch, tinyConfig, tinyT5, weightsOf } from "../support/tinyT5.ts";

const config = T5Config.fromJSON({ ...tinyConfig.raw, dropout_rate: 0 });
const batch = tinyBatch(3, 7);

/** What goes into encoder and decoder. */
async function embeddings(model: ReturnType<typeof tinyT5>): Promise<number[][]> {
  const output = model.forward({ ...batch, outputHiddenStates: true });
  const first = [output.encoderHiddenStates![0]!, output.decoderHiddenStates![0]!];
  const values = await Promise.all(first.map(async (x: Tensor) => [...(await x.data())]));
  return values;
}

it("adds uniform noise of alpha / sqrt(tokens * width) to the embeddings of both stacks", async () => {
  const model = tinyT5({ config });
  model.train();
  const clean = await embeddings(model);
  model.neftuneNoiseAlpha = 5;
  const noisy = await embeddings(model);
  const most = 5 / Math.sqrt(7 * config.dModel);
  noisy.forEach((values, stack) => {
    const noise = values.map((x, i) => x - clean[stack]![i]!);
    const largest = Math.max(...noise.map(Math.abs));
    expect(largest).toBeLessThanOrEqual(most + 1e-6);
    expect(largest).toBeGreaterThan(0.95 * most);
    const mean = noise.reduce((sum, x) => sum + x, 0) / noise.length;
    const variance = noise.reduce((sum, x) => sum + x * x, 0) / noise.length;
    expect(Math.abs(mean)).toBeLessThan(0.15 * most);
    expect(variance / (most ** 2 / 3)).toBeGreaterThan(0.8);
    expect(variance / (most ** 2 / 3)).toBeLessThan(1.2);
  });
  expect(await embeddings(model)).not.toEqual(noisy);
  model.eval();
  expect(await embeddings(model)).toEqual(clean);
});

it("is the Trainer's neftuneNoiseAlpha, and goes on bit for bit where a checkpoint stopped", async () => {
  const outputDir = await mkdtemp(join(tmpdir(), "gradloom-neftune-"));
  const rows = Array.from({ length: 8 }, (_, i) => {
    const { inputIds, labels } = tinyBatch(1, 5, i);
    return { inputIds: inputIds[0]!, labels: labels[0]! };
  });
  const run = async (neftuneNoiseAlpha: number | null, resumeFromCheckpoint?: string) => {
    const model = tinyT5();
    const args = {
      ...{ outputDir, neftuneNoiseAlpha, maxSteps: 4, saveSteps: 2, learningRate: 1e-2 },
      ...{ perDeviceTrainBatchSize: 4, disableTqdm: true },
    };
    await new Trainer({ model, args, trainDataset: rows }).train({ resumeFromCheckpoint });
    expect(model.neftuneNoiseAlpha).toBeNull();
    return weightsOf(model);
  };
  const whole = await run(10);
  expect(await run(10, join(outputDir, "checkpoint-2"))).toEqual(whole);
  expect(await run(null)).not.toEqual(whole);
  await rm(outputDir, { recursive: true });
});

it("refuses a model that has none", () => {
  const args = { neftuneNoiseAlpha: 5, disableTqdm: true };
  expect(() => new Trainer({ model: new TinyModel(), args, trainDataset: tinyRows(4) })).toThrow(
    "neftuneNoiseAlpha: needs a model with neftuneNoiseAlpha, got one without. Leave it out.",
  );
});
