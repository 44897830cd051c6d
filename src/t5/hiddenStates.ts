// The residual stream of an encoder or decoder stack: what each block is given, and what it leaves.

import { checkpoint } from "../autograd/checkpoint.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A residual sublayer: its input, and the tensors that all sublayers of the block are given. */
export type Sublayer<S extends readonly (Tensor | undefined)[]> = (
  x: Tensor,
  ...shared: S
) => Tensor;

export interface StackOutput {
  readonly output: Tensor;
  readonly states: readonly Tensor[];
}

/**
 * The residual stream of a stack. Each value is let go once the next exists (the tape keeps what it
 * needs), unless hidden states were asked for.
 */
export class HiddenStates {
  readonly #kept: Tensor[] = [];
  readonly #keepStates: boolean;
  /** Keeps only what blocks begin with for backward (gradient checkpointing). */
  readonly #recompute: boolean;
  #x: Tensor;

  constructor(x: Tensor, options: { readonly keepStates: boolean; readonly recompute: boolean }) {
    this.#x = x;
    this.#keepStates = options.keepStates;
    this.#recompute = options.recompute;
    if (this.#keepStates) this.#kept.push(x);
  }

  /** Takes the stream through the sublayers of a block. */
  advance<S extends readonly (Tensor | undefined)[]>(
    sublayers: readonly Sublayer<S>[],
    shared: S,
  ): void {
    if (this.#recompute) {
      this.#replace(
        checkpoint((x, ...shared) => through(sublayers, x, shared), [this.#x, ...shared]),
      );
    } else for (const sublayer of sublayers) this.#replace(sublayer(this.#x, ...shared));
    if (this.#keepStates) this.#kept.push(this.#x);
  }

  #replace(next: Tensor): void {
    if (!this.#kept.includes(this.#x)) this.#x.dispose();
    this.#x = next;
  }

  /** The last block's output is not a state of its own: the normed output takes its place. */
  finish(fn: (x: Tensor) => Tensor): StackOutput {
    if (this.#keepStates) this.#kept.pop();
    const output = scope(() => fn(this.#x));
    this.#x.dispose();
    return { output, states: this.#keepStates ? [...this.#kept, output] : [] };
  }
}

/** x after each sublayer in turn; what lies between two of them is let go. */
function through<S extends readonly (Tensor | undefined)[]>(
  sublayers: readonly Sublayer<S>[],
  x: Tensor,
  shared: S,
): Tensor {
  return sublayers.reduce((at, sublayer) => {
    const next = sublayer(at, ...shared);
    if (at !== x) at.dispose();
    return next;
  }, x);
}
