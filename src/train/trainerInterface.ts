// What the training loop and the end of a step see of the Trainer, so that neither imports it.

import type { ProcessGroup } from "../distributed/processGroup.ts";
import type { WireDtype } from "../distributed/wire.ts";
import type { Collator, TrainDataset } from "../data/batches.ts";
import type { TrainingArguments } from "./arguments/arguments.ts";
import type { CallbackEvent, CallbackHandler, CallbackInfo } from "./callbacks.ts";
import type { TrainerState } from "./trainerState.ts";
import type { Metrics } from "./speed.ts";
import type { TrainableModel } from "./trainableModel.ts";

/** What the Trainer needs of a tokenizer: the id that pads, and its files for checkpoints. */
export interface TrainerTokenizer {
  readonly padTokenId: number;
  /** Writes the tokenizer's files beside the model's. */
  savePretrained?(folder: string): Promise<void>;
}

/** How an evaluation may be ended. */
export interface EvaluateOptions {
  /** Ends the evaluation between two batches, or tokens; the call then throws its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The Trainer during a run of `train`. */
export interface TrainerInterface {
  readonly model: TrainableModel;
  readonly args: TrainingArguments;
  readonly trainDataset: TrainDataset | undefined;
  readonly tokenizer: TrainerTokenizer | undefined;
  readonly collate: Collator;
  readonly callbacks: CallbackHandler;
  readonly state: TrainerState;
  readonly group: ProcessGroup;
  readonly gradientWire: WireDtype;
  evaluate(dataset: TrainDataset | undefined, options: EvaluateOptions): Promise<Metrics>;
  log(record: Metrics): Promise<Metrics>;
  notify(event: CallbackEvent, info?: Omit<CallbackInfo, "model">): Promise<void>;
  setIntervals(maxSteps: number): void;
}
