// The training loop, from top to bottom. Order of events, normalisation and stopping are transformers'
// (docs/guide/hugging-face-semantics.md 3.4 to 3.7).

import { ArgumentError, DatasetError } from "../tensor/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { rankGenerator } from "../distributed/rankGenerator.ts";
import { checkSameWeights, STEPS_BETWEEN_CHECKS } from "../distributed/weightCheck.ts";
import { groups, rowCount } from "../data/batches.ts";
import { Agreement, type Interruptions } from "./agreement.ts";
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
import { autocastOf, checkMasterWeights, checkTrainable, LossScale } from "./precision.ts";
import { checkpointToResume, keepOnly } from "./checkpoint/rotation.ts";
import { trainingBatches } from "./rankData.ts";
import { speedMetrics, type Metrics } from "./speed.ts";
import type { TrainerInterface } from "./trainerInterface.ts";
import { Updates } from "./updates.ts";
import { WeightCheck } from "./weightCheck.ts";

/** How `Trainer.train` begins and ends. */
export interface TrainOptions extends Interruptions {
  /** A checkpoint folder, or true for the newest one in outputDir. */
  readonly resumeFromCheckpoint?: string | boolean | undefined;
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
  const { model, args, state, callbacks, trainDataset, group } = trainer;
  const { control } = callbacks;
  const { signal } = options;
  const started = performance.now();

  // how much there is to do
  if (trainDataset === undefined) {
    throw new ArgumentError("train: needs trainDataset, got none. Pass it to the Trainer.");
  }
  const rows = rowCount("trainDataset", trainDataset);
  const plan = planRun(args, rows, group.size);
  const learningRates = new LearningRates(args, plan.maxSteps);
  const orderOf = await epochOrders(trainDataset, args);
  const countedWeights = countWithoutEmbeddings(model.parameters());
  checkTrainable(model);
  checkMasterWeights(model, args);
  const { neftuneNoiseAlpha } = args;
  const mode = { training: true, autocast: autocastOf(model, args), neftuneNoiseAlpha };

  // what every step changes and a checkpoint holds
  if (args.gradientCheckpointing) model.gradientCheckpointingEnable?.();
  model.random = rankGenerator(args.seed, group.rank);
  const updates = new Updates(trainer);
  const { optimizer } = updates;
  const runningLoss = new RunningLoss(model.device, args.loggingNanInfFilter, group);
  const agreement = new Agreement(group, options);
  const lossScale = args.fp16 ? new LossScale() : null;
  const inputTokens = new InputTokens(args, trainer.tokenizer?.padTokenId);
  const learning = { optimizer, learningRates };
  const parts = { model, args, state, callbacks, ...learning, runningLoss, lossScale, inputTokens };
  const weightCheck = new WeightCheck(model);
  const last: LastStep = { learningRate: 0, gradientNorm: null, weightCheck, savedStep: 0 };
  const pace = new Pace(model.device);

