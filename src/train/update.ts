// One update: forward and backward over its batches, clipping, AdamW. Nothing is read back from the device.

import { backward } from "../autograd/backward.ts";
import { crossEntropy } from "../autograd/ops/crossEntropy.ts";
import { mulScalar } from "../autograd/ops/pointwise.ts";
import { addInPlace } from "../kernels/accumulate.ts";
import { gradientNorm } from "../kernels/gradientNorm.ts";
import { GradloomError } from "../tensor/errors.ts";
import { Scope } from "../tensor/scope.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import type { AdamW } from "./adamw.ts";
import type { TrainingArguments } from "./arguments.ts";
import { IGNORED_LABEL, type Batch } from "./collate.ts";
import type { RunningLoss } from "./log.ts";
import { nextTurn } from "./nextTurn.ts";
import type { TrainableModel } from "./trainableModel.ts";

export interface UpdateOptions {
  readonly learningRate: number;
  /** Updates before this one. */
  readonly step: number;
  readonly signal: AbortSignal | undefined;
  /** Called after each batch but the last. */
  onSubstepEnd(): Promise<void>;
  /** Called before the gradients are clipped and used. */
  onPreOptimizerStep(): Promise<void>;
}

/**
 * Trains on the batches of one update; their losses count alike.
 * @returns the gradients' norm before clipping, [1], for the caller to dispose; null when nothing is clipped
 */
export async function update(
  model: TrainableModel,
  optimizer: AdamW,
  runningLoss: RunningLoss,
  batches: readonly Batch[],
  args: TrainingArguments,
  options: UpdateOptions,
): Promise<Tensor | null> {
  const memory = new Scope();
  const total = new Map<Tensor, Tensor>();
  try {
    for (const [i, batch] of batches.entries()) {
      const gradients = memory.run(() => {
        const loss = batchLoss(model, batch, args.labelSmoothingFactor);
        // By the real number of batches: the last update of an epoch may have fewer (hf-semantics 3.4).
        const share = batches.length === 1 ? loss : mulScalar(loss, 1 / batches.length);
        runningLoss.add(share, options.step);
        return backward(share);
      });
      memory.run(() => accumulate(total, gradients));
      await nextTurn();
      options.signal?.throwIfAborted();
      if (i < batches.length - 1) await options.onSubstepEnd();
    }
    await options.onPreOptimizerStep();
    return memory.run(() => {
      const clipping = args.maxGradNorm > 0 ? clip(total, args.maxGradNorm) : null;
      optimizer.step(total, options.learningRate, clipping?.scale ?? null);
      if (clipping) memory.remove(clipping.norm);
      return clipping?.norm ?? null;
    });
  } finally {
    memory.dispose();
  }
}

/** The model's loss, or with label smoothing the loss from its logits. */
export function batchLoss(model: TrainableModel, batch: Batch, labelSmoothing: number): Tensor {
  const { loss, logits } = model.forward(batch);
  if (labelSmoothing > 0 && logits) {
    const shape = [batch.labels.length, batch.labels[0]!.length];
    const labels = tensor(Int32Array.from(batch.labels.flat()), shape, { device: model.device });
    return crossEntropy(logits, labels, { ignoreIndex: IGNORED_LABEL, labelSmoothing });
  }
  if (loss === undefined) {
    throw new GradloomError("trainer: the model must return a loss for batches with labels, got none");
  }
  return loss;
}

function accumulate(total: Map<Tensor, Tensor>, gradients: ReadonlyMap<Tensor, Tensor>): void {
  for (const [parameter, gradient] of gradients) {
    const sum = total.get(parameter);
    if (sum === undefined) total.set(parameter, gradient);
    else {
      addInPlace(sum, gradient);
      gradient.dispose();
    }
  }
}

function clip(gradients: ReadonlyMap<Tensor, Tensor>, maxNorm: number) {
  return gradientNorm([...gradients.values()], maxNorm);
}
