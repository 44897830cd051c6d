// What the end of a step may lead to: a log record, an evaluation, a checkpoint, in this order.

import { join } from "../tensor/files/paths.ts";
import { ArgumentError } from "../tensor/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { deleteLeftovers, isCheckpoint } from "./checkpoint/atomicFolder.ts";
import { bestModelMetric, isBetter } from "./callbacks.ts";
import { saveCheckpoint, type CheckpointParts } from "./checkpoint/checkpoint.ts";
import { checkpointName, rotateCheckpoints } from "./checkpoint/rotation.ts";
import type { Agreement, Interruptions } from "./agreement.ts";
import type { RunningLoss } from "./runningLoss.ts";
import type { Metrics } from "./speed.ts";
import type { TrainerInterface } from "./trainerInterface.ts";
import type { WeightCheck } from "./weightCheck.ts";

/** What the log says about the last update, and which was saved last. */
export interface LastStep {
  learningRate: number;
  /** [1], before clipping and without the loss scale; null without clipping. */
  gradientNorm: Tensor | null;
  readonly weightCheck: WeightCheck;
  /** Update whose checkpoint holds all there is to know of it. */
  savedStep: number;
}

/** Does what the callbacks asked for. An evaluation that `interruptSignal` ended stays asked for. */
export async function logEvaluateSave(
  trainer: TrainerInterface,
  parts: CheckpointParts & { readonly runningLoss: RunningLoss },
  last: LastStep,
  { signal, interruptSignal }: Interruptions,
): Promise<void> {
  const { args, state, callbacks } = trainer;
  const { control } = callbacks;
  if (control.shouldLog && state.globalStep > parts.runningLoss.loggedStep) {
    const norm = await last.gradientNorm?.item();
    const loss = await parts.runningLoss.take(state.globalStep);
    await trainer.log({
      loss,
      ...(norm === undefined ? {} : { grad_norm: norm }),
      learning_rate: last.learningRate,
      ...parts.inputTokens.figures(state),
      ...parts.lossScale?.figures,
      ...(await last.weightCheck.record(state.globalStep, loss, norm)),
    });
  }
  if (control.shouldEvaluate) {
    const ends = [signal, interruptSignal].filter((one) => one !== undefined);
    const evaluation = trainer.evaluate(undefined, { signal: AbortSignal.any(ends) });
    const metrics = await evaluation.catch((error: unknown) => {
      if (!interruptSignal?.aborted || error !== interruptSignal.reason) throw error;
      last.savedStep = -1; // a checkpoint of this update does not know yet that it waits for an evaluation
      return null;
    });
    if (metrics === null) return;
    parts.learningRates.observe(metrics);
    const isBest = updateBestMetric(trainer, metrics);
    if (args.saveStrategy === "best") control.shouldSave = isBest;
  }
  if (control.shouldSave) await save(trainer, parts, last, args.saveOnlyModel);
}

/**
 * Ends training between two updates when the caller wants it: with a checkpoint to resume from, unless there is one.
 * @throws the signal's reason, on all ranks
 */
export async function endWhenInterrupted(
  trainer: TrainerInterface,
  parts: CheckpointParts & { readonly runningLoss: RunningLoss },
  last: LastStep,
  agreement: Agreement,
): Promise<void> {
  if (!agreement.isInterrupted()) return;
  const { globalStep } = trainer.state;
  if (globalStep > 0 && (last.savedStep !== globalStep || trainer.args.saveOnlyModel)) {
    await save(trainer, parts, last, false);
  }
  agreement.throwInterruption();
}

async function save(
  trainer: TrainerInterface,
  parts: CheckpointParts & { readonly runningLoss: RunningLoss },
  last: LastStep,
  saveOnlyModel: boolean,
): Promise<void> {
  const path = await writeCheckpoint(trainer, parts, saveOnlyModel);
  last.savedStep = trainer.state.globalStep;
  await trainer.notify("onSave");
  if (trainer.group.rank === 0) await trainer.pushCheckpoint(path);
}

/** @returns whether this evaluation is the best so far */
function updateBestMetric({ args, state }: TrainerInterface, metrics: Metrics): boolean {
  if (args.metricForBestModel === null) return false;
  const value = bestModelMetric(args, metrics);
  if (value === undefined) {
    throw new ArgumentError(
      `metricForBestModel: must be one of ${Object.keys(metrics).join(", ")}, got "${args.metricForBestModel}"`,
    );
  }
  const worst = args.greaterIsBetter ? -Infinity : Infinity;
  if (!isBetter(args, value, state.bestMetric ?? worst)) return false;
  state.bestMetric = value;
  state.bestGlobalStep = state.globalStep;
  return true;
}

/** @returns the checkpoint's folder */
async function writeCheckpoint(
  trainer: TrainerInterface,
  parts: CheckpointParts & { readonly runningLoss: RunningLoss },
  saveOnlyModel: boolean,
): Promise<string> {
  const { args, state, tokenizer, group } = trainer;
  const pathOf = (step: number): string => join(args.outputDir, checkpointName(step));
  // All ranks take part in the sums; the files are rank 0's, for which the others wait.
  const loss = await parts.runningLoss.state();
  const runningLoss = { state: () => Promise.resolve(loss), restore: () => undefined };
  if (group.rank > 0) {
    await parts.optimizer.shareState?.();
    [state.bestModelCheckpoint] = (await group.gather(state.bestModelCheckpoint)) as [
      string | null,
    ];
    return pathOf(state.globalStep);
  }
  const { bestGlobalStep } = state;
  if (bestGlobalStep !== null) {
    const isThis = bestGlobalStep === state.globalStep;
    if (isThis || (await isCheckpoint(pathOf(bestGlobalStep)))) {
      state.bestModelCheckpoint = pathOf(bestGlobalStep);
    }
  }
  const writeTokenizer = tokenizer?.savePretrained?.bind(tokenizer);
  await saveCheckpoint(
    pathOf(state.globalStep),
    { ...parts, runningLoss },
    writeTokenizer,
    saveOnlyModel,
  );
  await parts.optimizer.shareState?.();
  await deleteLeftovers(args.outputDir);
  if (args.saveTotalLimit !== null) {
    if (["checkpoint", "all_checkpoints"].includes(args.hubStrategy)) {
      await trainer.finishPushes();
    }
    await rotateCheckpoints(args.outputDir, args.saveTotalLimit, state.bestModelCheckpoint);
  }
  await group.gather(state.bestModelCheckpoint);
  return pathOf(state.globalStep);
}
