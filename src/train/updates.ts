// How a run updates the model's weights: by one process, by several that all keep the moments, or that share them (ZeRO-1).

import type { BackwardWatch } from "../autograd/backward.ts";
import { BUCKET_BYTES, GradientReduction } from "../distributed/gradientReduction.ts";
import { ShardedAdamW } from "../distributed/shardedAdamW.ts";
import type { Gradients } from "../optim/gradients.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { ArgumentError } from "../tensor/errors.ts";
import type { TrainingArguments } from "./arguments/arguments.ts";
import { makeOptimizer, type Optimizer } from "./optimizer.ts";
import type { LossScale } from "./precision.ts";
import type { ProcessGroup } from "../distributed/processGroup.ts";
import type { TrainableModel } from "./trainableModel.ts";
import type { TrainerInterface } from "./trainerInterface.ts";

/** The updates of a run. Every method that returns a promise is collective. */
export class Updates {
  readonly optimizer: Optimizer;
  readonly #reduction: GradientReduction;
  readonly #maxGradNorm: number;

  constructor({ model, args, group, gradientWire: wire, zeroStage }: TrainerInterface) {
    const parameters = model.parameters();
    this.optimizer =
      zeroStage === 1 && group.size > 1
        ? sharded(group, model, args)
        : makeOptimizer(parameters, args);
    const shards = this.optimizer instanceof ShardedAdamW ? this.optimizer.shards : [];
    this.#reduction = new GradientReduction(group, parameters, { wire, shards });
    this.#maxGradNorm = args.maxGradNorm;
  }

  /** Begins an update: gradients of zero. */
  zeroGrad(): Gradients {
    return this.#reduction.zeroGrad(this.optimizer);
  }

  /** For the last backward of an update. */
  watch(gradients: Gradients): BackwardWatch | null {
    return this.#reduction.watch(gradients);
  }

  /** Sums the gradients over the ranks. */
  finish(gradients: Gradients): Promise<void> {
    return this.#reduction.finish(gradients);
  }

  /**
   * Clips, and takes back the loss scale in the same factor, which costs no pass over the gradients and rounds nothing:
   * it is a power of two.
   * @returns the norm; null when neither is wanted
   */
  async clip(gradients: Gradients, lossScale: LossScale | null): Promise<Tensor | null> {
    const isWanted = this.#maxGradNorm > 0 || lossScale !== null;
    if (gradients.size === 0 || !isWanted) return null;
    const limit = this.#maxGradNorm > 0 ? this.#maxGradNorm : Infinity;
    const unscale = 1 / (lossScale?.scale ?? 1);
    if (this.optimizer instanceof ShardedAdamW) {
      return this.optimizer.clip(gradients, limit, unscale);
    }
    return gradients.clip(limit, unscale).norm;
  }

  async step(gradients: Gradients, learningRate: number): Promise<void> {
    this.optimizer.step(gradients, learningRate);
    if (this.optimizer instanceof ShardedAdamW) await this.optimizer.gather();
  }
}

function sharded(
  group: ProcessGroup,
  model: TrainableModel,
  args: TrainingArguments,
): ShardedAdamW {
  if (args.optim === "adafactor") {
    throw new ArgumentError(
      'zeroStage: 1 deals out the moments of AdamW, got optim "adafactor". Its moments are small already: pass zeroStage 0.',
    );
  }
  const { adamBeta1, adamBeta2, adamEpsilon: eps, weightDecay } = args;
  const options = { betas: [adamBeta1, adamBeta2] as const, eps, weightDecay };
  const packBytes = model.device.packBytes ?? BUCKET_BYTES;
  return new ShardedAdamW(group, model.parameters(), options, packBytes);
}
