// AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101; torch.optim.AdamW) over packs of parameters.

import { adamwInPlace } from "../kernels/optimizer/adamw.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Gradients, nextGradients } from "./gradients.ts";
import { checkedParameters } from "./parameters.ts";
import { moveIntoPack, packedZeros, partOf, planPacks, rangeOf, type Pack } from "./pack.ts";

/** Named and with defaults as torch.optim.AdamW has them. */
export interface AdamWOptions {
  /** Learning rate, >= 0. Default 1e-3. */
  readonly lr?: number;
  /** Decay rates of the moments, each in [0, 1). Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment, >= 0. Default 1e-8. */
  readonly eps?: number;
  /** Decoupled weight decay, >= 0; norms and biases, by their names, do not decay. Default 1e-2. */
  readonly weightDecay?: number;
}

/** Names that transformers exempts from weight decay (get_decay_parameter_names; docs/guide/hugging-face-semantics.md 3.3). */
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

/** A pack of parameters with what updates them; on devices that do not pack, one parameter. */
interface Group {
  readonly pack: Pack;
  readonly weightDecay: number;
  /** All parameters of the pack; null where they stay where they are. */
  readonly p: Tensor | null;
  readonly moments: Moments;
  /** Views of the moments, one for each parameter, of its shape. */
  readonly momentsOf: ReadonlyMap<Tensor, Moments>;
}

/**
 * With the gradient g, the learning rate lr and the number t of the update, in place:
 *
 *   p <- p - lr weightDecay p
 *   m <- beta1 m + (1 - beta1) g
 *   v <- beta2 v + (1 - beta2) g^2
 *   p <- p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
 */
export class AdamW {
  /** Updates done so far. */
  steps = 0;
  /** Learning rate of the next `step`, unless it is given one. May be set between updates. */
  lr: number;
  readonly #groups: readonly Group[];
  readonly #betas: readonly [number, number];
  readonly #eps: number;
  #gradients: Gradients | null = null;

