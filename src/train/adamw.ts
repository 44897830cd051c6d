// AdamW over a model's parameters, in two groups: with weight decay and without.

import { adamw } from "../kernels/adamw.ts";
import { keep } from "../tensor/scope.ts";
import { zeros, type Tensor } from "../tensor/tensor.ts";

export interface AdamWOptions {
  /** Decay rates of the moments, each in [0, 1). Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment, > 0. Default 1e-8. */
  readonly eps?: number;
  /** Decoupled weight decay of the parameters that {@link decays} names. Default 0. */
  readonly weightDecay?: number;
}

/** Names that transformers exempts from weight decay (get_decay_parameter_names; hf-semantics 3.3). */
const EXEMPT = /bias|layernorm|rmsnorm|(^|\.)norm($|\.)|_norm($|\.)/;

/**
 * Whether weight decay applies to a parameter, by its name. Norm weights and everything with "bias" in
 * its name are exempt: in T5 that includes relative_attention_bias.weight.
 */
export function decays(name: string): boolean {
  return !EXEMPT.test(name.toLowerCase());
}

interface Moments {
  readonly m: Tensor;
  readonly v: Tensor;
}

export class AdamW {
  /** Updates done so far. */
  steps = 0;
  readonly #parameters: ReadonlyMap<string, Tensor>;
  readonly #moments = new Map<string, Moments>();
  readonly #betas: readonly [number, number];
  readonly #eps: number;
  readonly #weightDecay: number;

  /**
   * Moments start at zero, in each parameter's own dtype.
   * @param parameters by name; those that require no gradient are left alone
   */
  constructor(parameters: ReadonlyMap<string, Tensor>, options: AdamWOptions = {}) {
    this.#parameters = new Map([...parameters].filter(([, p]) => p.requiresGrad));
    this.#betas = options.betas ?? [0.9, 0.999];
    this.#eps = options.eps ?? 1e-8;
    this.#weightDecay = options.weightDecay ?? 0;
    for (const [name, { shape, device, dtype }] of this.#parameters) {
      const moment = () => keep(zeros(shape, { device, dtype }));
      this.#moments.set(name, { m: moment(), v: moment() });
    }
  }

  /**
   * Updates every parameter in place. One without a gradient stays as it is, decay included.
   * @param gradients from `backward`
   * @param learningRate of this update, >= 0
   * @param scale [1], multiplied into all gradients (`gradientNorm` gives it); null for 1
   */
  step(gradients: ReadonlyMap<Tensor, Tensor>, learningRate: number, scale: Tensor | null): void {
    this.steps++;
    for (const [name, p] of this.#parameters) {
      const gradient = gradients.get(p);
      if (gradient === undefined) continue;
      const { m, v } = this.#moments.get(name)!;
      adamw(
        { p, m, v, gradient, scale },
        {
          learningRate,
          beta1: this.#betas[0],
          beta2: this.#betas[1],
          eps: this.#eps,
          weightDecay: decays(name) ? this.#weightDecay : 0,
          step: this.steps,
        },
      );
    }
  }

  /** The moments by PyTorch's names for them, `NAME.exp_avg` and `NAME.exp_avg_sq`: what a checkpoint holds. */
  state(): Map<string, Tensor> {
    return new Map(
      [...this.#moments].flatMap(([name, { m, v }]) => [
        [`${name}.exp_avg`, m],
        [`${name}.exp_avg_sq`, v],
      ]),
    );
  }

  /** Frees the moments. */
  dispose(): void {
    for (const { m, v } of this.#moments.values()) {
      m.dispose();
      v.dispose();
    }
  }
}
