// The attention weights of a forward pass, for `outputAttentions`.

import { adopt } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { AttentionWeightsOfStack, Context } from "./layers.ts";

/** Collects what the layers of both stacks leave, while the pass lasts: gradient checkpointing computes blocks again later. */
export class AttentionOutputs {
  readonly #isWanted: boolean;
  readonly #encoder: AttentionWeightsOfStack = { self: [], cross: [] };
  readonly #decoder: AttentionWeightsOfStack = { self: [], cross: [] };

  constructor(isWanted: boolean) {
    this.#isWanted = isWanted;
  }

  /** The context that a stack is run with. */
  of(stack: "encoder" | "decoder", context: Context): Context {
    if (!this.#isWanted) return context;
    return { ...context, attentions: stack === "encoder" ? this.#encoder : this.#decoder };
  }

  /** The fields of `forward`'s result; the scope around owns the tensors from now on. */
  take(): {
    readonly encoderAttentions?: readonly Tensor[];
    readonly decoderAttentions?: readonly Tensor[];
    readonly crossAttentions?: readonly Tensor[];
  } {
    if (!this.#isWanted) return {};
    const lists = {
      encoderAttentions: this.#encoder.self.splice(0),
      decoderAttentions: this.#decoder.self.splice(0),
      crossAttentions: this.#decoder.cross.splice(0),
    };
    for (const weights of Object.values(lists).flat()) adopt(weights);
    return lists;
  }
}
