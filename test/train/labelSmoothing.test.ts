// Label smoothing through the whole Trainer, against transformers' Seq2SeqTrainer 5.17 on the same model and rows
// (label_smoothing_factor 0.1, dropout 0, learning rate 3e-3, warmup 2 of 6 steps, evaluation of the first eight rows).

import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import type { Example } from "../../src/data/collate.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { cpu } from "../support/device.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

const expected = [
  { step: 2, loss: 7.564260005950928, grad_norm: 8.68274211883545 },
  { step: 3, eval_loss: 7.00502872467041 },
  { step: 4, loss: 7.291012763977051, grad_norm: 9.931368827819824 },
  { step: 6, loss: 6.872731685638428, grad_norm: 7.68778657913208 },
  { step: 6, eval_loss: 6.814427375793457 },
];

it.skipIf(!hasShared)(needsShared("label smoothing logs transformers' losses"), async () => {
  const { train } = JSON.parse(
    await readFile(shared("golden", "run-masked", "run.json"), "utf8"),
  ) as {
    train: { input_ids: number[]; attention_mask: number[]; labels: number[] }[];
  };
  const rows = train.map(({ input_ids, attention_mask, labels }): Example => ({
    inputIds: input_ids,
    attentionMask: attention_mask,
    labels,
  }));
  const model = await T5ForConditionalGeneration.fromPretrained(
    shared("golden", "run-masked", "initial"),
    { device: cpu, config: { dropout_rate: 0 } },
  );
  const trainer = new Trainer({
    model,
    trainDataset: rows,
    evalDataset: rows.slice(0, 8),
    args: {
      ...{ learningRate: 0.003, warmupSteps: 2, maxSteps: 6, loggingSteps: 2, seed: 42 },
      ...{ perDeviceTrainBatchSize: 6, perDeviceEvalBatchSize: 4, labelSmoothingFactor: 0.1 },
      ...{ evalStrategy: "steps", evalSteps: 3, saveStrategy: "no", disableTqdm: true },
    },
  });
  await trainer.train();
  const logged = trainer.state.logHistory.filter(
    (record) => "loss" in record || "eval_loss" in record,
  );
  expect(logged.map(({ step }) => step)).toEqual(expected.map(({ step }) => step));
  for (const [i, figures] of expected.entries()) {
    for (const [key, value] of Object.entries(figures)) {
      const tolerance = key === "grad_norm" ? 5e-3 : 1e-4;
      const ours = logged[i]![key]!;
      expect(Math.abs(ours / value - 1), `${key} at ${figures.step}`).toBeLessThan(tolerance);
    }
  }
  model.dispose();
});
