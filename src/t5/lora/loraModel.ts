// What LoRA needs of a model, so that adapters and the model do not import each other.

import type { Device } from "../../tensor/device.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Linear, T5Weights } from "../weights.ts";
import type { LoraConfig } from "./config.ts";
import type { LoraTarget } from "./targets.ts";

/** A weight of the base model that belongs to the adapter whole. */
export interface WholeWeight {
  /** The parameter's, as "lm_head.weight". */
  readonly name: string;
  readonly weight: Tensor;
  /** A copy from before. */
  readonly original: Tensor;
}

/** What a model remembers of its adapter. */
export interface AttachedLora {
  readonly config: LoraConfig;
  readonly targets: readonly LoraTarget<Tensor>[];
  /** Weights that are trained or were brought whole. */
  readonly whole: readonly WholeWeight[];
  /** The weights that were trainable before. */
  readonly frozen: readonly Tensor[];
}

/** A model that an adapter can be attached to; `T5ForConditionalGeneration` is one. */
export interface LoraModel {
  /** @internal The weights that the adapter changes or stands beside. */
  readonly weights: T5Weights;
  readonly device: Device;
  /** The folder or Hub id that the model was loaded from; saved adapters name it as their base. */
  readonly nameOrPath: string | null;
  /** The revision of that Hub id; null where none was asked for. */
  readonly revision: string | null;
  /** @internal The attached adapter, or null. */
  lora: AttachedLora | null;
  /** Weights by their names in the checkpoint, adapters included. */
  parameters(): Map<string, Tensor>;
  /** @internal Gives a layer another weight; the one before is the caller's. */
  replaceWeight(layer: Linear, weight: Tensor): void;
}
