// What the run of this page left: for the archives and the report.

import type { LogRecord, Trainer } from "gradloom";
import type { Sample, TrainRequest, TrainResult } from "../../protocol/training.ts";
import type { SpeedPoint } from "./progress.ts";

export interface FinishedRun {
  readonly trainer: Trainer;
  readonly request: TrainRequest;
  readonly result: TrainResult;
  readonly log: readonly LogRecord[];
  readonly samples: readonly Sample[];
  readonly speeds: readonly SpeedPoint[];
  readonly dataName: string;
  readonly trainRows: number;
  readonly trainable: number;
}

let last: FinishedRun | null = null;

export function keepRun(run: FinishedRun): void {
  last = run;
}

export function forgetRun(): void {
  last = null;
}

/** @throws {Error} before a run has ended */
export function finishedRun(): FinishedRun {
  if (last === null) throw new Error("No run has ended yet. Train in the section Fine-tune.");
  return last;
}
