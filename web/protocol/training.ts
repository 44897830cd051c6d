// A training run: what is asked, what it tells, what is left of it.

import type { ColumnMapping, DataPreview } from "./data.ts";
import type { ModelFacts } from "./model.ts";

/** What the form holds; the worker makes TrainingArguments of it. */
export interface TrainSettings {
  readonly method: "lora" | "all";
  readonly loraR: number;
  readonly loraAlpha: number;
  readonly loraDropout: number;
  readonly learningRate: number;
  /** Passes over the data; ignored where maxSteps is above 0. */
  readonly epochs: number;
  /** 0 for none. */
  readonly maxSteps: number;
  readonly batchSize: number;
  readonly gradientAccumulationSteps: number;
  readonly scheduler: "linear" | "cosine" | "constant";
  readonly warmupRatio: number;
  readonly weightDecay: number;
  readonly maxLength: number;
  readonly seed: number;
  readonly loggingSteps: number;
  /** Updates between evaluations; 0 evaluates at the end alone. */
  readonly evalSteps: number;
  /** Rows that are scored. */
  readonly evalRows: number;
  /** Updates between checkpoints. */
  readonly saveSteps: number;
  readonly gradientCheckpointing: boolean;
}

export interface TrainRequest {
  readonly columns: ColumnMapping;
  readonly settings: TrainSettings;
  /** Goes on from the newest checkpoint of the stored run. */
  readonly resume: boolean;
}

/** A line of the log: loss, learning_rate, eval_loss, eval_rouge1, ..., by transformers' names. */
export type LogLine = { readonly [name: string]: number } & { readonly step: number };

export interface Sample {
  readonly dialogue: string;
  readonly reference: string;
  readonly before: string;
  /** Null until the run has ended. */
  readonly after: string | null;
}

export type TrainEvent =
  | { readonly type: "stage"; readonly text: string }
  /** What a resumed run has loaded in place of what was there. */
  | { readonly type: "restored"; readonly model: ModelFacts; readonly data: DataPreview | null }
  | {
      readonly type: "begin";
      readonly step: number;
      readonly maxSteps: number;
      readonly examples: number;
      readonly trainable: number;
    }
  | {
      readonly type: "step";
      readonly step: number;
      readonly tokensPerSecond: number;
      readonly samplesPerSecond: number;
      readonly secondsLeft: number;
    }
  | { readonly type: "log"; readonly lines: readonly LogLine[] }
  | { readonly type: "paused"; readonly isPaused: boolean; readonly step: number }
  | { readonly type: "saved"; readonly step: number }
  | { readonly type: "samples"; readonly samples: readonly Sample[] };

export interface TrainResult {
  readonly step: number;
  readonly maxSteps: number;
  readonly wasStopped: boolean;
  readonly trainingLoss: number;
  readonly seconds: number;
}

/** What the browser keeps of a run that has not ended. */
export interface StoredRun {
  readonly modelName: string;
  readonly dataName: string;
  readonly step: number;
  readonly maxSteps: number;
  readonly columns: ColumnMapping;
  readonly settings: TrainSettings;
  readonly log: readonly LogLine[];
}
