// test/golden/optimizers.json: rates, weights and orders that transformers made, and the numbers they were made from.

import { readFileSync } from "node:fs";
import type { SchedulerType } from "../../src/optim/schedule.ts";

interface OptimizersGolden {
  readonly rate: number;
  readonly schedules: readonly {
    readonly type: SchedulerType;
    readonly warmup_steps: number;
    readonly total_steps: number;
    readonly kwargs: Readonly<Record<string, unknown>>;
    readonly rates: readonly number[];
    /** What the schedule was shown after each update. */
    readonly metrics?: readonly number[];
  }[];
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly adafactor: readonly {
    readonly options: Readonly<Record<string, unknown>>;
    /** By update, then by parameter. */
    readonly weights: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;
  }[];
  readonly length_groups: readonly {
    readonly rows: number;
    readonly batch: number;
    readonly seed: number;
    /** Of the first epochs. */
    readonly orders: readonly (readonly number[])[];
  }[];
}

export const optimizersGolden = JSON.parse(
  readFileSync(new URL("../golden/optimizers.json", import.meta.url), "utf8"),
) as OptimizersGolden;

/** draw() of makeOptimizers.py: numbers that f32 holds exactly. */
export function goldenNumbers(seed: number, count: number, scale: number): number[] {
  return Array.from(
    { length: count },
    (_, i) => ((((i * 7919 + seed * 104729 + i * i * 31) % 8191) - 4095) / 8192) * scale,
  );
}

/** lengths_of() of makeOptimizers.py. */
export function goldenLengths(rows: number): number[] {
  return Array.from({ length: rows }, (_, i) => ((i * 7919 + i * i * 31) % 97) + 3);
}
