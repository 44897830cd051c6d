// Trainer: a model, its data and its arguments (transformers' Trainer, docs/guide/hugging-face-semantics.md 3).

import type { GenerationOptions } from "../generation/options.ts";
import type { PushResult } from "../hub/push.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { absoluteSteps, trainingArguments, type TrainingArguments } from "./arguments/arguments.ts";
import {
  batchCount,
  defaultCollator,
  rowCount,
  type Collator,
  type TrainDataset,
} from "../data/batches.ts";
import {
  CallbackHandler,
  defaultFlow,
  type CallbackEvent,
  type CallbackInfo,
} from "./callbacks.ts";
import { endingAll } from "./agreement.ts";
import { batchSizeToResume, withFittingBatch } from "./autoBatch.ts";
import { lockOutputFolder } from "./checkpoint/outputLock.ts";
import { checkedCollator } from "./checkedCollator.ts";
import { evaluationLoop, type ComputeMetrics, type EvalPrediction } from "./evaluate.ts";
import { evaluationGeneration } from "./evaluationGeneration.ts";
import { groupedByLength, indexed, type Reordered } from "./lengths.ts";
import { singleProcess, type ProcessGroup } from "../distributed/processGroup.ts";
import type { WireDtype } from "../distributed/wire.ts";
import { inTraining } from "./mode.ts";
import { modelCard, writeModelCard, type ModelCardOptions } from "./modelCard/modelCard.ts";
import { writeMetrics, writeState } from "./output/runFiles.ts";
import { HubPushes } from "./output/hubPushes.ts";
import { checkOtherWeights, saveModelFiles } from "./output/savedModel.ts";
import { autocastOf } from "./precision.ts";
import { reporterNames, reportersOf } from "./reporters.ts";
import { speedMetrics, type Metrics } from "./speed.ts";
import {
  checkFit,
  checkOptions,
  type TrainerOptions,
  type TrainerPushOptions,
} from "./trainerOptions.ts";
import { TrainerState } from "./trainerState.ts";
import type { TrainableModel } from "./trainableModel.ts";
import type { EvaluateOptions, TrainerTokenizer } from "./trainerInterface.ts";
import { trainLoop, type TrainOptions, type TrainOutput } from "./trainLoop.ts";

/**
 * Trains and evaluates a model, as transformers' Seq2SeqTrainer does: the same arguments, order of events, log records and
 * checkpoints.
 */
export class Trainer {
  readonly model: TrainableModel;
  #args: TrainingArguments;
  readonly trainDataset: TrainDataset | undefined;
  readonly evalDataset: TrainDataset | undefined;
  readonly tokenizer: TrainerTokenizer | undefined;
  readonly collate: Collator;
  readonly computeMetrics: ComputeMetrics | undefined;
  /** @internal Pass callbacks to the constructor. */
  readonly callbacks: CallbackHandler;
  /** The processes that train together; one unless `processGroup` was given. */
  readonly group: ProcessGroup;
  readonly gradientWire: WireDtype;
  readonly zeroStage: 0 | 1;
  /** Of the run so far; `train` begins it anew. */
  state = new TrainerState();
  #readGeneration: Promise<GenerationOptions> | null = null;
  readonly #pushes: HubPushes;
  /** The end of onInitEnd, whose callbacks may be asynchronous. */
  readonly #initialised: Promise<void>;

  /** @throws {ArgumentError} for arguments that are wrong or contradict each other */
  constructor(options: TrainerOptions) {
    checkOptions(options);
    this.model = options.model;
    this.#args = trainingArguments(options.args);
    checkFit(options, this.args);
    this.#pushes = new HubPushes(this.args);
    this.trainDataset = options.trainDataset;
    this.evalDataset = options.evalDataset;
    this.tokenizer = options.tokenizer;
    this.collate = options.collator
      ? checkedCollator(options.collator)
      : defaultCollator(options.tokenizer?.padTokenId ?? 0);
    this.computeMetrics = options.computeMetrics;
    const callbacks = options.callbacks ?? [];
    this.group = options.processGroup ?? singleProcess;
    this.gradientWire = options.gradientWire ?? "f32";
    this.zeroStage = options.zeroStage ?? 0;
    this.state = this.#freshState();
    this.callbacks = new CallbackHandler([
      defaultFlow,
      ...callbacks,
      ...(this.group.rank === 0 ? reportersOf(this.args, callbacks) : []),
    ]);
    this.#initialised = this.notify("onInitEnd");
    this.#initialised.catch(() => undefined); // thrown by the first call that awaits it
  }

