// Run time and rates, rounded as transformers rounds them (speed_metrics).

/** Figures by name. */
export type Metrics = Record<string, number>;

/**
 * `PREFIX_runtime` in seconds, `PREFIX_samples_per_second`, `PREFIX_steps_per_second`.
 * @param seconds elapsed; with 0 there are no rates
 */
export function speedMetrics(
  prefix: "train" | "eval" | "test",
  seconds: number,
  samples: number,
  steps: number,
): Metrics {
  const runtime = { [`${prefix}_runtime`]: round(seconds, 4) };
  if (seconds === 0) return runtime;
  return {
    ...runtime,
    [`${prefix}_samples_per_second`]: round(samples / seconds, 3),
    [`${prefix}_steps_per_second`]: round(steps / seconds, 3),
  };
}

/** `train_runtime` in seconds and `train_tokens_per_second`. */
export function tokenSpeed(seconds: number, tokens: number): Metrics {
  const runtime = { train_runtime: round(seconds, 4) };
  return seconds === 0
    ? runtime
    : { ...runtime, train_tokens_per_second: round(tokens / seconds, 3) };
}

function round(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}
