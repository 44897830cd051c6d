// The gradients of one update, from zeroGrad to the optimizer's step: one object, so that order is checked.
//
//   const gradients = optimizer.zeroGrad();
//   for (const batch of batches) gradients.backward(lossOf(batch));   // adds up
//   gradients.clip(1);
//   optimizer.step(gradients);
//   gradients.dispose();

import {
  accumulate,
  backwardOnto,
  checkDestination,
  type BackwardWatch,
} from "../autograd/backward.ts";
import { AutogradError } from "../tensor/errors.ts";
import { copyRangeInto } from "../kernels/moves/slice.ts";
import { keep, scope } from "../tensor/scope.ts";
import { alias, type Tensor } from "../tensor/tensor.ts";
import { clipGradNorm, type Clipped } from "./clipGradNorm.ts";
import { packedZeros, partOf, rangeOf, runs, type Pack, type PackEntry } from "./pack.ts";

/** open: may grow. clipped: norm and scale are fixed. stepped: an update has used them. */
type State = "open" | "clipped" | "stepped" | "disposed";

/** Zeros for the gradients of a pack, and each parameter's part of them. */
interface PackedGradient {
  readonly whole: Tensor;
  readonly parts: ReadonlyMap<Tensor, Tensor>;
}

/** Gradients that lie behind one another in a pack, as one tensor that views them. */
export interface GradientRange {
  readonly entries: readonly PackEntry[];
  /** [elements with padding] */
  readonly gradient: Tensor;
}

/**
 * Gradients by parameter; `zeroGrad` of `AdamW` and `Adafactor` makes it. It owns them, whatever scope it is used in, until `dispose`.
 * Its methods must be called in the order of the states: `backward` and `add` any number of times, `clip` at most
 * once, the optimizer's `step` at most once, `dispose`.
 */
export class Gradients {
  #state: State = "open";
  readonly #packed: ReadonlyMap<Pack, PackedGradient>;
  /** What `backward` adds to: parts of packs that are still zero, and the sums so far. */
  readonly #destinations = new Map<Tensor, Tensor>();
  /** Of the parameters that a loss depended on. */
  readonly #sums = new Map<Tensor, Tensor>();
  #scale: Tensor | null = null;

  readonly #optimizer: object;

