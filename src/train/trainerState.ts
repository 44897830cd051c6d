// How far a training run has come, in memory and as trainer_state.json (docs/guide/hugging-face-semantics.md 3.7).

import { toSnakeCase } from "../fields/names.ts";
import { CheckpointError } from "../tensor/errors.ts";
import { sortedJson } from "./sortedJson.ts";

/** A line of the log, by transformers' own keys: loss, grad_norm, learning_rate, eval_loss, ..., epoch, step. */
export type LogRecord = { readonly [key: string]: number } & { readonly step: number };

/** What a callback wants to find again after a resume. */
export interface CallbackState {
  readonly args: Readonly<Record<string, unknown>>;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** How far a training run has come; callbacks and trainer_state.json have transformers' fields. */
export class TrainerState {
  /** Passes over the data so far, with a fraction; null before training. */
  epoch: number | null = null;
  /** Updates so far. */
  globalStep = 0;
  /** Updates of the whole run. */
  maxSteps = 0;
  loggingSteps = 500;
  evalSteps = 500;
  saveSteps = 500;
  trainBatchSize: number | null = null;
  numTrainEpochs = 0;
  numInputTokensSeen = 0;
  totalFlos = 0;
  logHistory: LogRecord[] = [];
  bestMetric: number | null = null;
  bestGlobalStep: number | null = null;
  /** Folder of the best checkpoint. */
  bestModelCheckpoint: string | null = null;
  isLocalProcessZero = true;
  isWorldProcessZero = true;
  isHyperParamSearch = false;
  trialName: string | null = null;
  trialParams: unknown = null;
  statefulCallbacks: Record<string, CallbackState> = {};

  /** The text of trainer_state.json: transformers' keys, sorted, indented by 2, ending in a newline. */
  toJSONText(): string {
    return sortedJson(
      Object.fromEntries(Object.entries(this).map(([key, value]) => [toSnakeCase(key), value])),
    );
  }

  /** What a trainer_state.json holds; keys that are not here are ignored. @throws {CheckpointError} */
  static fromText(text: string, path: string): TrainerState {
    const stored = parseObject(text, path);
    const state = new TrainerState();
    for (const key of Object.keys(state)) {
      const value = stored[toSnakeCase(key)];
      if (value !== undefined) Object.assign(state, { [key]: value });
    }
    if (!Number.isInteger(stored.global_step) || !Array.isArray(stored.log_history)) {
      throw new CheckpointError(
        `${path}: must have a whole number global_step and a list log_history, and has not. Use another checkpoint.`,
      );
    }
    return state;
  }
}

/** @throws {CheckpointError} unless `text` is a JSON object */
export function parseObject(text: string, path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // said below
  }
  throw new CheckpointError(
    `${path}: must be a JSON object, got something else. Use another checkpoint.`,
  );
}