  /**
   * Trains the model in place. Dropout and mixed precision are on in the run's own forward passes alone, so that the model can
   * be evaluated and write meanwhile, and is left as it was.
   * @throws {ArgumentError} without trainDataset, for a stream without maxSteps, or while another run trains the model
   * @throws {CheckpointError} when there is nothing to resume from, or a checkpoint cannot be written
   * @throws {CheckpointError} when another run writes to outputDir
   * @throws the reason of the signal that is raised; checkpoints written before stay
   */
  async train(options: TrainOptions = {}): Promise<TrainOutput> {
    return inTraining(this.model, async () => {
      await this.#initialised;
      return endingAll(this.group, () => this.#trainAlone(options));
    });
  }

  /**
   * Loss over `dataset`, evalDataset by default, and what computeMetrics makes of the predictions, as a log record and as
   * { eval_loss, eval_NAME..., eval_runtime, eval_samples_per_second, eval_steps_per_second, epoch }.
   * @throws {ArgumentError} without a dataset
   */
  async evaluate(
    dataset: TrainDataset | undefined = this.evalDataset,
    options: EvaluateOptions = {},
  ): Promise<Metrics> {
    const predicts = this.computeMetrics !== undefined && !this.args.predictionLossOnly;
    const predict = predicts ? this.#prediction : null;
    const { metrics } = await this.#evaluation("evaluate", dataset, "eval", predict, options);
    const logged = await this.log(metrics);
    await this.notify("onEvaluate", { metrics: logged });
    return logged;
  }

  /**
   * What the model predicts for every row, and its figures under names that begin with "test_". Nothing is logged.
   * @throws {ArgumentError} without a dataset
   */
  async predict(
    dataset: TrainDataset,
    options: EvaluateOptions = {},
  ): Promise<EvalPrediction & { readonly metrics: Metrics }> {
    const prediction = this.#prediction;
    const result = await this.#evaluation("predict", dataset, "test", prediction, options);
    await this.notify("onPredict", { metrics: result.metrics });
    return result;
  }

  /** The rows with those of similar length side by side, when training has them so; transformers does the same. */
  async #grouped(dataset: TrainDataset): Promise<Reordered | null> {
    const { trainSamplingStrategy, lengthColumnName, perDeviceEvalBatchSize, dataSeed, seed } =
      this.args;
    const rows = indexed(dataset);
    if (trainSamplingStrategy !== "group_by_length" || rows === null) return null;
    return groupedByLength(rows, lengthColumnName, perDeviceEvalBatchSize, dataSeed ?? seed);
  }

  /** Read once. */
  #generation(): Promise<GenerationOptions> {
    return (this.#readGeneration ??= evaluationGeneration(this.args));
  }

