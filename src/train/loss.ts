// The loss of a batch, and its gradients.

import { crossEntropy } from "../autograd/ops/crossEntropy.ts";
import { mulScalar } from "../autograd/ops/pointwise.ts";
import type { BackwardWatch } from "../autograd/backward.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { scope } from "../tensor/scope.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import type { Batch } from "../data/collate.ts";
import type { Gradients } from "../optim/gradients.ts";
import type { TrainableModel } from "./trainableModel.ts";

export interface LossOptions {
  /** Share of the target spread over the vocabulary, 0 for none. */
  readonly labelSmoothing: number;
  /** Whether a model that can compute a batch without its padding does so (packBatches). */
  readonly pack: boolean;
}

/**
 * The model's own loss, or with label smoothing the cross-entropy of its logits (transformers' LabelSmoother).
 * @returns loss, one element, and the logits [B, T, V] where the model gives them: not of a packed batch
 * @throws {ArgumentError} when the model gives no loss, or no logits where they are needed
 */
export function modelLoss(
  model: TrainableModel,
  batch: Batch,
  { labelSmoothing, pack }: LossOptions,
): { loss: Tensor; logits?: Tensor } {
  return scope(() => {
    const packed = pack ? model.forwardPacked?.(batch) : null;
    if (packed) {
      const { loss, logits, labels } = packed;
      return {
        loss: labelSmoothing === 0 ? loss : crossEntropy(logits, labels, { labelSmoothing }),
      };
    }
    const { loss, logits } = model.forward(batch);
    const needed = labelSmoothing > 0 ? logits : loss;
    if (needed === undefined) {
      const name = labelSmoothing > 0 ? "logits (for labelSmoothingFactor)" : "a loss";
      throw new ArgumentError(
        `model.forward: must give ${name}, got none. Do the rows have labels?`,
      );
    }
    const given = logits ? { logits } : {};
    if (labelSmoothing === 0) return { loss: needed, ...given };
    const labels = tensor(batch.labels, undefined, { device: model.device, dtype: "i32" });
    return { loss: crossEntropy(needed, labels, { labelSmoothing }), ...given };
  });
}

/** The loss of {@link modelLoss} alone: the tape holds the logits, so that backward can free them early. */
export function batchLoss(model: TrainableModel, batch: Batch, options: LossOptions): Tensor {
  return scope(() => modelLoss(model, batch, options).loss);
}

export interface LossFactors extends LossOptions {
  /** 1 / number of batches of the update, of all ranks. */
  readonly share: number;
  /** The loss scale of fp16, else 1. */
  readonly scale: number;
}

/**
 * Adds the gradients of `share * scale` times the loss of a batch.
 * @param gradients of the update, with those of earlier batches
 * @param onLoss gets `share` times the loss, one element, before it is freed
 * @param watch learns which gradients are complete, of the last batch of an update
 */
export function lossGradients(
  model: TrainableModel,
  batch: Batch,
  { share, scale, ...options }: LossFactors,
  gradients: Gradients,
  onLoss: (loss: Tensor) => void,
  watch: BackwardWatch | null = null,
): void {
  scope(() => {
    const mean = batchLoss(model, batch, options);
    const loss = share === 1 ? mean : mulScalar(mean, share);
    onLoss(loss);
    gradients.backwardWatched(scale === 1 ? loss : mulScalar(loss, scale), watch);
  });
}
