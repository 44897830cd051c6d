// AdamW over a model's parameters, in two groups: with weight decay and without.

import { adamwInPlace } from "../kernels/optimizer/adamw.ts";
import { keep } from "../tensor/scope.ts";
import { alias, type Tensor } from "../tensor/tensor.ts";
import { moveIntoPack, packedZeros, partOf, planPacks, rangeOf, runs, type Pack } from "./pack.ts";

export interface AdamWOptions {
  /** Decay rates of the moments, each in [0, 1). Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment, > 0. Default 1e-8. */
  readonly eps?: number;
  /** Decoupled weight decay of the parameters that {@link decays} names. Default 0. */
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
  /** The pack's gradients, while an update collects them. */
  gradient: { readonly whole: Tensor; readonly parts: ReadonlyMap<Tensor, Tensor> } | null;
}

export class AdamW {
  /** Updates done so far. */
  steps = 0;
  readonly #groups: readonly Group[];
  readonly #betas: readonly [number, number];
  readonly #eps: number;

  /**
   * Moments start at zero, in each parameter's own dtype. On a device that packs, the parameters move into
   * storages that they share; their tensors stay the same objects.
   * @param parameters by name; those that require no gradient are left alone
   */
  constructor(parameters: ReadonlyMap<string, Tensor>, options: AdamWOptions = {}) {
    this.#betas = options.betas ?? [0.9, 0.999];
    this.#eps = options.eps ?? 1e-8;
    const groups = new Map<string, Map<string, Tensor>>();
    for (const [name, p] of parameters) {
      if (!p.requiresGrad) continue;
      const key = `${p.dtype} ${decays(name)}`;
      groups.set(key, (groups.get(key) ?? new Map<string, Tensor>()).set(name, p));
    }
    this.#groups = [...groups.values()].flatMap((members) =>
      planPacks(members).map((pack) => makeGroup(pack, options.weightDecay ?? 0)),
    );
  }

  /**
   * Zeroed tensors for the gradients of an update, by parameter, for `backward` to add to; empty on devices that
   * do not pack. They live until `closeGradients`.
   */
  openGradients(): ReadonlyMap<Tensor, Tensor> {
    this.closeGradients();
    const opened = new Map<Tensor, Tensor>();
    for (const group of this.#groups) {
      if (group.p === null) continue;
      const whole = packedZeros(group.pack, "f32");
      const parts = new Map(
        group.pack.entries.map((entry) => [entry.tensor, partOf(whole, entry)] as const),
      );
      group.gradient = { whole, parts };
      for (const [p, part] of parts) opened.set(p, part);
    }
    return opened;
  }

  /** Frees what `openGradients` made. */
  closeGradients(): void {
    for (const group of this.#groups) {
      for (const part of group.gradient?.parts.values() ?? []) part.dispose();
      group.gradient?.whole.dispose();
      group.gradient = null;
    }
  }

  /**
   * The elements of all gradients, in as few tensors as they lie in: for what treats every element alike, as the
   * norm does. The caller disposes them.
   */
  gather(gradients: ReadonlyMap<Tensor, Tensor>): Tensor[] {
    const packed = new Set<Tensor>();
    const gathered = this.#groups.flatMap((group) =>
      this.#runs(group, gradients).map((entries) => {
        for (const { tensor } of entries) packed.add(tensor);
        return rangeOf(group.gradient!.whole, entries);
      }),
    );
    const others = [...gradients].filter(([p]) => !packed.has(p));
    return [...gathered, ...others.map(([, gradient]) => keep(alias(gradient)))];
  }

  /**
   * Updates every parameter in place. One without a gradient stays as it is, decay included.
   * @param gradients from `backward`
   * @param learningRate of this update, >= 0
   * @param scale [1], multiplied into all gradients (`gradientNorm` gives it); null for 1
   */
  step(gradients: ReadonlyMap<Tensor, Tensor>, learningRate: number, scale: Tensor | null): void {
    this.steps++;
    for (const group of this.#groups) {
      const settings = {
        ...{ learningRate, beta1: this.#betas[0], beta2: this.#betas[1], eps: this.#eps },
        ...{ weightDecay: group.weightDecay, step: this.steps },
      };
      for (const entries of this.#runs(group, gradients)) {
        const range = (whole: Tensor): Tensor => rangeOf(whole, entries);
        const [p, gradient] = [range(group.p!), range(group.gradient!.whole)];
        const [m, v] = [range(group.moments.m), range(group.moments.v)];
        adamwInPlace({ p, m, v, gradient, scale }, settings);
        for (const x of [p, gradient, m, v]) x.dispose();
      }
      for (const { tensor: p } of group.pack.entries) {
        const gradient = gradients.get(p);
        if (gradient === undefined || liesInPack(group, p, gradient)) continue;
        adamwInPlace({ p, ...group.momentsOf.get(p)!, gradient, scale }, settings);
      }
    }
  }

  /** Runs of parameters whose gradients lie in the group's pack. */
  #runs(group: Group, gradients: ReadonlyMap<Tensor, Tensor>) {
    return runs(group.pack, ({ tensor: p }) => liesInPack(group, p, gradients.get(p)));
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

  /** Frees the moments. */
  dispose(): void {
    this.closeGradients();
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
  return { pack, weightDecay: decay, p, moments, momentsOf, gradient: null };
}

function liesInPack(group: Group, p: Tensor, gradient: Tensor | undefined): boolean {
  return gradient !== undefined && group.gradient?.parts.get(p) === gradient;
}