  /** A run that holds outputDir for itself where it writes; of several processes rank 0 does. */
  async #trainAlone(options: TrainOptions): Promise<TrainOutput> {
    const { outputDir, saveStrategy } = this.args;
    const reports = reporterNames(this.args).length > 0;
    const writes = this.group.rank === 0 && (saveStrategy !== "no" || reports);
    const unlock = writes && !options.isLocked ? await lockOutputFolder(outputDir) : null;
    try {
      // What would fail after hours fails now.
      if (this.args.pushToHub) await this.#openHub();
      const output = await this.#trainFitting(options);
      await this.#pushes.finish();
      return output;
    } finally {
      await unlock?.();
    }
  }

  /** With autoFindBatchSize, as often as it takes; of several processes each has its own memory, and none begins anew. */
  async #trainFitting(options: TrainOptions): Promise<TrainOutput> {
    const train = (): Promise<TrainOutput> => {
      this.state = this.#freshState();
      return trainLoop(this, options);
    };
    const { autoFindBatchSize, outputDir, perDeviceTrainBatchSize, resumeFromCheckpoint } =
      this.args;
    if (!autoFindBatchSize || this.group.size > 1) return train();
    const resume = options.resumeFromCheckpoint ?? resumeFromCheckpoint ?? undefined;
    const size = (await batchSizeToResume(outputDir, resume)) ?? perDeviceTrainBatchSize;
    return withFittingBatch(this.model, size, (perDevice) => {
      this.#args = Object.freeze({ ...this.args, perDeviceTrainBatchSize: perDevice });
      return train();
    });
  }

  get #prediction(): "generate" | "argmax" {
    return this.args.predictWithGenerate ? "generate" : "argmax";
  }

  async #evaluation(
    caller: string,
    dataset: TrainDataset | undefined,
    prefix: "eval" | "test",
    predict: "generate" | "argmax" | null,
    { signal }: EvaluateOptions,
  ): Promise<EvalPrediction & { readonly metrics: Metrics }> {
    const { model, args, collate, computeMetrics } = this;
    if (dataset === undefined) {
      throw new ArgumentError(
        `${caller}: needs a dataset, got none. Pass evalDataset to the Trainer.`,
      );
    }
    rowCount("evalDataset", dataset);
    await this.#initialised;
    const batchSize = args.perDeviceEvalBatchSize;
    const started = performance.now();
    const { group } = this;
    return endingAll(group, async () => {
      const grouped = await this.#grouped(dataset);
      const { loss, samples, ...made } = await evaluationLoop(model, grouped?.dataset ?? dataset, {
        ...{ batchSize, collate, predict, signal, group },
        autocast: autocastOf(model, args),
        labelSmoothing: args.labelSmoothingFactor,
        generation: await this.#generation(),
        onBatch: () => this.notify("onPredictionStep"),
      });
      const restore = grouped?.restore ?? (<T>(rows: readonly T[]) => rows);
      const predictions = restore(made.predictions);
      const labelIds = restore(made.labelIds);
      const isAsked = predict && computeMetrics && group.rank === 0;
      const own = isAsked ? await computeMetrics({ predictions, labelIds }) : {};
      const seconds = (performance.now() - started) / 1000;
      const [metrics] = await group.gather({
        [`${prefix}_loss`]: loss,
        ...withPrefix(prefix, own),
        ...speedMetrics(prefix, seconds, samples, batchCount(samples, batchSize * group.size)!),
      });
      return { predictions, labelIds, metrics: metrics! };
    });
  }

  #freshState(): TrainerState {
    const state = new TrainerState();
    state.isWorldProcessZero = state.isLocalProcessZero = this.group.rank === 0;
    return state;
  }

  /**
   * Writes the model or its adapter, the tokenizer's files where there is one, and training_args.json: they take the place
   * of older ones once all are on the disk, and other files of the folder stay. Of several processes rank 0 writes and the
   * others wait for it.
   * @param folder default outputDir. With the argument `pushToHub`, what goes there is pushed, too
   * @throws {CheckpointError} when they cannot be written, or would be loaded together with other weights that are there
   * @throws {HubError} when the Hub refuses or cannot be reached
   */
  async saveModel(folder: string = this.args.outputDir): Promise<void> {
    const { pushToHub, outputDir } = this.args;
    if (pushToHub && folder === outputDir) {
      await this.pushToHub({ commitMessage: "Model save" });
    } else if (this.group.rank === 0) await saveModelFiles(folder, this);
    await this.group.barrier();
  }

  /**
   * Writes `metrics` as SPLIT_results.json to outputDir, and adds them to all_results.json there.
   * @param split "train", "eval", "predict" or a name of your own
   * @param combined false leaves all_results.json alone
   * @throws {CheckpointError} for an all_results.json that is no JSON object
   */
  async saveMetrics(split: string, metrics: Readonly<Metrics>, combined = true): Promise<void> {
    const { outputDir } = this.args;
    if (this.state.isWorldProcessZero) await writeMetrics(outputDir, split, metrics, combined);
  }

  /** Writes trainer_state.json to outputDir. */
  async saveState(): Promise<void> {
    if (this.state.isWorldProcessZero) await writeState(this.args.outputDir, this.state);
  }

  /**
   * Writes README.md to outputDir (in Node): a model card with what the run tells and what `options` add, as transformers'
   * Trainer writes it. A README.md that is no card which was generated and left as it was stays, and a warning says so.
   * @returns the card's text
   * @throws {ArgumentError} for what the Hub refuses in a card
   */
  async createModelCard(options: ModelCardOptions = {}): Promise<string> {
    const text = await modelCard(this, options);
    if (this.state.isWorldProcessZero) await writeModelCard(this.args.outputDir, text);
    return text;
  }

  /**
   * Saves the model, writes its card, and pushes outputDir to the Hub as one commit: all but hidden files, names that begin
   * with "_" and checkpoints. The repository is made when it does not exist. Node only.
   * @param options of the card and of the push; commitMessage is "End of training" by default
   * @returns what was pushed; null in a process that is not the first of several
   * @throws {HubError} when the Hub refuses or cannot be reached; what has arrived is not sent again by the next push
   */
  async pushToHub(options: TrainerPushOptions = {}): Promise<PushResult | null> {
    await this.notify("onPushBegin");
    if (!this.state.isWorldProcessZero) return null;
    const { commitMessage = "End of training", token, revision, onProgress, signal } = options;
    const push = given({ token, revision, onProgress, signal });
    const usedAs = await this.#pushes.open(push);
    await this.#pushes.finish(); // which reads the files that are replaced now
    await saveModelFiles(this.args.outputDir, this);
    const modelName = options.modelName ?? usedAs.split("/").at(-1);
    await this.createModelCard({ usedAs, ...options, modelName });
    return this.#pushes.pushOutput(commitMessage, push);
  }

  async #openHub(): Promise<void> {
    if (!this.state.isWorldProcessZero) return;
    await checkOtherWeights(this.args.outputDir, this.model);
    await this.#pushes.open();
  }

  /** @internal Pushes a checkpoint that was saved, as hubStrategy says. */
  async pushCheckpoint(folder: string): Promise<void> {
    if (!this.args.pushToHub || !this.state.isWorldProcessZero) return;
    await this.#pushes.pushCheckpoint(folder, this.state, () => this.notify("onPushBegin"));
  }

  /** @internal Before checkpoints are deleted: one of them may be on its way to the Hub. */
  async finishPushes(): Promise<void> {
    await this.#pushes.finish();
  }

  /** As the run has them: autoFindBatchSize makes perDeviceTrainBatchSize smaller. */
  get args(): TrainingArguments {
    return this.#args;
  }

  /** @internal Adds a record to the log history and tells the callbacks. @returns the record without its step */
  async log(record: Metrics): Promise<Metrics> {
    const { epoch, globalStep, numInputTokensSeen } = this.state;
    const tokens = this.args.includeNumInputTokensSeen === "no" ? null : numInputTokensSeen;
    const logs = {
      ...record,
      ...(epoch === null ? {} : { epoch }),
      ...(tokens === null ? {} : { num_input_tokens_seen: tokens }),
    };
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

/** Without what is undefined. */
function given<T extends object>(options: T): T {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as T;
}

function withPrefix(prefix: string, metrics: Metrics): Metrics {
  const named = (key: string): string => (key.startsWith(`${prefix}_`) ? key : `${prefix}_${key}`);
  return Object.fromEntries(Object.entries(metrics).map(([key, value]) => [named(key), value]));
}

export type {
  ComputeMetrics,
  EvalPrediction,
  EvaluateOptions,
  ModelCardOptions,
  TrainerOptions,
  TrainerPushOptions,
  TrainerTokenizer,
  TrainOptions,
  TrainOutput,
};
