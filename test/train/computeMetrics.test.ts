// Metrics of evaluations: what computeMetrics sees, with generation and without, and what follows from its figures.

import { describe, expect, it } from "vitest";
import { T5Config } from "../../src/t5/config.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { Scope } from "../../src/tensor/scope.ts";
import type { TrainingArgumentsInput } from "../../src/train/arguments/arguments.ts";
import { rougeMetrics } from "../../src/train/rougeMetrics.ts";
import { Trainer, type EvalPrediction } from "../../src/train/trainer.ts";
import { cpu } from "../support/device.ts";

const quiet = { saveStrategy: "no", disableTqdm: true } as const;
const config = () =>
  T5Config.fromJSON(
    {
      ...{ model_type: "t5", vocab_size: 24, d_model: 8, d_kv: 4, d_ff: 12, num_heads: 2 },
      ...{ num_layers: 1, num_decoder_layers: 1, feed_forward_proj: "gated-gelu" },
      ...{ decoder_start_token_id: 0, dropout_rate: 0.1 },
    },
    { source: "test" },
  );

describe("computeMetrics", () => {
  const rows = [
    { inputIds: [3, 4, 5, 1], labels: [6, 7, 1] },
    { inputIds: [8, 9, 1], labels: [10, 1] },
    { inputIds: [12, 1], labels: [2, 3, 4, 1] },
  ];
  async function predictions(more: TrainingArgumentsInput) {
    const model = T5ForConditionalGeneration.fromConfig(config(), { device: cpu });
    const seen: EvalPrediction[] = [];
    const trainer = new Trainer({
      model,
      args: { ...quiet, ...more, perDeviceEvalBatchSize: 2 },
      evalDataset: rows,
      computeMetrics(prediction) {
        seen.push(prediction);
        return { sum: prediction.predictions.flat().reduce((a, b) => a + b, 0), eval_own: 1 };
      },
    });
    const metrics = await trainer.evaluate();
    return { model, trainer, metrics, seen: seen[0]! };
  }

  it("sees what the model generates, and labels with -100 where there are none", async () => {
    const { model, seen, metrics, trainer } = await predictions({
      ...{ predictWithGenerate: true, generationMaxLength: 5, generationNumBeams: 2 },
    });
    const generated: number[][] = [];
    for (const { inputIds } of rows) {
      generated.push(
        ...(await model.generate({ inputIds: [inputIds] }, { maxLength: 5, numBeams: 2 })),
      );
    }
    const untilEnd = (ids: readonly number[]) =>
      ids.slice(0, ids.indexOf(1) < 0 ? ids.length : ids.indexOf(1) + 1);
    expect(seen.predictions.map(untilEnd)).toEqual(generated.map(untilEnd));
    expect(Math.max(...seen.predictions.map(({ length }) => length))).toBeLessThanOrEqual(5);
    expect(seen.labelIds).toEqual([
      [6, 7, 1],
      [10, 1, -100],
      [2, 3, 4, 1],
    ]);
    expect(Object.keys(metrics)).toEqual([
      ...["eval_loss", "eval_sum", "eval_own", "eval_runtime"],
      ...["eval_samples_per_second", "eval_steps_per_second"],
    ]);
    expect(metrics.eval_sum).toBe(seen.predictions.flat().reduce((a, b) => a + b, 0));
    const predicted = await trainer.predict(rows.slice(0, 1));
    expect(predicted.predictions.map(untilEnd)).toEqual(generated.slice(0, 1).map(untilEnd));
    expect(predicted.metrics).toMatchObject({ test_eval_own: 1 });
    model.dispose();
  });

  it("sees the likeliest token of every label position without generation", async () => {
    const { model, seen } = await predictions({});
    const memory = new Scope();
    for (const [i, { inputIds, labels }] of rows.entries()) {
      const { logits } = memory.run(() =>
        model.forward({ inputIds: [inputIds], labels: [labels] }),
      );
      const values = [...(await logits.data())];
      const likeliest = labels.map((_, t) => {
        const row = values.slice(24 * t, 24 * (t + 1));
        return row.indexOf(Math.max(...row));
      });
      expect(seen.predictions[i]!.slice(0, labels.length)).toEqual(likeliest);
    }
    memory.dispose();
    model.dispose();
  });

  it("chooses the best model", async () => {
    const model = T5ForConditionalGeneration.fromConfig(config(), { device: cpu });
    const scores = [0.2, 0.5, 0.4];
    const trainer = new Trainer({
      model,
      args: {
        ...{ ...quiet, maxSteps: 3, evalStrategy: "steps", evalSteps: 1 },
        metricForBestModel: "rouge1",
      },
      ...{ trainDataset: rows, evalDataset: rows },
      computeMetrics: () => ({ rouge1: scores.shift()! }),
    });
    await trainer.train();
    expect(trainer.state).toMatchObject({ bestMetric: 0.5, bestGlobalStep: 2 });
    model.dispose();
  });

  it("gives ROUGE of decoded texts", async () => {
    const words = ["", "", "cat", "dog", "runs", "sleeps"];
    const tokenizer = {
      padTokenId: 0,
      decode: (ids: ArrayLike<number>) =>
        Array.from(ids, (id) => words[id]!)
          .filter((word) => word !== "")
          .join(" "),
    };
    const metrics = await rougeMetrics(tokenizer)({
      predictions: [
        [0, 2, 4, 1],
        [0, 3, 4, 1, 0, 0],
      ],
      labelIds: [
        [2, 4, 1],
        [3, 5, 1, -100],
      ],
    });
    expect(metrics.rouge1).toBeCloseTo(0.75, 1); // 1 and 0.5; the figure is a median of bootstrap means
    expect(metrics.rouge2).toBeCloseTo(0.5, 5);
    expect(metrics.gen_len).toBe(3);
  });
});
