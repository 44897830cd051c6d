// Adafactor (Shazeer and Stern 2018, arXiv 1804.04235; transformers' optimization.py): T5's own optimizer. A matrix of R x C
// weights has R + C second moments, so the state of a model is a thousandth of AdamW's.

import { adafactorInPlace } from "../kernels/optimizer/adafactor.ts";
import { isHalf } from "../tensor/dtype.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { keep, scope } from "../tensor/scope.ts";
import { zeros, type Tensor } from "../tensor/tensor.ts";
import { decays } from "./adamw.ts";
import { Gradients, nextGradients } from "./gradients.ts";
import type { Pack } from "./pack.ts";
import { checkedParameters } from "./parameters.ts";

/** Named and with defaults as transformers' Adafactor has them. */
export interface AdafactorOptions {
  /** Learning rate, >= 0; null (the default) with relativeStep alone, which finds its own. */
  readonly lr?: number | null;
  /** Added to squared gradients, and least scale of a parameter; each >= 0. Default [1e-30, 1e-3]. */
  readonly eps?: readonly [number, number];
  /** Greatest root mean square of an update before the rate, > 0. Default 1. */
  readonly clipThreshold?: number;
  /** Exponent of the second moment's decay 1 - t^decayRate at update t, < 0. Default -0.8. */
  readonly decayRate?: number;
  /** Decay of a first moment, in [0, 1); null (the default) keeps none. */
  readonly beta1?: number | null;
  /** Decoupled weight decay, >= 0; norms and biases, by their names, do not decay. Default 0. */
  readonly weightDecay?: number;
  /** Whether the rate is multiplied by the parameter's root mean square. Default true. */
  readonly scaleParameter?: boolean;
  /** Whether the rate is min(1e-2, 1 / sqrt(t)) at update t. Default true. */
  readonly relativeStep?: boolean;
  /** With relativeStep: 1e-6 t in place of 1e-2. Default false. */
  readonly warmupInit?: boolean;
}

type Settings = Required<AdafactorOptions>;

const DEFAULTS: Settings = {
  ...{
    lr: null,
    eps: [1e-30, 1e-3],
    clipThreshold: 1,
    decayRate: -0.8,
    beta1: null,
    weightDecay: 0,
  },
  ...{ scaleParameter: true, relativeStep: true, warmupInit: false },
};

/** What is remembered of a parameter, in f32 (f64 for parameters of f64). */
interface Moments {
  /** [..., R] of [..., R, C], of a vector its shape. */
  readonly row: Tensor;
  /** [..., C]; null of a vector. */
  readonly col: Tensor | null;
  /** First moment, with beta1. */
  readonly m: Tensor | null;
}

/**
 * Updates parameters in place, with the calls of `AdamW`:
 *
 *   const gradients = optimizer.zeroGrad();
 *   gradients.backward(loss);
 *   optimizer.step(gradients);
 *   gradients.dispose();
 *
 * transformers advises against clipping gradients beside it, and, with a schedule of one's own, for lr with scaleParameter
 * and relativeStep false.
 */
export class Adafactor {
  /** Updates done so far. */
  steps = 0;
  readonly #parameters: ReadonlyMap<string, Tensor>;
  readonly #moments: ReadonlyMap<Tensor, Moments>;
  readonly #settings: Settings;
  #lr: number | null;
  #gradients: Gradients | null = null;

