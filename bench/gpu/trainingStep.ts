// A training step as the Trainer does it, for benches, and how long it keeps the main thread.

import { addToSumInPlace } from "../../src/kernels/optimizer/runningSum.ts";
import type { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import type { Device } from "../../src/tensor/device.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { zeros } from "../../src/tensor/tensor.ts";
import { AdamW } from "../../src/optim/adamw.ts";
import { lossGradients } from "../../src/train/loss.ts";
import { batch, randomT5 } from "./models.ts";

export interface StepShape {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly dtype: "f32" | "bf16";
  readonly texts: number;
  readonly source: number;
  readonly target: number;
  /** Mixed precision on f32 weights. */
  readonly autocast?: "f16";
  readonly gradientCheckpointing?: boolean;
}

export interface TrainingStep {
  /** Records one: dropout, clipping, AdamW, nothing read back. */
  run(): void;
  /** The losses of all steps so far, added up. */
  lossSum(): Promise<number>;
  dispose(): void;
}

/** A model (of random weights unless given, and then the step's to free), its optimizer, and a batch. */
export function trainingStep(
  device: Device,
  shape: StepShape,
  model: T5ForConditionalGeneration = randomT5(shape.fields, device, shape.dtype),
): TrainingStep {
  const { fields, texts, source, target } = shape;
  model.train();
  model.autocast = shape.autocast ?? null;
  model.gradientCheckpointing = shape.gradientCheckpointing ?? false;
  const optimizer = new AdamW(model.parameters(), { lr: 1e-5, weightDecay: 0 });
  const total = zeros([1], { device });
  const inputs = batch(texts, source, target, fields.vocab_size as number);
  const factors = { labelSmoothing: 0, pack: false, share: 1, scale: 1 };
  return {
    run() {
      const memory = new Scope();
      memory.run(() => {
        const gradients = optimizer.zeroGrad();
        lossGradients(model, inputs, factors, gradients, (loss) => addToSumInPlace(total, loss, 1));
        gradients.clip(1);
        optimizer.step(gradients);
        gradients.dispose();
      });
      memory.dispose();
    },
    lossSum: () => total.item(),
    dispose() {
      optimizer.dispose();
      total.dispose();
      model.dispose();
    },
  };
}

export interface RecordingTime {
  /** Of a step. */
  readonly dispatches: number;
  /** Main-thread time of each step from its first op to its last submission, waits excluded. */
  readonly microseconds: readonly number[];
}

/** @throws {Error} when a step leaves tensors behind: what it records next would be more than a step's */
export async function recordingTime(
  device: Device,
  step: TrainingStep,
  steps: number,
): Promise<RecordingTime> {
  const before = device.dispatches;
  const { tensors } = device.memory();
  const microseconds: number[] = [];
  for (let i = 0; i < steps; i++) {
    const begun = performance.now();
    step.run();
    // What is left to submit is submitted at once: sync waits only after it.
    const done = device.sync();
    microseconds.push(1000 * (performance.now() - begun));
    await done;
  }
  const left = device.memory().tensors - tensors;
  if (left !== 0) throw new Error(`bench: steps must leave no tensors behind, got ${left}`);
  return { dispatches: (device.dispatches - before) / steps, microseconds };
}