  /**
   * @internal
   * @param optimizer whose `step` may use them
   * @param packs whose gradients are to lie in one tensor each; other parameters get their own
   */
  constructor(optimizer: object, packs: readonly Pack[]) {
    this.#optimizer = optimizer;
    this.#packed = new Map(
      packs.map((pack): [Pack, PackedGradient] => {
        const whole = packedZeros(pack, "f32");
        const parts = pack.entries.map((entry) => [entry.tensor, partOf(whole, entry)] as const);
        return [pack, { whole, parts: new Map(parts) }];
      }),
    );
    for (const { parts } of this.#packed.values()) {
      for (const [parameter, part] of parts) this.#destinations.set(parameter, part);
    }
  }

  /** Parameters that have a gradient. */
  get size(): number {
    return this.#sums.size;
  }

  /** Whether `dispose` was called. */
  get disposed(): boolean {
    return this.#state === "disposed";
  }

  /** The factor that `clip` chose, [1]; null before it. */
  get scale(): Tensor | null {
    return this.#scale;
  }

  /**
   * A parameter's gradient, of its shape; not to be disposed by the caller. Undefined where no loss depended on it.
   * @throws {AutogradError} after `dispose`
   */
  get(parameter: Tensor): Tensor | undefined {
    this.#require("get", "open", "clipped", "stepped");
    return this.#sums.get(parameter);
  }

  /**
   * Adds the gradients of `loss`, as torch's `loss.backward()` does; frees the tape behind it.
   * @param loss one element
   * @throws {AutogradError} after `clip`, `step` or `dispose`, or when `loss` requires no gradient
   */
  backward(loss: Tensor): void {
    this.backwardWatched(loss, null);
  }

  /** @internal `backward`, of which `watch` learns what is done. */
  backwardWatched(loss: Tensor, watch: BackwardWatch | null): void {
    this.#require("backward", "open");
    const into = (leaf: Tensor) => this.#destinations.get(leaf);
    const sums = backwardOnto(into, loss, undefined, undefined, watch);
    for (const [parameter, sum] of sums) this.#set(parameter, sum);
  }

  /** @internal All elements of a pack, zeros where no gradient lies; undefined for a pack of others. */
  wholeOf(pack: Pack): Tensor | undefined {
    return this.#packed.get(pack)?.whole;
  }

  /** @internal Whether `sum` is a parameter's place in the pack. */
  isPart(pack: Pack, parameter: Tensor, sum: Tensor): boolean {
    return this.#packed.get(pack)?.parts.get(parameter) === sum;
  }

  /** @internal All gradients in as few tensors as they lie in. New handles, which the scope around frees. */
  ranges(): Tensor[] {
    this.#require("ranges", "open");
    return this.#ranges();
  }

  /** @internal Moves a gradient that `backward` had to leave elsewhere into its place in the pack. */
  settle(parameter: Tensor): void {
    const sum = this.#sums.get(parameter);
    for (const { parts } of this.#packed.values()) {
      const part = parts.get(parameter);
      if (part === undefined || sum === undefined || sum === part) continue;
      const [from, to] = [alias(sum, [sum.size]), alias(part, [part.size])];
      copyRangeInto(from, { axis: 0, begin: 0, length: from.size }, to, 0);
      for (const x of [from, to, sum]) x.dispose();
      this.#set(parameter, part);
    }
  }

  /**
   * Adds gradients that were computed elsewhere; they stay the caller's.
   * @param gradients by parameter, of its shape; f32 for parameters of 16 bits, else of its dtype
   * @throws {AutogradError} after `clip`, `step` or `dispose`
   * @throws {ShapeError} for another shape or dtype
   */
  add(gradients: ReadonlyMap<Tensor, Tensor>): void {
    this.#require("add", "open");
    for (const [parameter, gradient] of gradients) checkDestination("add", parameter, gradient);
    for (const [parameter, gradient] of gradients) {
      const present = this.#destinations.get(parameter);
      this.#set(parameter, present ? accumulate(present, alias(gradient)) : alias(gradient));
    }
  }

  #set(parameter: Tensor, sum: Tensor): void {
    keep(sum);
    this.#destinations.set(parameter, sum);
    this.#sums.set(parameter, sum);
  }

  /**
   * Norm of all gradients together and the factor that brings it down to `maxNorm`; `step` multiplies by the factor,
   * so clipping costs no pass over the gradients. Nothing is read back from the device.
   * @param maxNorm > 0; Infinity only measures
   * @param unscale 1 / factor that the losses were multiplied by (mixed precision), default 1
   * @returns norm [1] before clipping, which the caller (or the scope around it) disposes, and scale [1], which lives
   *   until `dispose`
   * @throws {AutogradError} when called twice, after `step` or `dispose`, or before any `backward`
   */
  clip(maxNorm: number, unscale = 1): Clipped {
    this.#require("clip", "open");
    if (this.#sums.size === 0) {
      throw new AutogradError("clip: needs gradients, got none. Call backward(loss) first.");
    }
    const clipped = scope(() => clipGradNorm(this.#ranges(), maxNorm, unscale));
    this.#scale = keep(clipped.scale);
    this.#state = "clipped";
    return clipped;
  }

  /** All gradients in as few tensors as they lie in, for what treats every element alike. New handles. */
  #ranges(): Tensor[] {
    const packed = [...this.#packed.keys()].flatMap((pack) => this.rangesIn(pack));
    const inPacks = new Set(packed.flatMap(({ entries }) => entries.map(({ tensor }) => tensor)));
    const others = [...this.#sums].filter(([parameter]) => !inPacks.has(parameter));
    return [...packed.map(({ gradient }) => gradient), ...others.map(([, sum]) => alias(sum))];
  }

  /** @internal Runs of parameters whose gradients lie in the pack's tensor. The caller's scope frees the ranges. */
  rangesIn(pack: Pack): GradientRange[] {
    const packed = this.#packed.get(pack);
    if (packed === undefined) return [];
    const { whole, parts } = packed;
    // A sum that something else views was left alone by backward, and lies elsewhere.
    const found = runs(pack, ({ tensor: p }) => {
      const sum = this.#sums.get(p);
      return sum !== undefined && sum === parts.get(p);
    });
    return found.map((entries) => ({ entries, gradient: rangeOf(whole, entries) }));
  }

  /** @internal Notes the update that uses them. @throws {AutogradError} when `optimizer` may not, now or ever */
  markStepped(optimizer: object): void {
    this.#require("step", "open", "clipped");
    if (optimizer !== this.#optimizer) {
      throw new AutogradError(
        "step: gradients must come from this optimizer's zeroGrad(), got another's",
      );
    }
    this.#state = "stepped";
  }

  /** Frees the gradients; the optimizer can then begin the next update. Safe to repeat. */
  dispose(): void {
    for (const sum of this.#sums.values()) sum.dispose();
    for (const { whole, parts } of this.#packed.values()) {
      for (const part of parts.values()) part.dispose();
      whole.dispose();
    }
    this.#scale?.dispose();
    this.#scale = null;
    this.#sums.clear();
    this.#destinations.clear();
    this.#state = "disposed";
  }

  #require(method: string, ...allowed: State[]): void {
    if (allowed.includes(this.#state)) return;
    throw new AutogradError(
      `${method}: gradients must be ${allowed.join(" or ")}, got ${this.#state} ones. ` +
        "Take new ones from optimizer.zeroGrad().",
    );
  }
}

/**
 * Gradients of zero for the next update.
 * @internal
 * @param before those of the update before, if there was one
 * @throws {AutogradError} while those are not disposed
 */
export function nextGradients(
  before: Gradients | null,
  optimizer: object,
  packs: readonly Pack[],
): Gradients {
  if (before !== null && !before.disposed) {
    throw new AutogradError(
      "zeroGrad: the gradients of the update before must be disposed, got open ones. Call gradients.dispose() after step.",
    );
  }
  return new Gradients(optimizer, packs);
}