  try {
    // where a checkpoint stopped: whole epochs are done, of the next one the first steps
    // Rank 0 says which it is; its files are there for all.
    const resumeFromCheckpoint =
      options.resumeFromCheckpoint ?? args.resumeFromCheckpoint ?? undefined;
    const newest =
      group.rank === 0 && (await checkpointToResume(args.outputDir, resumeFromCheckpoint));
    const [checkpoint] = await group.gather(newest || null);
    Object.assign(control, { shouldEvaluate: false, shouldSave: false, shouldLog: false });
    if (checkpoint) await loadCheckpoint(checkpoint, parts, group.rank);
    await checkSameWeights(group, model.parameters(), state.globalStep);
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
    await endWhenInterrupted(trainer, parts, last, agreement);
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
      const place = { order: orderOf(epoch), skip: batchesSeen };
      const source = trainingBatches(trainDataset, args, group, trainer.collate, place);
      if (rows !== null) stepsToSkip = 0;

      let isEmpty = true;
      for await (const own of groups(source, args.gradientAccumulationSteps)) {
        isEmpty = false;
        batchesSeen += own.length;
        if (stepsToSkip > 0) {
          stepsToSkip--; // a stream can only be read past
          continue;
        }
        await endWhenInterrupted(trainer, parts, last, agreement);
        await trainer.notify("onStepBegin");

        // gradients of the mean over the batches that are really there, on all ranks
        const gradients = updates.zeroGrad();
        for (const [i, batch] of own.entries()) {
          if (group.size === 1) signal?.throwIfAborted(); // several stop together, after the update
          const factors = {
            labelSmoothing: args.labelSmoothingFactor,
            pack: args.packBatches,
            share: 1 / (own.length * group.size),
            scale: lossScale?.scale ?? 1,
          };
          const isLast = i === own.length - 1;
          const watch = isLast ? updates.watch(gradients) : null;
          const add = (loss: Tensor): void => runningLoss.add(loss, state.globalStep);
          inMode(model, mode, () => {
            lossGradients(model, batch, factors, gradients, add, watch);
          });
          agreement.pendingTokens += inputTokens.countOf(batch);
          agreement.pendingFlos += trainingFlos(batch.inputIds, countedWeights);
          if (!isLast) await trainer.notify("onSubstepEnd");
          await nextTurn();
        }
        await updates.finish(gradients);

        // clip and update; the norm stays on the device until it is logged
        await trainer.notify("onPreOptimizerStep");
        const learningRate = optimizer.relativeRate?.() ?? learningRates.of(optimizer.steps);
        last.learningRate = learningRate;
        last.gradientNorm?.dispose();
        const norm = await updates.clip(gradients, lossScale);
        last.gradientNorm = norm;
        // With a loss scale the norm tells whether to leave the update out, schedule included.
        const overflowed = lossScale !== null && !Number.isFinite(await norm?.item());
        if (!overflowed) await updates.step(gradients, learningRate);
        lossScale?.update(overflowed);
        gradients.dispose();
        await trainer.notify("onOptimizerStep");
        await pace.updateRecorded();

        // what the step leads to
        state.globalStep++;
        state.epoch = epoch + batchesSeen / plan.batchesPerEpoch;
        await trainer.notify("onStepEnd");
        await agreement.reach(control, state);
        if (state.globalStep % STEPS_BETWEEN_CHECKS === 0 || control.shouldSave) {
          await checkSameWeights(group, model.parameters(), state.globalStep);
        }
        await logEvaluateSave(trainer, parts, last, options);
        await agreement.reach(control, state);
        if (control.shouldEpochStop || control.shouldTrainingStop) break;
      }
      if (isEmpty && rows === null) {
        throw new DatasetError("trainDataset: every pass must give at least one example, got none");
      }
      await trainer.notify("onEpochEnd");
      await agreement.reach(control, state);
      await logEvaluateSave(trainer, parts, last, options);
      await agreement.reach(control, state);
      // A run that has done all its updates ends as if nothing had come between.
      if (control.shouldTrainingStop && !control.shouldEvaluate) break;
      await endWhenInterrupted(trainer, parts, last, agreement);
    }

    lossScale?.end();

    // the best model, and the figures of the run
    const best = state.bestModelCheckpoint;
    if (args.loadBestModelAtEnd && best !== null) await loadWeights(best, model);
    const trainingLoss = await runningLoss.mean(state.globalStep);
    const seconds = (performance.now() - started) / 1000;
    const norm = await last.gradientNorm?.item();
    const [speed] = await group.gather(speedMetrics("train", seconds, plan.samples, plan.maxSteps));
    const metrics = await trainer.log({
      ...speed,
      total_flos: state.totalFlos,
      train_loss: trainingLoss,
      ...lossScale?.figures,
      ...(await weightCheck.record(state.globalStep, trainingLoss, norm)),
    });
    if (args.saveTotalLimit === 1 && best !== null && group.rank === 0) {
      await keepOnly(args.outputDir, best);
    }
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