  /**
   * @param parameters leaves of one device, as a list or by name; those that require no gradient are left alone. Names decide
   *   what decays, and what `state` calls the moments; in a list everything decays and names are positions
   * @throws {ArgumentError} for an option out of its range, options that contradict each other, or a parameter that is given twice
   * @throws {AutogradError} for a parameter that is the result of an op
   */
  constructor(
    parameters: readonly Tensor[] | ReadonlyMap<string, Tensor>,
    options: AdafactorOptions = {},
  ) {
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.#settings = { ...DEFAULTS, ...Object.fromEntries(given) } as Settings;
    checkSettings(this.#settings);
    this.#lr = this.#settings.lr;
    this.#parameters = checkedParameters("Adafactor", parameters);
    const withMean = this.#settings.beta1 !== null;
    this.#moments = new Map(
      [...this.#parameters.values()].map((p) => [p, makeMoments(p, withMean)]),
    );
  }

  /**
   * Learning rate of the next `step`, unless it is given one: `lr`, which may be set between updates, or with relativeStep the
   * rate that follows from the number of updates. scaleParameter multiplies it.
   */
  get lr(): number {
    return this.relativeRate() ?? this.#lr!;
  }

  /** @throws {ArgumentError} with relativeStep */
  set lr(rate: number) {
    if (this.#settings.relativeStep) {
      throw new ArgumentError(
        `Adafactor: lr must not be set with relativeStep, got ${rate}. Construct it with relativeStep false.`,
      );
    }
    this.#lr = rate;
  }

  /** @internal The rate of the next update where no caller chooses it; null elsewhere. */
  relativeRate(): number | null {
    const { relativeStep, warmupInit } = this.#settings;
    if (!relativeStep) return null;
    const t = this.steps + 1;
    return Math.min(warmupInit ? 1e-6 * t : 1e-2, 1 / Math.sqrt(t));
  }

  /**
   * Begins an update: gradients of zero, for `Gradients.backward` to add to.
   * @throws {AutogradError} while those of the update before are not disposed
   */
  zeroGrad(): Gradients {
    return this.zeroGradIn([]);
  }

  /** @internal `zeroGrad` with gradients in packs of the caller's. */
  zeroGradIn(buckets: readonly Pack[]): Gradients {
    this.#gradients = nextGradients(this.#gradients, this, buckets);
    return this.#gradients;
  }

  /**
   * Updates every parameter in place. One without a gradient stays as it is.
   * @param gradients from `zeroGrad`, or the Map of `backward`, which stays the caller's
   * @param learningRate of this update, >= 0, default `lr`; without effect with relativeStep
   * @param scale [1], multiplied into all gradients, null for none; default the one that `gradients.clip` chose
   * @throws {AutogradError} for gradients of another optimizer, or that were disposed or used by a step before
   */
  step(
    gradients: Gradients | ReadonlyMap<Tensor, Tensor>,
    learningRate: number = this.lr,
    scale: Tensor | null = gradients instanceof Gradients ? gradients.scale : null,
  ): void {
    if (gradients instanceof Gradients) gradients.markStepped(this);
    const { eps, clipThreshold, decayRate, beta1, weightDecay, scaleParameter } = this.#settings;
    const rate = this.relativeRate() ?? learningRate;
    this.steps++;
    const settings = {
      ...{
        rate,
        beta2: 1 - this.steps ** decayRate,
        beta1: beta1 ?? 0,
        eps: eps[0],
        clipThreshold,
      },
      leastScale: scaleParameter ? eps[1] : null,
    };
    for (const [name, p] of this.#parameters) {
      const gradient = gradients.get(p);
      if (gradient === undefined) continue;
      const decay = decays(name) ? weightDecay : 0;
      scope(() => {
        const tensors = { p, gradient, scale, ...this.#moments.get(p)! };
        adafactorInPlace(tensors, { ...settings, weightDecay: decay });
      });
    }
  }

  /**
   * The moments by transformers' names for them, `NAME.exp_avg_sq_row`, `NAME.exp_avg_sq_col`, of a vector `NAME.exp_avg_sq`,
   * with beta1 `NAME.exp_avg`: what a checkpoint holds.
   */
  state(): Map<string, Tensor> {
    const state = new Map<string, Tensor>();
    for (const [name, p] of this.#parameters) {
      const { row, col, m } = this.#moments.get(p)!;
      if (m !== null) state.set(`${name}.exp_avg`, m);
      state.set(col === null ? `${name}.exp_avg_sq` : `${name}.exp_avg_sq_row`, row);
      if (col !== null) state.set(`${name}.exp_avg_sq_col`, col);
    }
    return state;
  }

  /** Frees the moments and open gradients; the parameters stay. */
  dispose(): void {
    this.#gradients?.dispose();
    for (const x of this.state().values()) x.dispose();
  }
}

function makeMoments(p: Tensor, withMean: boolean): Moments {
  const { shape, device } = p;
  const dtype = isHalf(p.dtype) ? "f32" : p.dtype;
  const make = (of: readonly number[]): Tensor => keep(zeros(of, { device, dtype }));
  const isFactored = shape.length >= 2;
  return {
    row: make(isFactored ? shape.slice(0, -1) : shape),
    col: isFactored ? make([...shape.slice(0, -2), shape.at(-1)!]) : null,
    m: withMean ? make(shape) : null,
  };
}

function checkSettings({ lr, eps, clipThreshold, decayRate, beta1, ...rest }: Settings): void {
  const { weightDecay, relativeStep, warmupInit } = rest;
  const refuse = (name: string, must: string, value: unknown): never => {
    throw new ArgumentError(`Adafactor: ${name} must be ${must}, got ${String(value)}`);
  };
  if (relativeStep && lr !== null) refuse("lr", "null with relativeStep", lr);
  if (!relativeStep && !(lr !== null && lr >= 0)) refuse("lr", ">= 0 without relativeStep", lr);
  if (warmupInit && !relativeStep) refuse("warmupInit", "false without relativeStep", warmupInit);
  for (const one of eps) if (!(one >= 0)) refuse("eps", ">= 0", eps.join(", "));
  if (!(clipThreshold > 0)) refuse("clipThreshold", "> 0", clipThreshold);
  if (!(decayRate < 0)) refuse("decayRate", "< 0", decayRate);
  if (beta1 !== null && !(beta1 >= 0 && beta1 < 1)) refuse("beta1", "null or in [0, 1)", beta1);
  if (!(weightDecay >= 0)) refuse("weightDecay", ">= 0", weightDecay);
}
