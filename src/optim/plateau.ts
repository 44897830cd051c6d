// Schedules that follow a metric: torch's ReduceLROnPlateau and transformers' GreedyLR (arXiv 2512.14527).

/** lr_scheduler_kwargs of "reduce_lr_on_plateau" and "greedy"; the last five are of "greedy" alone. */
export interface MetricOptions {
  /** Whether the metric should fall or grow. Default "min", whatever greaterIsBetter says, as in transformers. */
  readonly mode?: "min" | "max";
  /** What the rate is multiplied by, in [0, 1). Default 0.1, greedy 0.95. */
  readonly factor?: number;
  /** Evaluations without improvement that are borne with. Default 10. */
  readonly patience?: number;
  /** By how much the metric must improve. Default 1e-4, greedy 1e-6. */
  readonly threshold?: number;
  /** Whether `threshold` is a share of the best value, or a difference. Default "rel", greedy "abs". */
  readonly thresholdMode?: "rel" | "abs";
  /** Evaluations that do not count after a fall. Default 0. */
  readonly cooldown?: number;
  /** Least rate. Default 0, greedy 1e-3. */
  readonly minLr?: number | null;
  /** A smaller change of the rate is not made. Default 1e-8. */
  readonly eps?: number;
  /** Evaluations that do not count after a rise. Default 0. */
  readonly warmup?: number;
  /** Greatest rate. Default 1. */
  readonly maxLr?: number;
  /** Taken and not read: the log has every rate. */
  readonly verbose?: boolean;
  /** Whether the mean of the last `windowSize` values is followed. Default false. */
  readonly smooth?: boolean;
  /** Default 50. */
  readonly windowSize?: number;
  /** Falls at the least rate before all begins anew. Default 500. */
  readonly resetStart?: number;
}

/** All that such a schedule remembers; null stands for no best value yet, which JSON has no number for. */
export interface MetricScheduleState {
  readonly lr: number;
  readonly best: number | null;
  readonly badEpochs: number;
  readonly goodEpochs: number;
  readonly cooldownCounter: number;
  readonly warmupCounter: number;
  readonly resetStart: number;
  readonly window: readonly number[];
  readonly windowSum: number;
}

/** A learning rate that `observe` moves. */
export interface MetricRate {
  readonly lr: number;
  /** Takes the metric of an evaluation. */
  observe(metric: number): void;
  /** What a checkpoint holds. */
  state(): MetricScheduleState;
  /** Goes on from what `state` gave. */
  restore(state: MetricScheduleState): void;
}

type Filled = Required<{ readonly [K in keyof MetricOptions]: NonNullable<MetricOptions[K]> }>;

const PLATEAU: Filled = {
  ...{ mode: "min", factor: 0.1, patience: 10, threshold: 1e-4, thresholdMode: "rel" },
  ...{ cooldown: 0, minLr: 0, eps: 1e-8 },
  ...{ warmup: 0, maxLr: Infinity, verbose: false, smooth: false, windowSize: 50, resetStart: 0 },
};
const GREEDY: Filled = {
  ...{ ...PLATEAU, factor: 0.95, threshold: 1e-6, thresholdMode: "abs", minLr: 1e-3 },
  ...{ maxLr: 1, resetStart: 500 },
};

function fill(options: MetricOptions, defaults: Filled): Filled {
  const given = Object.entries(options).filter(
    ([, value]) => value !== undefined && value !== null,
  );
  return { ...defaults, ...Object.fromEntries(given) };
}

function startOf(lr: number, { resetStart }: Filled): MetricScheduleState {
  return {
    ...{ lr, best: null, badEpochs: 0, goodEpochs: 0, cooldownCounter: 0, warmupCounter: 0 },
    ...{ resetStart, window: [], windowSum: 0 },
  };
}

function isBetter({ mode, threshold, thresholdMode }: Filled, a: number, best: number | null) {
  if (best === null) return mode === "min" ? a < Infinity : a > -Infinity;
  if (mode === "min")
    return a < (thresholdMode === "rel" ? best * (1 - threshold) : best - threshold);
  return a > (thresholdMode === "rel" ? best * (1 + threshold) : best + threshold);
}

/** Multiplies the rate by `factor` after more than `patience` values without improvement (torch's ReduceLROnPlateau). */
export class ReduceLROnPlateau implements MetricRate {
  readonly #options: Filled;
  #state: MetricScheduleState;

