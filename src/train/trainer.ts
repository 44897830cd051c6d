// The training loop, in transformers' order of events (hf-semantics 3.4 to 3.7).

import { ArgumentError, CheckpointError } from "../tensor/errors.ts";
import { Generator } from "../tensor/philox.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { AdamW } from "./adamw.ts";
import {
  absoluteSteps,
  trainingArguments,
  warmupSteps,
  type TrainingArguments,
  type TrainingArgumentsInput,
} from "./arguments.ts";
import { deleteLeftovers } from "./atomicFolder.ts";
import {
  batchCount,
  batches,
  defaultCollator,
  groups,
  rowCount,
  type Collator,
  type TrainDataset,
} from "./batches.ts";
import {
  bestModelMetric,
  CallbackHandler,
  defaultFlow,
  isBetter,
  type CallbackEvent,
  type TrainerCallback,
} from "./callbacks.ts";
import { loadCheckpoint, loadWeights, saveCheckpoint, type CheckpointParts } from "./checkpoint.ts";
import type { Batch } from "./collate.ts";
import { epochOrder } from "./dataOrder.ts";
import { evaluateLoss } from "./evaluation.ts";
import { countWithoutEmbeddings, trainingFlos } from "./flos.ts";
import { RunningLoss } from "./log.ts";
import { checkpointName, listCheckpoints, rotateCheckpoints } from "./rotation.ts";
import { scheduleFactor } from "./schedule.ts";
import { speedMetrics, type Metrics } from "./speed.ts";
import { TrainerState, type LogRecord } from "./state.ts";
import type { TrainableModel } from "./trainableModel.ts";
import { update } from "./update.ts";

export interface TrainerOptions {
  readonly model: TrainableModel;
  readonly args?: TrainingArgumentsInput;
  /** Array, { length, get(i) } or async iterable of { inputIds, attentionMask?, labels }. */
  readonly trainDataset: TrainDataset;
  readonly evalDataset?: TrainDataset;
  /** Its files go into every checkpoint. */
  readonly tokenizer?: { savePretrained(folder: string): Promise<void> };
  readonly callbacks?: readonly TrainerCallback[];
  /** Examples to a batch; by default rows of one length are stacked and others padded. */
  readonly collator?: Collator;
  /** Aborting it rejects train() with the signal's reason, at the next batch. */
  readonly signal?: AbortSignal;
}

export interface TrainOutput {
  readonly globalStep: number;
  /** Mean loss over all updates. */
  readonly trainingLoss: number;
  /** train_runtime (s), train_samples_per_second, train_steps_per_second, total_flos, train_loss, epoch. */
  readonly metrics: Metrics;
}

/** How many updates a run has, and how they fall into epochs. */
interface Plan {
  /** Batches of an epoch; null for a stream. */
  readonly batchesPerEpoch: number | null;
  readonly updatesPerEpoch: number | null;
  readonly epochs: number;
  readonly maxSteps: number;
}

export class Trainer {
  readonly model: TrainableModel;
  readonly args: TrainingArguments;
  state = new TrainerState();
  readonly #trainDataset: TrainDataset;
  readonly #evalDataset: TrainDataset | undefined;
  readonly #tokenizer: TrainerOptions["tokenizer"];
  readonly #callbacks: CallbackHandler;
  readonly #collate: Collator;
  readonly #signal: AbortSignal | undefined;

