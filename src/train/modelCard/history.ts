// What a run's log says of its evaluations, as transformers' parse_log_history reads it.

import type { LogRecord } from "../trainerState.ts";
import type { Metrics } from "../speed.ts";

/** A row of the table of training results, by heading; "No log" until a loss was logged. */
export type ResultLine = Readonly<Record<string, number | "No log">>;

export interface RunResults {
  /** Evaluations of the run, in their order; null when the log holds no finished run. */
  readonly lines: readonly ResultLine[] | null;
  /** Of one evaluation, by heading ("Loss", "Rouge1", "Gen Len"); null without one. */
  readonly evaluation: Metrics | null;
}

const TIMES = ["runtime", "samples_per_second", "steps_per_second"];
const NO_RESULTS = new Set([...TIMES, "epoch", "step"]);

/**
 * @param step of the evaluation to report; the last one when undefined. (transformers reports the last one even where
 *   the best model was loaded at the end.)
 */
export function runResults(history: readonly LogRecord[], step?: number): RunResults {
  const evaluations = history.filter((record) => "eval_loss" in record);
  const evaluation = evaluations.findLast((record) => step === undefined || record.step === step);
  const end = history.findIndex((record) => "train_runtime" in record);
  return {
    lines: end < 0 ? null : resultLines(history.slice(0, end)),
    evaluation: evaluation === undefined ? null : resultsOf(evaluation),
  };
}

function resultsOf(record: LogRecord): Metrics {
  const entries = Object.entries(record).map(
    ([key, value]) => [key.replace(/^eval_/, ""), value] as const,
  );
  return byHeading(Object.fromEntries(entries.filter(([key]) => !NO_RESULTS.has(key))));
}

/** Figures under the names that a card has for them. */
export function byHeading(metrics: Readonly<Metrics>): Metrics {
  return Object.fromEntries(Object.entries(metrics).map(([key, value]) => [heading(key), value]));
}

function resultLines(history: readonly LogRecord[]): ResultLine[] {
  const lines: ResultLine[] = [];
  let loss: number | "No log" = "No log";
  for (const record of history) {
    if (record.loss !== undefined) loss = record.loss;
    if (!("eval_loss" in record)) continue;
    const { epoch, step, eval_loss, ...figures } = record as LogRecord & Metrics;
    const left = Object.entries(figures).filter(
      ([key]) => key !== "total_flos" && !TIMES.includes(key.replace(/^eval_/, "")),
    );
    lines.push({
      "Training Loss": loss,
      Epoch: epoch ?? NaN,
      Step: step,
      "Validation Loss": eval_loss!,
      ...Object.fromEntries(left.map(([key, value]) => [heading(afterPrefix(key)), value])),
    });
  }
  return lines;
}

/** transformers takes away what stands before the first "_", whatever it is. */
function afterPrefix(key: string): string {
  return key.slice(key.indexOf("_") + 1);
}

/** gen_len -> Gen Len, rougeLsum -> Rougelsum: Python's str.capitalize. */
function heading(key: string): string {
  return key
    .split("_")
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1).toLowerCase())
    .join(" ");
}
