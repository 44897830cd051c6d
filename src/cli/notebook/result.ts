// What a run of the notebook gives: `gradloom reproduce --json` prints it, and the report page is made from it.

import type { TrainingArgumentsInput } from "../../train/arguments/arguments.ts";
import type { LogRecord } from "../../train/trainerState.ts";
import type { RougeColumn } from "./scores.ts";
import type { NotebookSettings } from "./settings.ts";

/** A dialogue with its three summaries. */
export interface NotebookExample {
  readonly dialogue: string;
  readonly human: string;
  /** Summary by the model before fine-tuning. */
  readonly original: string;
  /** Summary by the fine-tuned model. */
  readonly instruct: string;
}

/** Section 2.2: the Trainer's arguments, log and output. */
export interface FineTuning {
  readonly device: string;
  readonly arguments: TrainingArgumentsInput;
  readonly globalStep: number;
  readonly trainingLoss: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly logHistory: readonly LogRecord[];
  /** Path of the last checkpoint's folder. */
  readonly checkpoint: string;
}

export interface NotebookResult {
  readonly settings: NotebookSettings;
  readonly parameters: number;
  readonly trainableParameters: number;
  readonly example: NotebookExample;
  readonly training: FineTuning;
  readonly rouge: { readonly original: RougeColumn; readonly instruct: RougeColumn };
  readonly summaries: readonly NotebookExample[];
  /** Of the whole run. */
  readonly seconds: number;
  /** Path of the report page. */
  readonly report: string;
}