  /** @throws {ArgumentError} for arguments out of range, or evaluations without an evalDataset */
  constructor(options: TrainerOptions) {
    this.model = options.model;
    this.args = trainingArguments(options.args);
    this.#trainDataset = options.trainDataset;
    this.#evalDataset = options.evalDataset;
    this.#tokenizer = options.tokenizer;
    this.#callbacks = new CallbackHandler([defaultFlow, ...(options.callbacks ?? [])]);
    this.#collate = options.collator ?? defaultCollator(0);
    this.#signal = options.signal;
    rowCount("trainDataset", this.#trainDataset);
    if (this.args.evalStrategy !== "no" && this.#evalDataset === undefined) {
      throw new ArgumentError(
        `trainer: evalStrategy "${this.args.evalStrategy}" needs an evalDataset, got none`,
      );
    }
  }

  /**
   * Trains. The model ends in train mode, as in transformers.
   * @param options resumeFromCheckpoint: true for the newest checkpoint of outputDir, or a folder
   * @throws {CheckpointError} when there is nothing to resume from, or it is damaged
   */
  async train(
    options: { readonly resumeFromCheckpoint?: boolean | string } = {},
  ): Promise<TrainOutput> {
    const { args, model } = this;
    const plan = this.#plan();
    this.#startState(plan);
    model.random = new Generator(args.seed);
    const optimizer = new AdamW(model.parameters(), {
      betas: [args.adamBeta1, args.adamBeta2],
      eps: args.adamEpsilon,
      weightDecay: args.weightDecay,
    });
    const runningLoss = new RunningLoss(model.device, args.loggingNanInfFilter);
    try {
      const parts = { model, args, state: this.state, callbacks: this.#callbacks, optimizer, runningLoss };
      await this.#resume(options.resumeFromCheckpoint, parts);
      return await this.#run(plan, parts);
    } finally {
      optimizer.dispose();
      runningLoss.dispose();
    }
  }

  /** Mean loss over evalDataset (or another one), logged and given to the callbacks. */
  async evaluate(dataset: TrainDataset | undefined = this.#evalDataset): Promise<Metrics> {
    if (dataset === undefined) {
      throw new ArgumentError("evaluate: needs an evalDataset, got none. Pass one to the Trainer.");
    }
    const { model, args } = this;
    const metrics = await evaluateLoss(model, dataset, args, this.#collate, this.#signal);
    await this.#log(metrics);
    await this.#event("onEvaluate", { metrics });
    return metrics;
  }

  /** Writes model, configuration and tokenizer. */
  async saveModel(folder: string): Promise<void> {
    await this.model.savePretrained(folder);
    await this.#tokenizer?.savePretrained(folder);
  }

  async #run(plan: Plan, parts: CheckpointParts): Promise<TrainOutput> {
    const { args, model, state } = this;
    const { control } = this.#callbacks;
    const begun = performance.now();
    const weights = countWithoutEmbeddings(model.parameters());
    const resumedAt = state.globalStep;
    await this.#event("onTrainBegin");
    if (args.evalOnStart) await this.#evaluateAndTrack();

    const perEpoch = plan.updatesPerEpoch;
    const firstEpoch = perEpoch === null ? 0 : Math.floor(resumedAt / perEpoch);
    for (let epoch = firstEpoch; epoch < plan.epochs; epoch++) {
      const doneUpdates = epoch === firstEpoch ? resumedAt - firstEpoch * (perEpoch ?? 0) : 0;
      let doneBatches = doneUpdates * args.gradientAccumulationSteps;
      await this.#event("onEpochBegin");
      model.train();
      for await (const group of groups(this.#epochBatches(epoch, doneBatches), args.gradientAccumulationSteps)) {
        await this.#event("onStepBegin");
        const learningRate = this.#learningRate(plan);
        const norm = await update(model, parts.optimizer, parts.runningLoss, group, args, {
          learningRate,
          step: state.globalStep,
          signal: this.#signal,
          onSubstepEnd: () => this.#event("onSubstepEnd"),
          onPreOptimizerStep: () => this.#event("onPreOptimizerStep"),
        });
        await this.#event("onOptimizerStep");

        doneBatches += group.length;
        state.globalStep++;
        state.epoch = epoch + doneBatches / (plan.batchesPerEpoch ?? plan.maxSteps);
        for (const batch of group) state.totalFlos += trainingFlos(batch.inputIds, weights);
        await this.#event("onStepEnd");
        await this.#logEvaluateSave(parts, norm, learningRate);
        norm?.dispose();
        if (control.shouldEpochStop || control.shouldTrainingStop) break;
      }
      await this.#event("onEpochEnd");
      await this.#logEvaluateSave(parts, null, this.#learningRate(plan));
      if (control.shouldTrainingStop) break;
    }

    if (args.loadBestModelAtEnd && state.bestModelCheckpoint !== null) {
      await loadWeights(state.bestModelCheckpoint, model);
    }
    const trainingLoss = await parts.runningLoss.mean(state.globalStep);
    const seconds = (performance.now() - begun) / 1000;
    const samples = this.#sampleCount(plan);
    const metrics: Metrics = {
      ...speedMetrics("train", seconds, samples, plan.maxSteps),
      total_flos: state.totalFlos,
      train_loss: trainingLoss,
    };
    await this.#log(metrics);
    await this.#event("onTrainEnd");
    return { globalStep: state.globalStep, trainingLoss, metrics: { ...metrics, epoch: state.epoch ?? 0 } };
  }

  #plan(): Plan {
    const { args } = this;
    const rows = rowCount("trainDataset", this.#trainDataset);
    const perEpoch = batchCount(rows, args.perDeviceTrainBatchSize, args.dataloaderDropLast);
    if (perEpoch === null || perEpoch === 0) {
      if (args.maxSteps <= 0) {
        throw new ArgumentError("trainer: a streamed dataset needs maxSteps, got none. Set it.");
      }
      return { batchesPerEpoch: null, updatesPerEpoch: null, epochs: Infinity, maxSteps: args.maxSteps };
    }
    const updates = Math.ceil(perEpoch / args.gradientAccumulationSteps);
    const maxSteps = args.maxSteps > 0 ? args.maxSteps : Math.ceil(args.numTrainEpochs * updates);
    const epochs = args.maxSteps > 0 ? Math.ceil(maxSteps / updates) : Math.ceil(args.numTrainEpochs);
    return { batchesPerEpoch: perEpoch, updatesPerEpoch: updates, epochs, maxSteps };
  }

  #startState({ epochs, maxSteps }: Plan): void {
    const { args } = this;
    this.state = new TrainerState();
    Object.assign(this.state, {
      epoch: 0,
      maxSteps,
      loggingSteps: absoluteSteps(args.loggingSteps, maxSteps),
      evalSteps: absoluteSteps(args.evalSteps ?? args.loggingSteps, maxSteps),
      saveSteps: absoluteSteps(args.saveSteps, maxSteps),
      trainBatchSize: args.perDeviceTrainBatchSize,
      numTrainEpochs: Number.isFinite(epochs) ? epochs : 1,
    });
  }

  async #resume(from: boolean | string | undefined, parts: CheckpointParts): Promise<void> {
    if (from === undefined || from === false) return;
    const { outputDir } = this.args;
    const folder = from === true ? (await listCheckpoints(outputDir)).at(-1)?.path : from;
    if (folder === undefined) {
      throw new CheckpointError(`resume: ${outputDir} must hold a checkpoint-N folder, got none`);
    }
    await loadCheckpoint(folder, parts);
  }

  /** Batches of an epoch from `skip` on, in PyTorch's order (hf-semantics 3.2). */
  #epochBatches(epoch: number, skip: number): AsyncGenerator<Batch, void, undefined> {
    const { args } = this;
    const rows = rowCount("trainDataset", this.#trainDataset);
    return batches(this.#trainDataset, {
      batchSize: args.perDeviceTrainBatchSize,
      collate: this.#collate,
      dropLast: args.dataloaderDropLast,
      skip,
      ...(rows === null ? {} : { order: epochOrder(rows, args.dataSeed ?? args.seed, epoch) }),
    });
  }

