// The training loop, from top to bottom. Order of events, normalisation and stopping are transformers'
// (docs/guide/hugging-face-semantics.md 3.4 to 3.7).

import { ArgumentError, DatasetError } from "../tensor/errors.ts";
import { Generator } from "../tensor/philox.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { AdamW } from "../optim/adamw.ts";
import type { Gradients } from "../optim/gradients.ts";
import { batches, groups, rowCount } from "../data/batches.ts";
import { loadCheckpoint, loadWeights } from "./checkpoint/checkpoint.ts";
import { countWithoutEmbeddings, trainingFlos } from "./flos.ts";
import { LearningRates } from "./learningRates.ts";
import { RunningLoss } from "./runningLoss.ts";
import { lossGradients } from "./loss.ts";
import { endWhenInterrupted, logEvaluateSave, type LastStep } from "./stepEnd.ts";
import { nextTurn } from "../tensor/nextTurn.ts";
import { Pace } from "./pace.ts";
import { planRun } from "./plan.ts";
import { inMode } from "./mode.ts";
import { epochOrders } from "./epochOrders.ts";
import { InputTokens } from "./inputTokens.ts";
import { autocastOf, checkMasterWeights, LossScale } from "./precision.ts";
import { checkpointToResume, keepOnly } from "./checkpoint/rotation.ts";
import { speedMetrics, type Metrics } from "./speed.ts";
import type { TrainerInterface } from "./trainerInterface.ts";
import { WeightCheck } from "./weightCheck.ts";

/** How `Trainer.train` begins and ends. */
export interface TrainOptions {
  /** A checkpoint folder, or true for the newest one in outputDir. */
  readonly resumeFromCheckpoint?: string | boolean | undefined;
  /** Ends training between two batches; `train` then throws its reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Ends training once the update that is being made is done, with a checkpoint to resume from whatever saveStrategy says;
   * `train` then throws its reason. An evaluation that it cuts short is made by the run that resumes.
   */
  readonly interruptSignal?: AbortSignal | undefined;
  /** @internal The caller holds the lock of outputDir already. */
  readonly isLocked?: boolean | undefined;
}

/** What `Trainer.train` did. */
export interface TrainOutput {
  /** Updates done. */
  readonly globalStep: number;
  /** Mean loss over all updates. */
  readonly trainingLoss: number;
  /** Updates left out because gradients overflowed; with fp16 only. */
  readonly skippedSteps: number;
  /** train_runtime (s), train_samples_per_second, train_steps_per_second, total_flos, train_loss, epoch. */
  readonly metrics: Metrics;
}

