// Whole training runs against transformers' Trainer (golden/run-*): the rows of every batch, the log, the final weights.

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { readSafetensors } from "../../src/tensor/safetensors.ts";
import { EarlyStoppingCallback, type TrainerCallback } from "../../src/train/callbacks.ts";
import { defaultCollate, type Example } from "../../src/data/collate.ts";
import { Trainer, type TrainOutput } from "../../src/train/trainer.ts";
import { distance } from "../support/describeOp.ts";
import { cpu } from "../support/device.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

interface GoldenRow {
  readonly input_ids: number[];
  readonly attention_mask?: number[];
  readonly labels: number[];
}

interface GoldenRun {
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly train: readonly GoldenRow[];
  readonly eval: readonly GoldenRow[];
  /** Numbers of the rows of every batch. */
  readonly batches: readonly (readonly number[])[];
  readonly log_history: readonly Readonly<Record<string, number>>[];
  readonly train_loss: number;
  readonly global_step: number;
  readonly total_flos: number;
  readonly best_metric: number | null;
  readonly best_model_checkpoint: string | null;
}

interface OurRun {
  readonly trainer: Trainer;
  readonly model: T5ForConditionalGeneration;
  readonly output: TrainOutput;
  readonly batches: readonly (readonly number[])[];
  /** Losses that were computed without padding. */
  readonly packed: number;
}

const toExample = ({ input_ids, attention_mask, labels }: GoldenRow): Example => ({
  inputIds: input_ids,
  ...(attention_mask ? { attentionMask: attention_mask } : {}),
  labels,
});

