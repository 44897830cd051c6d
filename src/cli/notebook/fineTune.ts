// Section 2.2 of the notebook: the Trainer's cell with its log and its output.

import { join } from "node:path";
import type { T5ForConditionalGeneration } from "../../t5/model.ts";
import type { Tokenizer } from "../../model/tokenizer.ts";
import type { TokenizedSplits } from "../../data/preprocess.ts";
import { Trainer } from "../../train/trainer.ts";
import { endingGently } from "../terminal/interruption.ts";
import type { Output } from "../terminal/output.ts";
import { startProgress } from "../terminal/progress.ts";
import { INTERRUPTED, runNotes } from "../train/runNotes.ts";
import type { FineTuning } from "./result.ts";
import type { NotebookSettings } from "./settings.ts";

/** Trains in place and writes checkpoint-N to settings.output. */
export async function fineTune(
  model: T5ForConditionalGeneration,
  tokenizer: Tokenizer,
  splits: TokenizedSplits,
  settings: NotebookSettings,
  output: Output,
  signal: AbortSignal,
): Promise<FineTuning> {
  const progress = startProgress("fine-tune", settings.maxSteps);
  let detail = "";
  const args = {
    outputDir: settings.output,
    learningRate: settings.learningRate,
    warmupSteps: settings.warmupSteps,
    weightDecay: settings.weightDecay,
    maxSteps: settings.maxSteps,
    perDeviceTrainBatchSize: settings.batchSize,
    loggingSteps: settings.loggingSteps,
    seed: settings.seed,
    disableTqdm: true,
  };
  const { resumeFromCheckpoint } = settings;
  const notes = runNotes(output, { examples: splits.train?.length ?? 0, resumeFromCheckpoint });
  const trainer = new Trainer({
    model,
    args,
    trainDataset: splits.train ?? [],
    tokenizer,
    callbacks: [
      notes.callback,
      {
        onStepEnd: (_args, state) => progress.update(state.globalStep, detail),
        onLog(_args, _state, _control, { logs = {} }) {
          if (logs.loss !== undefined) detail = `loss ${logs.loss.toFixed(4)}`;
        },
      },
    ],
  });
  const { globalStep, trainingLoss, metrics } = await endingGently(INTERRUPTED, (interruptSignal) =>
    trainer.train({ resumeFromCheckpoint, signal, interruptSignal, isLocked: true }),
  )
    .finally(() => progress.stop())
    .catch((error: unknown) => {
      notes.sayHowToGoOn();
      throw error;
    });
  const { logHistory } = trainer.state;
  output.table(
    ["Step", "Training Loss"],
    logHistory.flatMap((record) =>
      record.loss === undefined ? [] : [[String(record.step), record.loss.toFixed(6)]],
    ),
  );
  const printed = Object.entries(metrics).map(([key, value]) => `'${key}': ${value}`);
  output.print(
    `TrainOutput(global_step=${globalStep}, training_loss=${trainingLoss}, metrics={${printed.join(", ")}})`,
  );
  return {
    device: `${model.device.kind}, ${model.device.threads} threads`,
    arguments: args,
    globalStep,
    trainingLoss,
    metrics,
    logHistory,
    checkpoint: join(settings.output, `checkpoint-${globalStep}`),
  };
}
