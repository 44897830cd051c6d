// Mixed precision: what fp16 and bf16 ask of the model, and the loss scale of fp16 (torch.amp.GradScaler).

import type { HalfDtype } from "../kernels/pointwise/roundTo.ts";
import { isHalf } from "../tensor/dtype.ts";
import { ArgumentError } from "../tensor/errors.ts";
import type { TrainingArguments } from "./arguments/arguments.ts";
import type { TrainableModel } from "./trainableModel.ts";
import { warn } from "../tensor/warnings.ts";

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

/** @throws {ArgumentError} when weights stored in 8 bits are all that could be trained, which no update can move */
export function checkTrainable(model: TrainableModel): void {
  const all = [...model.parameters()];
  const [name] = all.find(([, { dtype }]) => dtype === "q8") ?? [];
  const isTrained = all.some(([, { requiresGrad }]) => requiresGrad);
  const wrong = all.find(([, { dtype, requiresGrad }]) => dtype === "q8" && requiresGrad);
  if (name === undefined || (isTrained && !wrong)) return;
  throw new ArgumentError(
    `train: weights in int8 cannot be trained, got ${wrong?.[0] ?? name} in int8 and no adapter. ` +
      'Give the model an adapter (addLora, --lora), or load it with dtype "f32" or "bf16".',
  );
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

/** Updates left out in a row after which a warning says so: a scale of 65536 has then come down to 64. */
export const SKIPPED_BEFORE_WARNING = 10;

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

  #skippedInARow = 0;
  #isOneTaken = false;

  get state(): LossScaleState {
    return this.#state;
  }

  get scale(): number {
    return this.#state.scale;
  }

  get skippedSteps(): number {
    return this.#state.skippedSteps;
  }

  /** For a log record. */
  get figures(): { readonly skipped_steps: number } {
    return { skipped_steps: this.skippedSteps };
  }

  restore(state: LossScaleState): void {
    this.#state = state;
  }

  /**
   * Says on stderr when SKIPPED_BEFORE_WARNING updates in a row were left out: torch does not, and the log shows a loss
   * of 0 then (loggingNanInfFilter).
   * @param overflowed whether some gradient of the update was NaN or infinite, so that the update is left out
   */
  update(overflowed: boolean): void {
    this.#skippedInARow = overflowed ? this.#skippedInARow + 1 : 0;
    this.#isOneTaken ||= !overflowed;
    this.#rescale(overflowed);
    if (this.#skippedInARow === SKIPPED_BEFORE_WARNING) this.#warn();
  }

  /** At the end of a run: says on stderr when it was too short for the warning and no update was taken. */
  end(): void {
    const count = this.#skippedInARow;
    if (!this.#isOneTaken && count > 0 && count < SKIPPED_BEFORE_WARNING) this.#warn();
  }

  #warn(): void {
    warn(
      `fp16: skipped updates in a row: ${this.#skippedInARow}, for gradients overflow (the loss scale is ${this.scale} now). ` +
        "The weights stay as they are while this goes on, and a logged loss of 0 means that there was none. " +
        "Train with bf16 or without mixed precision if the model itself overflows f16.",
    );
  }

  #rescale(overflowed: boolean): void {
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
