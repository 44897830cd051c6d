// What `gradloom train` gives: --json prints it, and the report page is made from it.

import type { TrainingArguments } from "../../train/arguments/arguments.ts";
import type { TrainerState } from "../../train/trainerState.ts";
import type { TrainOutput } from "../../train/trainer.ts";

export interface TrainResult
  extends
    TrainOutput,
    Pick<TrainerState, "bestMetric" | "bestGlobalStep" | "bestModelCheckpoint" | "logHistory"> {
  readonly model: string;
  readonly dataset: string;
  readonly device: string;
  readonly parameters: number;
  readonly trainableParameters: number;
  /** null for a stream. */
  readonly trainRows: number | null;
  readonly arguments: TrainingArguments;
  /** ROUGE F-measures of the predictions; null without test rows. */
  readonly rouge: Readonly<Record<"rouge1" | "rouge2" | "rougeL" | "rougeLsum", number>> | null;
  /** Summaries of the scored test rows, in their order. */
  readonly predictions: readonly string[];
  /** Of the whole run. */
  readonly seconds: number;
  /** Path of the report page. */
  readonly report: string;
}
