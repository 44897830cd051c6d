// Trainer: a model, its data and its arguments (transformers' Trainer, hf-semantics section 3).

import { ArgumentError } from "../tensor/errors.ts";
import {
  absoluteSteps,
  trainingArguments,
  type TrainingArguments,
  type TrainingArgumentsInput,
} from "./arguments.ts";
import {
  batchCount,
  defaultCollator,
  rowCount,
  type Collator,
  type TrainDataset,
} from "./batches.ts";
import {
  CallbackHandler,
  defaultFlow,
  type CallbackEvent,
  type CallbackInfo,
  type TrainerCallback,
} from "./callbacks.ts";
import { evaluationLoss } from "./evaluate.ts";
import { reportersOf } from "./reporters.ts";
import { speedMetrics, type Metrics } from "./speed.ts";
import { TrainerState } from "./state.ts";
import type { TrainableModel } from "./trainableModel.ts";
import { trainLoop, type TrainOptions, type TrainOutput } from "./trainLoop.ts";

/** What the Trainer needs of a tokenizer: the id that pads, and its files for checkpoints. */
export interface TrainerTokenizer {
  readonly padTokenId: number;
  savePretrained?(folder: string): Promise<void>;
}

export interface TrainerOptions {
  /** Trained in place. */
  readonly model: TrainableModel;
  /** See {@link TrainingArguments}. */
  readonly args?: TrainingArgumentsInput;
  /** Array, { length, get(i) }, or async iterable of { inputIds, attentionMask?, labels }. */
  readonly trainDataset?: TrainDataset;
  readonly evalDataset?: TrainDataset;
  /** Its pad id fills up batches, and its files go into checkpoints. */
  readonly tokenizer?: TrainerTokenizer;
  readonly callbacks?: readonly TrainerCallback[];
  /** Rows to batches; pads rows whose lengths differ when left out. */
  readonly collator?: Collator;
}

export class Trainer {
  readonly model: TrainableModel;
  readonly args: TrainingArguments;
  readonly trainDataset: TrainDataset | undefined;
  readonly evalDataset: TrainDataset | undefined;
  readonly tokenizer: TrainerTokenizer | undefined;
  readonly collate: Collator;
  readonly callbacks: CallbackHandler;
  /** Of the run so far; `train` begins it anew. */
  state = new TrainerState();

  /** @throws {ArgumentError} for arguments that are wrong or contradict each other */
  constructor(options: TrainerOptions) {
    this.model = options.model;
    this.args = trainingArguments(options.args);
    this.trainDataset = options.trainDataset;
    this.evalDataset = options.evalDataset;
    this.tokenizer = options.tokenizer;
    this.collate = options.collator ?? defaultCollator(options.tokenizer?.padTokenId ?? 0);
    this.callbacks = new CallbackHandler([
      defaultFlow,
      ...(options.callbacks ?? []),
      ...reportersOf(this.args),
    ]);
    const { evalStrategy } = this.args;
    if (evalStrategy !== "no" && this.evalDataset === undefined) {
      throw new ArgumentError(
        `evalStrategy: needs evalDataset, got "${evalStrategy}" without one. Pass evalDataset, or "no".`,
      );
    }
  }

  /**
   * Trains the model in place; it is left in the mode (train or eval) that it was in.
   * @throws {ArgumentError} without trainDataset, or for a stream without maxSteps
   * @throws {CheckpointError} when there is nothing to resume from, or a checkpoint cannot be written
   * @throws the signal's reason when it is raised; checkpoints written before stay
   */
  async train(options: TrainOptions = {}): Promise<TrainOutput> {
    this.state = new TrainerState();
    const wasTraining = this.model.training;
    try {
      return await trainLoop(this, options);
    } finally {
      if (!wasTraining) this.model.eval();
    }
  }

  /**
   * Loss over `dataset`, evalDataset by default, as a log record and as
   * { eval_loss, eval_runtime, eval_samples_per_second, eval_steps_per_second, epoch }.
   * @throws {ArgumentError} without a dataset
   */
  async evaluate(
    dataset: TrainDataset | undefined = this.evalDataset,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Metrics> {
    const { model, args, collate } = this;
    if (dataset === undefined) {
      throw new ArgumentError(
        "evaluate: needs a dataset, got none. Pass evalDataset to the Trainer.",
      );
    }
    rowCount("evalDataset", dataset);
    const batchSize = args.perDeviceEvalBatchSize;
    const labelSmoothing = args.labelSmoothingFactor;
    const started = performance.now();
    const { loss, samples } = await evaluationLoss(model, dataset, {
      ...{ batchSize, collate, labelSmoothing },
      signal: options.signal,
    });
    const seconds = (performance.now() - started) / 1000;
    const steps = batchCount(samples, batchSize)!;
    const metrics = await this.log({
      eval_loss: loss,
      ...speedMetrics("eval", seconds, samples, steps),
    });
    await this.notify("onEvaluate", { metrics });
    return metrics;
  }

  /** Writes the model's files, and the tokenizer's where there is one. Default outputDir. */
  async saveModel(folder: string = this.args.outputDir): Promise<void> {
    await this.model.savePretrained(folder);
    await this.tokenizer?.savePretrained?.(folder);
  }

  /** @internal Adds a record to the log history and tells the callbacks. @returns the record without its step */
  async log(record: Metrics): Promise<Metrics> {
    const { epoch, globalStep } = this.state;
    const logs = epoch === null ? record : { ...record, epoch };
    this.state.logHistory.push({ ...logs, step: globalStep });
    await this.notify("onLog", { logs });
    return logs;
  }

  /** @internal */
  notify(event: CallbackEvent, info: Omit<CallbackInfo, "model"> = {}): Promise<void> {
    return this.callbacks.run(event, this.args, this.state, { model: this.model, ...info });
  }

  /** @internal Steps between logs, evaluations and saves, once the length of the run is known. */
  setIntervals(maxSteps: number): void {
    const { loggingSteps, evalSteps, saveSteps } = this.args;
    this.state.loggingSteps = absoluteSteps(loggingSteps, maxSteps);
    this.state.saveSteps = absoluteSteps(saveSteps, maxSteps);
    if (evalSteps !== null) this.state.evalSteps = absoluteSteps(evalSteps, maxSteps);
  }
}

export type { TrainOptions, TrainOutput };