function toCamel(key: string): string {
  return key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

async function readRun(name: string): Promise<GoldenRun> {
  return JSON.parse(await readFile(shared("golden", name, "run.json"), "utf8")) as GoldenRun;
}

async function runOurs(
  name: string,
  golden: GoldenRun,
  outputDir: string,
  callbacks: readonly TrainerCallback[],
  packBatches: boolean,
): Promise<OurRun> {
  const { dtype, ...args } = golden.arguments;
  const model = await T5ForConditionalGeneration.fromPretrained(shared("golden", name, "initial"), {
    device: cpu,
    dtype: dtype === "torch.bfloat16" ? "bfloat16" : "float32",
  });
  const rows = golden.train.map(toExample);
  const batches: number[][] = [];
  let packed = 0;
  const forwardPacked = model.forwardPacked.bind(model);
  model.forwardPacked = (batch) => {
    const outputs = forwardPacked(batch);
    if (outputs !== null) packed++;
    return outputs;
  };
  const trainer = new Trainer({
    model,
    args: {
      ...Object.fromEntries(Object.entries(args).map(([key, value]) => [toCamel(key), value])),
      ...{ outputDir, packBatches, disableTqdm: true },
    },
    trainDataset: rows,
    ...(golden.eval.length > 0 ? { evalDataset: golden.eval.map(toExample) } : {}),
    callbacks,
    collator: (examples) => {
      const numbers = examples.map((example) => rows.indexOf(example));
      if (!numbers.includes(-1)) batches.push(numbers);
      return defaultCollate(examples);
    },
  });
  const output = await trainer.train();
  return { trainer, model, output, batches, packed };
}

/** Relative difference; of equal numbers, 0 among them, 0. */
function off(actual: number | undefined, expected: number | undefined): number {
  return actual === expected ? 0 : Math.abs(actual! - expected!) / Math.abs(expected!);
}

interface Tolerances {
  readonly loss: number;
  readonly gradNorm: number;
  /** Largest difference of a final weight. */
  readonly weights?: number;
}

interface RunOptions {
  /** "packed" computes no padding, where the rows' masks tell of it. */
  readonly way?: "packed" | "padded";
  readonly callbacks?: readonly TrainerCallback[];
  readonly more?: (golden: () => GoldenRun, ours: () => OurRun) => void;
}

function describeRun(
  name: string,
  tolerances: Tolerances,
  { way = "packed", callbacks = [], more }: RunOptions = {},
): void {
  describe.skipIf(!hasShared)(needsShared(`${name}, ${way}`), () => {
    let golden: GoldenRun;
    let ours: OurRun;
    let folder: string;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "gradloom-golden-"));
      golden = await readRun(name);
      ours = await runOurs(name, golden, folder, callbacks, way === "packed");
    });

    afterAll(async () => {
      ours.model.dispose();
      await rm(folder, { recursive: true });
    });

    it("computes padding where it is asked to, or where no mask tells of it", () => {
      const hasMasks = golden.train.every(({ attention_mask }) => attention_mask !== undefined);
      const isPacked = way === "packed" && hasMasks;
      expect(ours.packed > 0).toBe(isPacked);
      if (isPacked) expect(ours.packed).toBeGreaterThanOrEqual(ours.batches.length);
    });

    it("sees the same rows in the same order", () => {
      expect(ours.batches).toEqual(golden.batches);
    });

    it("logs the same figures at the same steps", () => {
      const history = ours.trainer.state.logHistory;
      expect(history.map(({ step }) => step)).toEqual(golden.log_history.map(({ step }) => step));
      for (const [i, expected] of golden.log_history.entries()) {
        for (const [key, value] of Object.entries(expected)) {
          const exact = key === "grad_norm" ? tolerances.gradNorm : 1e-12;
          const tolerance = key.endsWith("loss") ? tolerances.loss : exact;
          const error = off(history[i]![key], value);
          expect(error, `${key} at step ${expected.step}`).toBeLessThan(tolerance);
        }
      }
    });

    it("ends with the same figures", () => {
      expect(ours.output.globalStep).toBe(golden.global_step);
      expect(ours.output.metrics.total_flos).toBe(golden.total_flos);
      expect(off(ours.output.trainingLoss, golden.train_loss)).toBeLessThan(tolerances.loss);
      expect(Object.keys(ours.output.metrics)).toEqual([
        "train_runtime",
        "train_samples_per_second",
        "train_steps_per_second",
        "total_flos",
        "train_loss",
        "epoch",
      ]);
    });

    it.runIf(tolerances.weights !== undefined)("ends with the same weights", async () => {
      const { tensors } = await readSafetensors(shared("golden", name, "final.safetensors"));
      for (const [parameter, x] of ours.model.parameters()) {
        const expected = tensors.get(parameter)!.data as Float32Array;
        expect(distance(await x.data(), expected), parameter).toBeLessThan(tolerances.weights!);
      }
    });

    more?.(
      () => golden,
      () => ours,
    );
  });
}

describeRun("run-notebook", { loss: 1e-3, gradNorm: 5e-3, weights: 1e-4 });
describeRun("run-masked", { loss: 1e-3, gradNorm: 5e-3, weights: 1e-4 });
describeRun("run-masked", { loss: 1e-3, gradNorm: 5e-3, weights: 1e-4 }, { way: "padded" });
describeRun("run-notebook-bf16", { loss: 3e-2, gradNorm: 3e-2 });
for (const way of ["packed", "padded"] as const) {
  describeRun(
    "run-full",
    { loss: 5e-3, gradNorm: 5e-3, weights: 1e-3 },
    {
      way,
      callbacks: [new EarlyStoppingCallback({ earlyStoppingPatience: 2 })],
      more(golden, ours) {
        it("finds the same best checkpoint and keeps it", async () => {
          const { state, args } = ours().trainer;
          expect(off(state.bestMetric!, golden().best_metric!)).toBeLessThan(5e-3);
          expect(basename(state.bestModelCheckpoint!)).toBe(golden().best_model_checkpoint);
          expect((await readdir(args.outputDir)).sort()).toEqual([
            "checkpoint-10",
            "checkpoint-15",
            "checkpoint-20",
          ]);
        });
      },
    },
  );
}
