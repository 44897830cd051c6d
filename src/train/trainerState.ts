// How far a training run has come, in memory and as trainer_state.json (docs/guide/hugging-face-semantics.md 3.7).

import { toSnakeCase } from "../fields/names.ts";
import { atLeast, flag, formatValue, whole, type Rule } from "../fields/rules.ts";
import { CheckpointError } from "../tensor/errors.ts";
import { parseJson } from "../tensor/json.ts";
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

  /** What a trainer_state.json holds; keys that are not here are ignored. @throws {CheckpointError} for a wrong value */
  static fromText(text: string, path: string): TrainerState {
    const stored = parseObject(text, path);
    const state = new TrainerState();
    for (const [name, rule] of Object.entries(stateRules)) {
      const key = toSnakeCase(name);
      const value = stored[key];
      if (value === undefined && name !== "globalStep" && name !== "logHistory") continue;
      if (!rule.holds(value)) {
        throw new CheckpointError(
          `${path}: ${key} must be ${rule.must}, got ${formatValue(value).slice(0, 200)}. Use another checkpoint.`,
        );
      }
      Object.assign(state, { [name]: value });
    }
    if (state.globalStep > state.maxSteps) {
      throw new CheckpointError(
        `${path}: global_step must be at most max_steps, ${state.maxSteps}, got ${state.globalStep}. Use another checkpoint.`,
      );
    }
    state.logHistory = state.logHistory.map(withNaN);
    return state;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isNumberOrNull = (value: unknown): boolean => value === null || typeof value === "number";
const orNull = (rule: Rule): Rule => ({
  must: `${rule.must}, or null`,
  holds: (value) => value === null || rule.holds(value),
});
const record: Rule = {
  must: "a list of objects with a whole number step and otherwise numbers or null",
  holds: (list) =>
    Array.isArray(list) &&
    list.every(
      (value) =>
        isObject(value) && whole(0).holds(value.step) && Object.values(value).every(isNumberOrNull),
    ),
};
const anything: Rule = { must: "anything", holds: () => true };
const text: Rule = { must: "a text", holds: (value) => typeof value === "string" };

/** What each field of trainer_state.json must be; null stands for NaN, which JSON has not. */
const stateRules: Readonly<Record<keyof Omit<TrainerState, "toJSONText">, Rule>> = {
  globalStep: whole(0),
  logHistory: record,
  epoch: orNull(atLeast(0)),
  maxSteps: whole(0),
  loggingSteps: atLeast(0),
  evalSteps: atLeast(0),
  saveSteps: atLeast(0),
  trainBatchSize: orNull(whole(1)),
  numTrainEpochs: atLeast(0),
  numInputTokensSeen: atLeast(0),
  totalFlos: atLeast(0),
  bestMetric: { must: "a number or null", holds: isNumberOrNull },
  bestGlobalStep: orNull(whole(0)),
  bestModelCheckpoint: orNull(text),
  isLocalProcessZero: flag,
  isWorldProcessZero: flag,
  isHyperParamSearch: flag,
  trialName: orNull(text),
  trialParams: anything,
  statefulCallbacks: {
    must: "an object of objects with the objects args and attributes",
    holds: (value) =>
      isObject(value) &&
      Object.values(value).every(
        (state) => isObject(state) && isObject(state.args) && isObject(state.attributes),
      ),
  },
};

function withNaN(record: LogRecord): LogRecord {
  return Object.fromEntries(
    Object.entries(record).map(([key, value]) => [key, (value as number | null) ?? NaN]),
  ) as LogRecord;
}

/** @throws {CheckpointError} unless `text` is a JSON object */
export function parseObject(text: string, path: string): Record<string, unknown> {
  try {
    const value = parseJson(text);
    if (isObject(value)) return value;
  } catch {
    // said below
  }
  throw new CheckpointError(
    `${path}: must be a JSON object, got something else. Use another checkpoint.`,
  );
}