  /** Rate of the next update. */
  #learningRate({ maxSteps }: Plan): number {
    const { args, state } = this;
    const schedule = {
      type: args.lrSchedulerType,
      warmupSteps: warmupSteps(args, maxSteps),
      totalSteps: maxSteps,
    };
    return args.learningRate * scheduleFactor(schedule, state.globalStep);
  }

  /** What the flags ask for, in transformers' order: log, evaluate, best metric, save. */
  async #logEvaluateSave(parts: CheckpointParts, norm: Tensor | null, rate: number): Promise<void> {
    const { state } = this;
    const { control } = this.#callbacks;
    if (control.shouldLog && state.globalStep > parts.runningLoss.loggedStep) {
      const loss = await parts.runningLoss.take(state.globalStep);
      const gradNorm = norm ? { grad_norm: await norm.item() } : {};
      await this.#log({ loss, ...gradNorm, learning_rate: rate });
    }
    if (control.shouldEvaluate) {
      const improved = await this.#evaluateAndTrack();
      if (this.args.saveStrategy === "best") control.shouldSave = improved;
    }
    if (control.shouldSave) await this.#save(parts);
  }

  /** Evaluates, then takes over a better metric. The callbacks see the old best. */
  async #evaluateAndTrack(): Promise<boolean> {
    const { state, args } = this;
    const value = bestModelMetric(args, await this.evaluate());
    if (args.metricForBestModel === null || value === undefined) return false;
    if (state.bestMetric !== null && !isBetter(args, value, state.bestMetric)) return false;
    state.bestMetric = value;
    state.bestGlobalStep = state.globalStep;
    return true;
  }

  async #save(parts: CheckpointParts): Promise<void> {
    const { args, state } = this;
    const { join } = await import("node:path");
    await deleteLeftovers(args.outputDir);
    const folder = join(args.outputDir, checkpointName(state.globalStep));
    if (state.bestGlobalStep !== null) {
      const saved = await listCheckpoints(args.outputDir);
      const best = join(args.outputDir, checkpointName(state.bestGlobalStep));
      if (best === folder || saved.some(({ path }) => path === best)) state.bestModelCheckpoint = best;
    }
    const tokenizer = this.#tokenizer;
    await saveCheckpoint(folder, parts, tokenizer && ((to) => tokenizer.savePretrained(to)));
    if (args.saveTotalLimit !== null) {
      await rotateCheckpoints(args.outputDir, args.saveTotalLimit, state.bestModelCheckpoint);
    }
    await this.#event("onSave");
  }

  async #log(metrics: Metrics): Promise<void> {
    const { args, state } = this;
    const record: LogRecord = { ...metrics, epoch: state.epoch ?? 0, step: state.globalStep };
    state.logHistory.push(record);
    if (args.reportTo !== "none") {
      const { appendFile, mkdir } = await import("node:fs/promises");
      await mkdir(args.outputDir, { recursive: true });
      await appendFile(`${args.outputDir}/log.jsonl`, `${JSON.stringify(record)}\n`);
    }
    if (!args.disableTqdm) console.error(JSON.stringify(record));
    await this.#event("onLog", { logs: record });
  }

  #event(event: CallbackEvent, info: { logs?: Metrics; metrics?: Metrics } = {}): Promise<void> {
    return this.#callbacks.run(event, this.args, this.state, { model: this.model, ...info });
  }

  /** Rows that the speed is computed from: of the whole plan, not of what was read (hf-semantics 2.7). */
  #sampleCount({ maxSteps }: Plan): number {
    const { args } = this;
    const rows = rowCount("trainDataset", this.#trainDataset);
    return args.maxSteps > 0 || rows === null
      ? maxSteps * args.perDeviceTrainBatchSize * args.gradientAccumulationSteps
      : Math.round(rows * args.numTrainEpochs);
  }
}
