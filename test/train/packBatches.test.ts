// A Trainer that computes no padding beside one that does: the same batches, and the same figures to rounding.

import { describe, expect, it } from "vitest";
import { seq2seqCollate, type Batch, type Example } from "../../src/data/collate.ts";
import { addLora } from "../../src/t5/lora/adapter.ts";
import { LoraConfig } from "../../src/t5/lora/config.ts";
import type { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import type { TrainingArgumentsInput } from "../../src/train/arguments/arguments.ts";
import { Trainer, type TrainerOptions } from "../../src/train/trainer.ts";
import { uniform } from "../support/random.ts";
import { tinyConfig, tinyT5 } from "../support/tinyT5.ts";

const next = uniform(5);
const ids = (length: number): number[] =>
  Array.from({ length }, () => 2 + Math.floor(next() * (tinyConfig.vocabSize - 2)));
const rows: Example[] = Array.from({ length: 12 }, (_, i) => ({
  inputIds: ids(1 + ((i * 5) % 9)),
  labels: ids(1 + ((i * 3) % 7)),
}));

interface Run {
  readonly history: readonly Readonly<Record<string, number>>[];
  readonly inputs: readonly (readonly (readonly number[])[])[];
  /** What forwardPacked gave: a loss, or null. */
  readonly packed: readonly boolean[];
}

/** Trains three updates of two batches each, with an evaluation, without dropout. */
async function run(
  args: TrainingArgumentsInput,
  options: Partial<TrainerOptions> = {},
  prepare: (model: T5ForConditionalGeneration) => void = () => undefined,
): Promise<Run> {
  const model = tinyT5({ config: tinyConfig.withOverrides({ dropout_rate: 0 }) });
  prepare(model);
  const packed: boolean[] = [];
  const inputs: number[][][] = [];
  const forwardPacked = model.forwardPacked.bind(model);
  model.forwardPacked = (batch) => {
    const outputs = forwardPacked(batch);
    packed.push(outputs !== null);
    return outputs;
  };
  const trainer = new Trainer({
    model,
    trainDataset: rows,
    evalDataset: rows.slice(0, 5),
    collator(examples) {
      const batch = seq2seqCollate(examples);
      inputs.push(batch.inputIds);
      return batch;
    },
    args: {
      ...{ saveStrategy: "no", disableTqdm: true, loggingSteps: 1, maxSteps: 3 },
      ...{ evalStrategy: "steps", evalSteps: 3, perDeviceTrainBatchSize: 3 },
      ...{ gradientAccumulationSteps: 2, learningRate: 1e-2, ...args },
    },
    ...options,
  });
  await trainer.train();
  model.dispose();
  const history = trainer.state.logHistory as readonly Readonly<Record<string, number>>[];
  return { history, inputs, packed };
}

/** All figures but times. */
function expectSameFigures(one: Run, other: Run, tolerance: number): void {
  expect(one.inputs).toEqual(other.inputs);
  expect(one.history).toHaveLength(other.history.length);
  for (const [i, record] of one.history.entries()) {
    expect(Object.keys(record)).toEqual(Object.keys(other.history[i]!));
    for (const [key, value] of Object.entries(record)) {
      if (/runtime|per_second/.test(key)) continue;
      const expected = other.history[i]![key]!;
      if (value === expected) continue; // an update that overflowed has an infinite norm
      expect(Math.abs(value - expected), `${key} in record ${i}`).toBeLessThanOrEqual(
        tolerance * Math.abs(expected),
      );
    }
  }
}

const EXACT = 2e-5;
const settings: Record<string, [TrainingArgumentsInput, number]> = {
  "by default": [{}, EXACT],
  "with label smoothing and decay": [{ labelSmoothingFactor: 0.1, weightDecay: 0.1 }, EXACT],
  "grouped by length, counting tokens": [
    { trainSamplingStrategy: "group_by_length", includeNumInputTokensSeen: "non_padding" },
    EXACT,
  ],
  "with gradient checkpointing": [{ gradientCheckpointing: true }, EXACT],
  "in bf16, to its rounding": [{ bf16: true }, 2e-2],
  "in fp16, to its rounding": [{ fp16: true }, 5e-3],
  "with Adafactor": [{ optim: "adafactor" }, EXACT],
};

describe("packBatches", () => {
  it.each(Object.entries(settings))(
    "trains as padded batches do %s",
    async (_title, [args, tolerance]) => {
      const packed = await run(args);
      const padded = await run({ ...args, packBatches: false });
      expect(packed.packed).toContain(true);
      expect(padded.packed).toEqual([]);
      expectSameFigures(packed, padded, tolerance);
    },
  );

  it("trains a LoRA adapter as padded batches do", async () => {
    const adapt = (model: T5ForConditionalGeneration) => {
      addLora(model, new LoraConfig({ r: 2, loraAlpha: 8, loraDropout: 0 }), { seed: 3 });
    };
    const packed = await run({}, {}, adapt);
    expectSameFigures(packed, await run({ packBatches: false }, {}, adapt), EXACT);
  });

  it("pads where a mask hides tokens in the middle or on the left", async () => {
    const collator = (examples: readonly Example[]): Batch => {
      const batch = seq2seqCollate(examples);
      batch.attentionMask = batch.attentionMask!.map((row) => row.toReversed());
      return batch;
    };
    const usual = await run({}, { collator });
    expect(usual.packed).toContain(false);
    expectSameFigures(usual, await run({ packBatches: false }, { collator }), EXACT);
  });

  it("leaves a model whose forward is its own to that", async () => {
    let seen = 0;
    const count = (model: T5ForConditionalGeneration): void => {
      const forward = model.forward.bind(model);
      model.forward = (batch) => {
        seen++;
        return forward(batch);
      };
    };
    const { packed } = await run({}, {}, count);
    expect(packed).toEqual(packed.map(() => false));
    expect(seen).toBe(packed.length);
  });

  it("gives computeMetrics the likeliest token of every position, pads too", async () => {
    const predicted: (readonly (readonly number[])[])[] = [];
    const computeMetrics: TrainerOptions["computeMetrics"] = ({ predictions, labelIds }) => {
      expect(predictions.map(({ length }) => length)).toEqual(labelIds.map(({ length }) => length));
      predicted.push(predictions);
      return { count: predictions.length };
    };
    await run({ maxSteps: 1, evalSteps: 1 }, { computeMetrics });
    await run({ maxSteps: 1, evalSteps: 1, packBatches: false }, { computeMetrics });
    expect(predicted[0]).toEqual(predicted[1]);
  });
});
