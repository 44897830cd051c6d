// Mixed precision: what fp16 and bf16 ask of the model, and the loss scale of fp16 (torch.amp.GradScaler).

import type { HalfDtype } from "../kernels/pointwise/roundTo.ts";
import { isHalf } from "../tensor/dtype.ts";
import { ArgumentError } from "../tensor/errors.ts";
import type { TrainingArguments } from "./arguments/arguments.ts";
import type { TrainableModel } from "./trainableModel.ts";

type PrecisionArguments = Pick<TrainingArguments, "fp16" | "bf16">;

/**
 * What products are rounded to; null for f32.
 * @throws {ArgumentError} for a model that has no mixed precision
 */
export function autocastOf(
  model: TrainableModel,
  { fp16, bf16 }: PrecisionArguments,
): HalfDtype | null {
  if (!fp16 && !bf16) return null;
  if (model.autocast === undefined) {
    throw new ArgumentError(
      `${fp16 ? "fp16" : "bf16"}: needs a model with mixed precision, got one without. Set it to false.`,
    );
  }
  return fp16 ? "f16" : "bf16";
}

/** @throws {ArgumentError} when fp16 is to train weights that are stored in 16 bits, which torch refuses too */
export function checkMasterWeights(model: TrainableModel, { fp16 }: PrecisionArguments): void {
  if (!fp16) return;
  for (const [name, { dtype, requiresGrad }] of model.parameters()) {
    if (!requiresGrad || !isHalf(dtype)) continue;
    throw new ArgumentError(
      `fp16: trained weights must be f32, got ${dtype} (${name}). Load the model with dtype "f32", or leave fp16 out.`,
    );
  }
}

export interface LossScaleState {
  readonly scale: number;
  /** Updates in a row without overflow since the scale last changed. */
  readonly growthTracker: number;
  /** Updates left out so far. */
  readonly skippedSteps: number;
}

/** GradScaler's defaults. Powers of two, so that scaling rounds nothing. */
export const LOSS_SCALE = {
  initialScale: 65536,
  growthFactor: 2,
  backoffFactor: 0.5,
  growthInterval: 2000,
} as const;

/**
 * What the loss is multiplied by before backward, so that small gradients do not vanish in f16. It halves when a
 * gradient overflowed, and doubles after 2000 updates in a row in which none did.
 */
export class LossScale {
  #state: LossScaleState = {
    scale: LOSS_SCALE.initialScale,
    growthTracker: 0,
    skippedSteps: 0,
  };

  get state(): LossScaleState {
    return this.#state;
  }

  get scale(): number {
    return this.#state.scale;
  }

  get skippedSteps(): number {
    return this.#state.skippedSteps;
  }

  restore(state: LossScaleState): void {
    this.#state = state;
  }

  /** @param overflowed whether some gradient of the update was NaN or infinite, so that the update is left out */
  update(overflowed: boolean): void {
    const { scale, growthTracker, skippedSteps } = this.#state;
    if (overflowed) {
      this.#state = {
        scale: scale * LOSS_SCALE.backoffFactor,
        growthTracker: 0,
        skippedSteps: skippedSteps + 1,
      };
    } else if (growthTracker + 1 < LOSS_SCALE.growthInterval) {
      this.#state = { scale, growthTracker: growthTracker + 1, skippedSteps };
    } else {
      // As in torch, a scale that f32 cannot hold is not taken.
      const grown = Math.fround(scale * LOSS_SCALE.growthFactor);
      this.#state = {
        scale: Number.isFinite(grown) ? grown : scale,
        growthTracker: 0,
        skippedSteps,
      };
    }
  }
}
