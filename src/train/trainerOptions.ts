// What a Trainer is given, and whether it fits together.

import { checkedWire, type WireDtype } from "../distributed/wire.ts";
import type { ProcessGroup } from "../distributed/processGroup.ts";
import type { PushOptions } from "../hub/push.ts";
import type { Collator, TrainDataset } from "../data/batches.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { requireThat } from "../tensor/requireTensors.ts";
import type { TrainingArguments, TrainingArgumentsInput } from "./arguments/arguments.ts";
import type { TrainerCallback } from "./callbacks.ts";
import type { ComputeMetrics } from "./evaluate.ts";
import type { ModelCardOptions } from "./modelCard/modelCard.ts";
import type { TrainableModel } from "./trainableModel.ts";
import type { TrainerTokenizer } from "./trainerInterface.ts";

/** What a Trainer is made of; only `model` is required. */
export interface TrainerOptions {
  /** Trained in place. */
  readonly model: TrainableModel;
  /** See {@link TrainingArguments}. */
  readonly args?: TrainingArgumentsInput;
  /** Array, { length, get(i) }, or async iterable of { inputIds, attentionMask?, labels }. */
  readonly trainDataset?: TrainDataset;
  readonly evalDataset?: TrainDataset;
  /** Its pad id fills up batches, and its files go into checkpoints. */
  readonly tokenizer?: TrainerTokenizer;
  readonly callbacks?: readonly TrainerCallback[];
  /** Figures of an evaluation besides its loss, for the log and for metricForBestModel. */
  readonly computeMetrics?: ComputeMetrics;
  /** Rows to batches; pads rows whose lengths differ when left out. */
  readonly collator?: Collator;
  /**
   * Processes that train the model together, from `openProcessGroup`; batch sizes are each one's own. Default: this process
   * alone. An error in one of several ends them all.
   */
  readonly processGroup?: ProcessGroup;
  /**
   * What travels between the processes of a group: "bf16" halves the bytes and rounds each gradient twice, off by up to 2^-8 of
   * the ranks' magnitudes. Default "f32".
   */
  readonly gradientWire?: WireDtype;
  /**
   * 1 deals the optimizer's moments out over the processes of a group (ZeRO-1, Rajbhandari et al. 2020): each keeps 1/n of them.
   * Weights and figures are those of 0, to rounding, and so are checkpoints. Default 0: each keeps all.
   */
  readonly zeroStage?: 0 | 1;
}

/** How `Trainer.pushToHub` pushes, and what its card says. */
export interface TrainerPushOptions
  extends
    ModelCardOptions,
    Pick<PushOptions, "commitMessage" | "token" | "revision" | "onProgress" | "signal"> {}

/** @throws {ArgumentError} for options without a model, and what the processes of a group cannot be told */
export function checkOptions(options: TrainerOptions): void {
  const { model } = (options ?? {}) as Partial<TrainerOptions>;
  const isModel = typeof model?.forward === "function";
  const cure = "Call new Trainer({ model, args, trainDataset }).";
  requireThat(isModel, "Trainer", "options must hold a model with forward()", options, cure);
  checkedWire(options.gradientWire ?? "f32");
  const { zeroStage: stage = 0 } = options;
  if (stage === 0 || stage === 1) return;
  throw new ArgumentError(
    `zeroStage: must be 0 or 1, got ${JSON.stringify(stage)}. Gradients and weights (stages 2 and 3) are not dealt out here.`,
  );
}

/** @throws {ArgumentError} for arguments that the model, or the data there is, cannot follow */
export function checkFit({ model, evalDataset }: TrainerOptions, args: TrainingArguments): void {
  if (args.gradientCheckpointing && !model.gradientCheckpointingEnable) {
    throw new ArgumentError(
      "gradientCheckpointing: needs a model with gradientCheckpointingEnable(), got one without. Pass false.",
    );
  }
  if (args.neftuneNoiseAlpha !== null && model.neftuneNoiseAlpha === undefined) {
    throw new ArgumentError(
      `neftuneNoiseAlpha: needs a model with neftuneNoiseAlpha, got one without. Leave it out.`,
    );
  }
  const { kind } = model.device;
  if (args.useCpu && kind !== "cpu") {
    throw new ArgumentError(
      `useCpu: needs a model on the cpu device, got one on ${kind}. Load it with openDevice("cpu").`,
    );
  }
  const { evalStrategy } = args;
  if (evalStrategy !== "no" && evalDataset === undefined) {
    throw new ArgumentError(
      `evalStrategy: needs evalDataset, got "${evalStrategy}" without one. Pass evalDataset, or "no".`,
    );
  }
}
