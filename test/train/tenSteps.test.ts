// Ten updates of a small model against PyTorch's AdamW, clipping and schedule: runs on every clone (test/golden/makeSteps.py).

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Example } from "../../src/data/collate.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { readSafetensors } from "../../src/tensor/safetensors.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { cpu, plain } from "../support/device.ts";
import { isFull } from "../support/full.ts";
import { golden } from "../support/golden.ts";
import { gpu } from "../support/gpu.ts";

interface Steps {
  readonly settings: Readonly<Record<string, number>>;
  readonly float64: { readonly loss: number[]; readonly grad_norm: number[] };
  readonly float32: { readonly loss: number[]; readonly grad_norm: number[] };
}

type Values = Awaited<ReturnType<typeof readSafetensors>>;

function rows(values: Values, name: string): number[][] {
  const { shape, data } = values.tensors.get(name)!;
  const [count, width] = shape as [number, number];
  const flat = Array.from(data as BigInt64Array, Number);
  return Array.from({ length: count }, (_, i) => flat.slice(i * width, (i + 1) * width));
}

/** Largest difference from `expected`, each as a share of its value. */
const apart = (ours: readonly number[], expected: readonly number[]): number =>
  Math.max(...expected.map((value, i) => Math.abs(ours[i]! - value) / value));

describe.each([
  ["WebAssembly", cpu] as const,
  ["plain", plain] as const,
  ...(isFull ? [["WGSL", gpu] as const] : []),
])("ten updates with %s kernels", (_, device) => {
  let steps: Steps;
  let examples: Example[];
  let folder: string;
  beforeAll(async () => {
    steps = JSON.parse(await readFile(golden("t5-odd", "steps.json"), "utf8")) as Steps;
    const values = await readSafetensors(golden("t5-odd", "io.safetensors"));
    const [inputs, masks, labels] = ["input_ids", "attention_mask", "labels"].map((name) =>
      rows(values, name),
    );
    examples = inputs!.map((inputIds, i) => ({
      inputIds,
      attentionMask: masks![i]!,
      labels: labels![i]!,
    }));
    folder = await mkdtemp(join(tmpdir(), "gradloom-ten-steps-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("give PyTorch's losses and gradient norms", async () => {
    const { steps: maxSteps, ...settings } = steps.settings;
    const model = await T5ForConditionalGeneration.fromPretrained(golden("t5-odd"), { device });
    const trainer = new Trainer({
      model,
      args: {
        ...settings,
        maxSteps: maxSteps!,
        perDeviceTrainBatchSize: examples.length,
        outputDir: folder,
        loggingSteps: 1,
        saveStrategy: "no",
        disableTqdm: true,
      },
      trainDataset: examples,
    });
    await trainer.train();
    const log = trainer.state.logHistory.filter((record) => record["loss"] !== undefined);
    const [losses, norms] = ["loss", "grad_norm"].map((key) =>
      log.map((record) => Number(record[key])),
    );
    expect(log.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    // PyTorch's own float32 is 1.4e-7 (loss) and 1.9e-7 (norm) from its float64.
    expect(apart(steps.float32.loss, steps.float64.loss)).toBeLessThan(4e-7);
    expect(apart(losses!, steps.float64.loss)).toBeLessThan(1e-5);
    expect(apart(norms!, steps.float64.grad_norm)).toBeLessThan(1e-5);
    model.dispose();
  });
});
