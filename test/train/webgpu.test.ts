// Training on webgpu: transformers' own runs for 20 steps, memory that stays where it is, and how many kernels a
// step dispatches.

import { readFile } from "node:fs/promises";
import { describe, expect, it, vi } from "vitest";
import { randomT5 } from "../../bench/gpu/models.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import type { Example } from "../../src/data/collate.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { isFull } from "../support/full.ts";
import { gpu } from "../support/gpu.ts";
import { hasHalfUnits, matrixUseOf } from "../support/matrixUse.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

interface GoldenRun {
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly train: readonly {
    readonly input_ids: number[];
    readonly attention_mask?: number[];
    readonly labels: number[];
  }[];
  readonly log_history: readonly Readonly<Record<string, number>>[];
}

// A software GPU takes a second for one of these steps: `npm run test:full` takes more of them.
const STEPS = isFull ? 20 : 10;
const FLAT_STEPS = isFull ? 200 : 40;

function toCamel(key: string): string {
  return key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

const RUNS = [
  { name: "run-masked", loss: 1e-3, gradNorm: 5e-3 },
  { name: "run-notebook", loss: 1e-3, gradNorm: 5e-3 },
  { name: "run-notebook-bf16", loss: 3e-2, gradNorm: 3e-2 },
];

// All of them on the adapter in software that has matrix units (`npm run test:lavapipe`): they train there and nowhere else.
const EVERY = isFull || process.env["LAVAPIPE"] !== undefined;

describe.skipIf(!hasShared).each(EVERY ? RUNS : RUNS.slice(0, 1))(
  needsShared(`${STEPS} steps of $name on webgpu`),
  ({ name, ...tolerances }) => {
    it("log transformers' losses and gradient norms", async () => {
      const text = await readFile(shared("golden", name, "run.json"), "utf8");
      const golden = JSON.parse(text) as GoldenRun;
      const { dtype, ...args } = golden.arguments;
      const model = await T5ForConditionalGeneration.fromPretrained(
        shared("golden", name, "initial"),
        { device: gpu, dtype: dtype === "torch.bfloat16" ? "bfloat16" : "float32" },
      );
      const trainer = new Trainer({
        model,
        args: {
          ...Object.fromEntries(Object.entries(args).map(([key, value]) => [toCamel(key), value])),
          ...{ outputDir: "unused", saveStrategy: "no", disableTqdm: true },
        },
        trainDataset: golden.train.map(({ input_ids, attention_mask, labels }): Example => ({
          inputIds: input_ids,
          ...(attention_mask ? { attentionMask: attention_mask } : {}),
          labels,
        })),
        // Not maxSteps: the schedule counts on all of them.
        callbacks: [
          {
            onStepEnd: (_args, state, control) => {
              if (state.globalStep === STEPS) control.shouldTrainingStop = true;
            },
          },
        ],
      });
      const uses = await matrixUseOf(() => trainer.train());
      const logged = golden.log_history.filter(
        (record) => record["step"]! <= STEPS && record["loss"] !== undefined,
      );
      expect(logged.length).toBe(STEPS / 10);
      for (const [i, expected] of logged.entries()) {
        const record = trainer.state.logHistory[i]!;
        expect(record.step).toBe(expected["step"]);
        expect(Math.abs(record.loss! / expected["loss"]! - 1)).toBeLessThan(tolerances.loss);
        expect(Math.abs(record.grad_norm! / expected["grad_norm"]! - 1)).toBeLessThan(
          tolerances.gradNorm,
        );
        expect(record.learning_rate).toBe(expected["learning_rate"]);
      }
      // Every product of these models is large enough; of attention the encoder's is, and bf16 alone may be rounded.
      if (hasHalfUnits(gpu.adapter)) {
        const unlike = uses.filter(({ onUnits, mayUseUnits }) => onUnits !== mayUseUnits);
        expect(unlike).toEqual([]);
        const onUnits = uses.filter((use) => use.onUnits);
        const count = (kernel: string): number =>
          onUnits.filter((use) => use.kernel.startsWith(kernel)).length;
        expect(count("matmul")).toBe(132 * STEPS);
        expect(count("attention")).toBe(dtype === "torch.bfloat16" ? 6 * STEPS : 0);
      }
      model.dispose();
    });
  },
);

/** flan-t5-small's layers, narrower: dispatches do not depend on the width. */
function narrowModel(layers: number, dtype: "f32" | "bf16" = "f32") {
  const fields = {
    ...{ model_type: "t5", vocab_size: 96, d_model: 16, d_kv: 4, d_ff: 32, num_heads: 6 },
    ...{ num_layers: layers, feed_forward_proj: "gated-gelu", tie_word_embeddings: false },
    ...{ decoder_start_token_id: 0, dropout_rate: 0.1 },
  };
  return randomT5(fields, gpu, dtype);
}

const rows = Array.from({ length: 6 }, (_, i): Example => {
  const ids = (length: number, from: number) =>
    Array.from({ length }, (_, j) => 2 + ((7 * i + 13 * j + from) % 90));
  return { inputIds: ids(8 + i, 1), attentionMask: new Array(8 + i).fill(1), labels: ids(5, 4) };
});

describe("a training step on webgpu", () => {
  it.each(isFull ? (["f32", "bf16"] as const) : (["f32"] as const))(
    "dispatches at most 900 kernels in flan-t5-small's shape, %s",
    async (dtype) => {
      const model = narrowModel(8, dtype);
      const counts: number[] = [];
      let before = 0;
      const trainer = new Trainer({
        model,
        args: { maxSteps: 2, perDeviceTrainBatchSize: 2, saveStrategy: "no", disableTqdm: true },
        trainDataset: rows,
        callbacks: [
          {
            onStepBegin: () => void (before = gpu.dispatches),
            onStepEnd: () => void counts.push(gpu.dispatches - before),
          },
        ],
      });
      await trainer.train();
      model.dispose();
      expect(counts[1]).toBe(counts[0]);
      expect(counts[0]).toBeLessThanOrEqual(900);
    },
  );

  it("is counted when those before it have run, and reads nothing back", async () => {
    const model = narrowModel(1);
    let computed = 0;
    const ahead: number[] = [];
    const fence = gpu.fence.bind(gpu);
    const fences = vi.spyOn(gpu, "fence").mockImplementation(() => {
      const wait = fence();
      return () => wait().then(() => void computed++);
    });
    const reads = vi.spyOn(gpu, "readStored");
    let readsBefore = 0;
    const trainer = new Trainer({
      model,
      args: {
        ...{ maxSteps: 6, perDeviceTrainBatchSize: 2, saveStrategy: "no", disableTqdm: true },
        loggingStrategy: "no",
      },
      trainDataset: rows,
      callbacks: [
        {
          onStepEnd(_args, { globalStep }) {
            ahead.push(globalStep - computed);
            readsBefore = reads.mock.calls.length;
          },
        },
      ],
    });
    await trainer.train();
    expect(ahead).toHaveLength(6);
    expect(Math.max(...ahead)).toBeLessThanOrEqual(1);
    expect(fences).toHaveBeenCalledTimes(6);
    expect(readsBefore).toBe(0);
    fences.mockRestore();
    reads.mockRestore();
    model.dispose();
  });

  it(`leaves memory and pool where they were, ${FLAT_STEPS} times`, async () => {
    const model = narrowModel(1);
    const after: ReturnType<typeof gpu.memory>[] = [];
    const trainer = new Trainer({
      model,
      args: {
        maxSteps: FLAT_STEPS,
        perDeviceTrainBatchSize: 2,
        saveStrategy: "no",
        disableTqdm: true,
      },
      trainDataset: rows,
      callbacks: [{ onStepEnd: () => void after.push(gpu.memory()) }],
    });
    await trainer.train();
    // One step more than one epoch of batches: every shape was seen.
    const settled = after[4]!;
    const pooled = Math.max(...after.slice(5, 20).map(({ pooledBytes }) => pooledBytes));
    for (const memory of after.slice(5)) {
      expect(memory.tensors).toBe(settled.tensors);
      expect(memory.bytes).toBe(settled.bytes);
      expect(memory.pooledBytes).toBeLessThanOrEqual(1.25 * pooled);
    }
    model.dispose();
  });
});
