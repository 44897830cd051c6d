// All schedules of transformers, against rates that its get_scheduler gave (test/golden/makeOptimizers.py).

import { describe, expect, it } from "vitest";
import { GreedyLR, ReduceLROnPlateau, type MetricRate } from "../../src/optim/plateau.ts";
import { readsMetrics, SCHEDULER_TYPES, scheduleFactor } from "../../src/optim/schedule.ts";
import { scheduleOptions } from "../../src/optim/scheduleOptions.ts";
import { optimizersGolden } from "../support/optimizersGolden.ts";

const { schedules, rate: learningRate } = optimizersGolden;

/** Both languages compute in f64; only cos, sqrt and pow may differ in the last bits. */
function expectRates(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((rate, i) => {
    const allowed = 1e-14 * Math.max(expected[i]!, 1e-3 * learningRate);
    expect(Math.abs(rate - expected[i]!), `update ${i}: ${rate}`).toBeLessThanOrEqual(allowed);
  });
}

describe("every rate", () => {
  it("is compared for every type", () => {
    expect(new Set(schedules.map(({ type }) => type))).toEqual(new Set(SCHEDULER_TYPES));
  });

  it.each(schedules.map((one) => [one.type, JSON.stringify(one.kwargs), one] as const))(
    "of %s with %s is transformers'",
    (type, _, { warmup_steps: warmupSteps, total_steps: totalSteps, kwargs, rates, metrics }) => {
      const options = scheduleOptions(type, kwargs);
      if (!readsMetrics(type)) {
        const settings = { type, warmupSteps, totalSteps, learningRate, options };
        expectRates(
          rates.map((_, s) => learningRate * scheduleFactor(settings, s)),
          rates,
        );
        return;
      }
      const make = (): MetricRate =>
        type === "greedy"
          ? new GreedyLR(learningRate, options)
          : new ReduceLROnPlateau(learningRate, options);
      let schedule = make();
      const actual = rates.map((_, s) => {
        const { lr } = schedule;
        schedule.observe(metrics![s]!);
        if (s % 7 === 3) {
          const stored = JSON.parse(JSON.stringify(schedule.state())) as ReturnType<
            typeof schedule.state
          >;
          schedule = make(); // as a resumed run does
          schedule.restore(stored);
        }
        return lr;
      });
      expectRates(actual, rates);
      expect(new Set(actual).size).toBeGreaterThan(1);
    },
  );
});

describe("lrSchedulerKwargs", () => {
  it.each([
    ["linear", { num_cycles: 2 }, 'must be options of "linear", got num_cycles. It has none.'],
    [
      "cosine",
      { num_cycle: 2 },
      'must be options of "cosine", got num_cycle. Did you mean num_cycles?',
    ],
    ["cosine", { numCycles: "2" }, 'num_cycles must be a number above 0, got "2"'],
    [
      "cosine_with_min_lr",
      {},
      '"cosine_with_min_lr" needs one of min_lr and min_lr_rate, got none',
    ],
    [
      "cosine_with_min_lr",
      { min_lr: 1e-5, min_lr_rate: 0.1 },
      '"cosine_with_min_lr" needs one of min_lr and min_lr_rate, got both',
    ],
    ["warmup_stable_decay", {}, '"warmup_stable_decay" needs num_decay_steps, got none.'],
    [
      "warmup_stable_decay",
      { num_decay_steps: 2, decay_type: "sudden" },
      "decay_type must be one of",
    ],
    [
      "reduce_lr_on_plateau",
      { factor: 1 },
      "factor must be a number of at least 0 and below 1, got 1",
    ],
  ])("of %s refuse %j", (type, kwargs, message) => {
    expect(() => scheduleOptions(type, kwargs)).toThrow(message);
  });

  it("of polynomial end below the peak", () => {
    const settings = { type: "polynomial", warmupSteps: 0, totalSteps: 10 } as const;
    expect(() =>
      scheduleFactor({ ...settings, learningRate: 1e-3, options: { lrEnd: 1e-3 } }, 0),
    ).toThrow("polynomial: lrEnd must be below the learning rate 0.001, got 0.001. Lower it.");
  });
});
