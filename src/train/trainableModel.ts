// What the Trainer needs of a model. T5ForConditionalGeneration is one; tests bring smaller ones.

import type { GenerateManyOptions } from "../generation/generateMany.ts";
import type { GenerationOptions } from "../generation/options.ts";
import type { HalfDtype } from "../kernels/pointwise/roundTo.ts";
import type { Device } from "../tensor/device.ts";
import type { Generator } from "../tensor/philox.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Batch } from "../data/collate.ts";

/** A model that the Trainer can train. T5ForConditionalGeneration is one; any object with these members is another. */
export interface TrainableModel {
  readonly device: Device;
  /** Whether dropout is on. */
  training: boolean;
  /** Source of dropout masks; the Trainer seeds it, and checkpoints hold its offset. */
  random: Generator;
  /** What products are rounded to in `forward`; a model without this property has no mixed precision. */
  autocast?: HalfDtype | null;
  /** Strength of the noise on embeddings while dropout is on, null for none; a model without this property has no NEFTune. */
  neftuneNoiseAlpha?: number | null;
  /** Switches dropout on. */
  train(): void;
  /** Switches dropout off. */
  eval(): void;
  /** @returns loss, one element: the mean over the batch's labels; logits [B, T, V] for label smoothing */
  forward(batch: Batch): { readonly loss?: Tensor; readonly logits?: Tensor };
  /**
   * The loss of `forward` without computing the batch's padding (packBatches), beside logits [tokens, V] and labels [tokens] for
   * label smoothing; null where a batch is for `forward`.
   */
  forwardPacked?(batch: Batch): {
    readonly loss: Tensor;
    readonly logits: Tensor;
    readonly labels: Tensor;
  } | null;
  /** Token ids that continue the decoder start token; needed for predictWithGenerate alone. */
  generate?(
    inputs: { readonly inputIds: number[][]; readonly attentionMask?: number[][] },
    options: GenerationOptions,
  ): Promise<number[][]>;
  /** The same for any number of rows, in their order; used in place of `generate` where it is there. */
  generateMany?(
    inputs: {
      readonly inputIds: readonly (readonly number[])[];
      readonly attentionMask?: readonly (readonly number[])[];
    },
    options: GenerateManyOptions,
  ): AsyncIterable<number[]>;
  /** Keeps fewer activations for backward, with the same gradients (gradientCheckpointing). */
  gradientCheckpointingEnable?(): void;
  /** By name; those that require a gradient are trained. */
  parameters(): ReadonlyMap<string, Tensor>;
  /** What config.json holds; TensorBoard shows it. */
  readonly config?: { toJSON(): object };
  /** The folder or Hub id that it was loaded from; a model card names it. */
  readonly nameOrPath?: string | null;
  /** Writes model.safetensors with the tensors of `parameters()`, and the configuration. */
  savePretrained(folder: string): Promise<void>;
  /** Which file of `savePretrained` holds which tensors, when it is not as above (adapters). */
  savedWeights?(): { readonly file: string; readonly tensors: ReadonlyMap<string, Tensor> };
}