  /**
   * Moments start at zero, in each parameter's own dtype. On a device that packs (WebGPU), the parameters move into
   * storages that they share: their tensors stay the same objects, but views made before (`reshape`) keep the old values.
   * @param parameters leaves of one device, as a list or by name; those that require no gradient are left alone.
   *   Names decide what decays (not "layer_norm" or "bias") and what `state` calls the moments; in a list everything decays and
   *   names are positions
   * @throws {ArgumentError} for an option out of its range, or a parameter that is given twice
   * @throws {AutogradError} for a parameter that is the result of an op
   */
  constructor(
    parameters: readonly Tensor[] | ReadonlyMap<string, Tensor>,
    options: AdamWOptions = {},
  ) {
    const { lr, betas, eps, weightDecay } = checkedOptions(options);
    this.lr = lr;
    this.#betas = betas;
    this.#eps = eps;
    const groups = new Map<string, Map<string, Tensor>>();
    for (const [name, p] of checkedParameters("AdamW", parameters)) {
      const key = `${p.dtype} ${decays(name)}`;
      groups.set(key, (groups.get(key) ?? new Map<string, Tensor>()).set(name, p));
    }
    this.#groups = [...groups.values()].flatMap((members) =>
      planPacks(members).map((pack) => makeGroup(pack, weightDecay)),
    );
  }

  /**
   * Begins an update: gradients of zero, for `Gradients.backward` to add to.
   * @throws {AutogradError} while those of the update before are not disposed
   */
  zeroGrad(): Gradients {
    return this.zeroGradIn([]);
  }

  /** @internal `zeroGrad` with gradients in packs of the caller's besides those of the optimizer. */
  zeroGradIn(buckets: readonly Pack[]): Gradients {
    const packs = this.#groups.filter(({ p }) => p !== null).map(({ pack }) => pack);
    this.#gradients = nextGradients(this.#gradients, this, [...packs, ...buckets]);
    return this.#gradients;
  }

  /**
   * Updates every parameter in place. One without a gradient stays as it is, decay included.
   * @param gradients from `zeroGrad`, or the Map of `backward`, which stays the caller's
   * @param learningRate of this update, >= 0; default `lr`
   * @param scale [1], multiplied into all gradients, null for none; default the one that `gradients.clip` chose. With a
   *   Map pass that of `clipGradNorm`
   * @throws {AutogradError} for gradients of another optimizer, or that were disposed or used by a step before
   */
  step(
    gradients: Gradients | ReadonlyMap<Tensor, Tensor>,
    learningRate: number = this.lr,
    scale: Tensor | null = gradients instanceof Gradients ? gradients.scale : null,
  ): void {
    if (gradients instanceof Gradients) gradients.markStepped(this);
    this.steps++;
    for (const group of this.#groups) {
      scope(() => this.#update(group, gradients, learningRate, scale));
    }
  }

  #update(
    { pack, p: packed, moments, momentsOf, weightDecay }: Group,
    gradients: Gradients | ReadonlyMap<Tensor, Tensor>,
    learningRate: number,
    scale: Tensor | null,
  ): void {
    const settings = {
      ...{ learningRate, beta1: this.#betas[0], beta2: this.#betas[1], eps: this.#eps },
      ...{ weightDecay, step: this.steps },
    };
    const done = new Set<Tensor>();
    for (const { entries, gradient } of rangesIn(gradients, pack)) {
      const [p, m, v] = [packed!, moments.m, moments.v].map((whole) => rangeOf(whole, entries));
      adamwInPlace({ p: p!, m: m!, v: v!, gradient, scale }, settings);
      for (const { tensor } of entries) done.add(tensor);
    }
    for (const { tensor: p } of pack.entries) {
      const gradient = gradients.get(p);
      if (gradient === undefined || done.has(p)) continue;
      adamwInPlace({ p, ...momentsOf.get(p)!, gradient, scale }, settings);
    }
  }

  /** The moments by PyTorch's names for them, `NAME.exp_avg` and `NAME.exp_avg_sq`: what a checkpoint holds. */
  state(): Map<string, Tensor> {
    return new Map(
      this.#groups.flatMap(({ pack, momentsOf }) =>
        pack.entries.flatMap(({ name, tensor }): [string, Tensor][] => [
          [`${name}.exp_avg`, momentsOf.get(tensor)!.m],
          [`${name}.exp_avg_sq`, momentsOf.get(tensor)!.v],
        ]),
      ),
    );
  }

  /** Frees the moments and open gradients; the parameters stay. */
  dispose(): void {
    this.#gradients?.dispose();
    for (const { p, moments, momentsOf } of this.#groups) {
      p?.dispose();
      for (const { m, v } of [moments, ...momentsOf.values()]) {
        m.dispose();
        v.dispose();
      }
    }
  }
}

function makeGroup(pack: Pack, weightDecay: number): Group {
  const p = pack.device.packBytes === null ? null : moveIntoPack(pack);
  const moments = { m: packedZeros(pack, pack.dtype), v: packedZeros(pack, pack.dtype) };
  const momentsOf = new Map(
    pack.entries.map((entry): [Tensor, Moments] => [
      entry.tensor,
      { m: partOf(moments.m, entry), v: partOf(moments.v, entry) },
    ]),
  );
  const decay = decays(pack.entries[0]!.name) ? weightDecay : 0;
  return { pack, weightDecay: decay, p, moments, momentsOf };
}

function rangesIn(gradients: Gradients | ReadonlyMap<Tensor, Tensor>, pack: Pack) {
  return gradients instanceof Gradients ? gradients.rangesIn(pack) : [];
}

/** @internal With defaults. @throws {ArgumentError} */
export function checkedOptions(options: AdamWOptions): Required<AdamWOptions> {
  const { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 1e-2 } = options;
  for (const [name, value] of Object.entries({ lr, eps, weightDecay })) {
    if (!(value >= 0)) throw new ArgumentError(`AdamW: ${name} must be >= 0, got ${value}`);
  }
  for (const beta of betas) {
    if (!(beta >= 0 && beta < 1)) {
      throw new ArgumentError(`AdamW: betas must be in [0, 1), got ${betas.join(", ")}`);
    }
  }
  return { lr, betas, eps, weightDecay };
}