  /** @param lr first rate */
  constructor(lr: number, options: MetricOptions = {}) {
    this.#options = fill(options, PLATEAU);
    this.#state = startOf(lr, this.#options);
  }

  get lr(): number {
    return this.#state.lr;
  }

  observe(metric: number): void {
    const { patience, cooldown, factor, minLr, eps } = this.#options;
    let { lr, best, badEpochs, cooldownCounter } = this.#state;
    if (isBetter(this.#options, metric, best)) [best, badEpochs] = [metric, 0];
    else badEpochs++;
    if (cooldownCounter > 0) [cooldownCounter, badEpochs] = [cooldownCounter - 1, 0];
    if (badEpochs > patience) {
      const next = Math.max(lr * factor, minLr);
      if (lr - next > eps) lr = next;
      [cooldownCounter, badEpochs] = [cooldown, 0];
    }
    this.#state = { ...this.#state, lr, best, badEpochs, cooldownCounter };
  }

  /** What a checkpoint holds. */
  state(): MetricScheduleState {
    return this.#state;
  }

  /** Goes on from what `state` gave. */
  restore(state: MetricScheduleState): void {
    this.#state = state;
  }
}

/** Raises the rate while the metric improves and lowers it while it does not (transformers' GreedyLR). */
export class GreedyLR implements MetricRate {
  readonly #options: Filled;
  readonly #first: number;
  #state: MetricScheduleState;

  /** @param lr first rate */
  constructor(lr: number, options: MetricOptions = {}) {
    this.#options = fill(options, GREEDY);
    this.#first = lr;
    this.#state = startOf(lr, this.#options);
  }

  get lr(): number {
    return this.#state.lr;
  }

  observe(metric: number): void {
    const current = this.#options.smooth ? this.#smoothed(metric) : metric;
    const { cooldownCounter, warmupCounter, best } = this.#state;
    if (cooldownCounter > 0) {
      this.#set({ cooldownCounter: cooldownCounter - 1, badEpochs: 0, goodEpochs: 0 });
    } else if (warmupCounter > 0) {
      this.#set({ warmupCounter: warmupCounter - 1, badEpochs: 0, goodEpochs: 0 });
    } else {
      const { badEpochs, goodEpochs } = this.#state;
      if (isBetter(this.#options, current, best)) {
        this.#set({ best: current, badEpochs: 0, goodEpochs: goodEpochs + 1 });
      } else this.#set({ badEpochs: badEpochs + 1, goodEpochs: 0 });
      this.#act();
    }
  }

  #act(): void {
    const { patience, cooldown, warmup, resetStart } = this.#options;
    const { badEpochs, goodEpochs } = this.#state;
    if (goodEpochs > patience) {
      this.#raise();
      this.#set({ resetStart, warmupCounter: warmup, goodEpochs: 0 });
    } else if (badEpochs > patience) {
      this.#lower();
      this.#set({ cooldownCounter: cooldown, badEpochs: 0 });
    }
  }

  #raise(): void {
    const { factor, maxLr, eps } = this.#options;
    const { lr } = this.#state;
    const next = Math.min(lr / factor, maxLr);
    if (next - lr > eps) this.#set({ lr: next });
  }

  #lower(): void {
    const { factor, minLr, eps } = this.#options;
    const { lr } = this.#state;
    const next = Math.max(lr * factor, minLr);
    if (lr - next > eps) this.#set({ lr: next });
    if (this.#state.lr > minLr) return;
    this.#set({ resetStart: this.#state.resetStart - 1 });
    if (this.#state.resetStart <= 0) this.#state = startOf(this.#first, this.#options);
  }

  /** The mean of the last values. */
  #smoothed(metric: number): number {
    const window = [...this.#state.window, metric];
    let windowSum = this.#state.windowSum + metric;
    if (window.length > this.#options.windowSize) windowSum -= window.shift()!;
    this.#set({ window, windowSum });
    return windowSum / window.length;
  }

  #set(change: Partial<MetricScheduleState>): void {
    this.#state = { ...this.#state, ...change };
  }

  /** What a checkpoint holds. */
  state(): MetricScheduleState {
    return this.#state;
  }

  /** Goes on from what `state` gave. */
  restore(state: MetricScheduleState): void {
    this.#state = state;
  }
}