export async function trainLoop(
  trainer: TrainerInterface,
  options: TrainOptions,
): Promise<TrainOutput> {
  const { model, args, state, callbacks, trainDataset } = trainer;
  const { control } = callbacks;
  const { signal } = options;
  const started = performance.now();

  // how much there is to do
  if (trainDataset === undefined) {
    throw new ArgumentError("train: needs trainDataset, got none. Pass it to the Trainer.");
  }
  const rows = rowCount("trainDataset", trainDataset);
  const plan = planRun(args, rows);
  const learningRates = new LearningRates(args, plan.maxSteps);
  const orderOf = await epochOrders(trainDataset, args);
  const countedWeights = countWithoutEmbeddings(model.parameters());
  checkMasterWeights(model, args);
  const mode = { training: true, autocast: autocastOf(model, args) };

  // what every step changes and a checkpoint holds
  if (args.gradientCheckpointing) model.gradientCheckpointingEnable?.();
  model.random = new Generator(args.seed);
  const optimizer = new AdamW(model.parameters(), {
    betas: [args.adamBeta1, args.adamBeta2],
    eps: args.adamEpsilon,
    weightDecay: args.weightDecay,
  });
  const runningLoss = new RunningLoss(model.device, args.loggingNanInfFilter);
  const lossScale = args.fp16 ? new LossScale() : null;
  const inputTokens = new InputTokens(args, trainer.tokenizer?.padTokenId);
  const learning = { optimizer, learningRates };
  const parts = { model, args, state, callbacks, ...learning, runningLoss, lossScale, inputTokens };
  const weightCheck = new WeightCheck(model);
  const last: LastStep = { learningRate: 0, gradientNorm: null, weightCheck, savedStep: 0 };
  const pace = new Pace(model.device);

  try {
    // where a checkpoint stopped: whole epochs are done, of the next one the first steps
    const checkpoint = await checkpointToResume(
      args.outputDir,
      options.resumeFromCheckpoint ?? args.resumeFromCheckpoint ?? undefined,
    );
    Object.assign(control, { shouldEvaluate: false, shouldSave: false, shouldLog: false });
    if (checkpoint !== null) await loadCheckpoint(checkpoint, parts);
    last.savedStep = state.globalStep;
    inputTokens.begin(state);
    const firstEpoch = rows === null ? 0 : Math.floor(state.globalStep / plan.stepsPerEpoch);
    const doneInEpoch = state.globalStep - firstEpoch * (rows === null ? 0 : plan.stepsPerEpoch);
    let stepsToSkip = args.ignoreDataSkip ? 0 : doneInEpoch;
    state.epoch ??= 0;
    state.maxSteps = plan.maxSteps;
    state.numTrainEpochs = plan.epochs;
    state.trainBatchSize = args.perDeviceTrainBatchSize;
    trainer.setIntervals(plan.maxSteps);

    await trainer.notify("onTrainBegin");
    const owesEvaluation = control.shouldEvaluate;
    if (owesEvaluation) await logEvaluateSave(trainer, parts, last, options);
    await endWhenInterrupted(trainer, parts, last, options);
    const isStopped = owesEvaluation && control.shouldTrainingStop;
    if (args.evalOnStart) {
      const ends = [signal, options.interruptSignal].filter((one) => one !== undefined);
      await trainer.evaluate(undefined, { signal: AbortSignal.any(ends) });
    }

    // What stops before the first update stops after it, as in transformers; a complete run gets no further update.
    const epochs = state.globalStep < plan.maxSteps && !isStopped ? plan.epochs : 0;
    for (let epoch = firstEpoch; epoch < epochs; epoch++) {
      await trainer.notify("onEpochBegin");
      let batchesSeen = rows === null ? 0 : stepsToSkip * args.gradientAccumulationSteps;
      const source = batches(trainDataset, {
        batchSize: args.perDeviceTrainBatchSize,
        collate: trainer.collate,
        dropLast: args.dataloaderDropLast,
        skip: batchesSeen,
        order: orderOf(epoch),
      });
      if (rows !== null) stepsToSkip = 0;

      let isEmpty = true;
      for await (const group of groups(source, args.gradientAccumulationSteps)) {
        isEmpty = false;
        batchesSeen += group.length;
        if (stepsToSkip > 0) {
          stepsToSkip--; // a stream can only be read past
          continue;
        }
        await endWhenInterrupted(trainer, parts, last, options);
        await trainer.notify("onStepBegin");

        // gradients of the mean over the batches that are really there
        const gradients = optimizer.zeroGrad();
        for (const [i, batch] of group.entries()) {
          signal?.throwIfAborted();
          const factors = {
            labelSmoothing: args.labelSmoothingFactor,
            share: 1 / group.length,
            scale: lossScale?.scale ?? 1,
          };
          inMode(model, mode, () => {
            lossGradients(model, batch, factors, gradients, (loss) =>
              runningLoss.add(loss, state.globalStep),
            );
          });
          inputTokens.count(batch, state);
          state.totalFlos += trainingFlos(batch.inputIds, countedWeights);
          if (i < group.length - 1) await trainer.notify("onSubstepEnd");
          await nextTurn();
        }

        // clip and update; the norm stays on the device until it is logged
        await trainer.notify("onPreOptimizerStep");
        const learningRate = learningRates.of(optimizer.steps);
        last.learningRate = learningRate;
        last.gradientNorm?.dispose();
        const norm = clip(gradients, args.maxGradNorm, lossScale);
        last.gradientNorm = norm;
        // With a loss scale the norm tells whether to leave the update out, schedule included.
        const overflowed = lossScale !== null && !Number.isFinite(await norm?.item());
        if (!overflowed) optimizer.step(gradients, learningRate);
        lossScale?.update(overflowed);
        gradients.dispose();
        await trainer.notify("onOptimizerStep");
        await pace.updateRecorded();

        // what the step leads to
        state.globalStep++;
        state.epoch = epoch + batchesSeen / plan.batchesPerEpoch;
        await trainer.notify("onStepEnd");
        await logEvaluateSave(trainer, parts, last, options);
        if (control.shouldEpochStop || control.shouldTrainingStop) break;
      }
      if (isEmpty && rows === null) {
        throw new DatasetError("trainDataset: every pass must give at least one example, got none");
      }
      await trainer.notify("onEpochEnd");
      await logEvaluateSave(trainer, parts, last, options);
      // A run that has done all its updates ends as if nothing had come between.
      if (control.shouldTrainingStop && !control.shouldEvaluate) break;
      await endWhenInterrupted(trainer, parts, last, options);
    }

    lossScale?.end();

    // the best model, and the figures of the run
    const best = state.bestModelCheckpoint;
    if (args.loadBestModelAtEnd && best !== null) await loadWeights(best, model);
    const trainingLoss = await runningLoss.mean(state.globalStep);
    const seconds = (performance.now() - started) / 1000;
    const norm = await last.gradientNorm?.item();
    const metrics = await trainer.log({
      ...speedMetrics("train", seconds, plan.samples, plan.maxSteps),
      total_flos: state.totalFlos,
      train_loss: trainingLoss,
      ...lossScale?.figures,
      ...(await weightCheck.record(state.globalStep, trainingLoss, norm)),
    });
    if (args.saveTotalLimit === 1 && best !== null) await keepOnly(args.outputDir, best);
    await trainer.notify("onTrainEnd");
    return {
      globalStep: state.globalStep,
      trainingLoss,
      skippedSteps: lossScale?.skippedSteps ?? 0,
      metrics,
    };
  } finally {
    optimizer.dispose();
    runningLoss.dispose();
    last.gradientNorm?.dispose();
  }
}

/**
 * Clips, and takes back the loss scale in the same factor, which costs no pass over the gradients and rounds nothing:
 * it is a power of two.
 * @returns the norm; null when neither is wanted
 */
function clip(
  gradients: Gradients,
  maxGradNorm: number,
  lossScale: LossScale | null,
): Tensor | null {
  if (gradients.size === 0 || (maxGradNorm === 0 && lossScale === null)) return null;
  const limit = maxGradNorm > 0 ? maxGradNorm : Infinity;
  return gradients.clip(limit, 1 / (lossScale?.scale ?? 1)).norm;
}
