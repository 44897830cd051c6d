// A training run from the form to the trained model.

import { addLora, LoraConfig, rougeMetrics, summarize, Trainer } from "gradloom";
import type { Sample, StoredRun, TrainRequest, TrainResult } from "../../protocol/training.ts";
import type { CallContext } from "../handler.ts";
import { reloadModel } from "../models.ts";
import { session, theModel, type LoadedModel } from "../session.ts";
import { argumentsOf, MOST_NEW_TOKENS } from "./arguments.ts";
import { forgetRun, keepRun } from "./lastRun.ts";
import { progressCallback, RunControl, type SpeedPoint } from "./progress.ts";
import { prepareRows, type PreparedRows } from "./rows.ts";

type Context = CallContext<"train">;

/** The run at hand; one at a time. */
let current: RunControl | null = null;

/** @throws {Error} while another run is at work, and what the library's Trainer throws */
export async function train(request: TrainRequest, context: Context): Promise<TrainResult> {
  if (current !== null) throw new Error("A run is at work. Stop it first.");
  const control = new RunControl(context.signal);
  current = control;
  try {
    return await run(request, control, context);
  } finally {
    current = null;
  }
}

async function run(
  request: TrainRequest,
  control: RunControl,
  context: Context,
): Promise<TrainResult> {
  const { emit, signal } = context;
  const { settings } = request;
  const { data } = session;
  if (data === null) throw new Error("No rows are read yet. Choose them first.");
  forgetRun();
  if (theModel().isTrained) {
    emit({ type: "stage", text: "Loading the model anew" });
    await reloadModel({ signal, emit: () => undefined });
  }
  const loaded = theModel();
  emit({ type: "stage", text: "Tokenising rows" });
  const rows = await prepareRows(data, loaded.tokenizer, request);
  emit({ type: "stage", text: "Writing summaries before training" });
  let samples = await samplesBefore(loaded, rows, signal);
  emit({ type: "samples", samples });

  const trainable = prepareModel(loaded, settings);
  const speeds: SpeedPoint[] = [];
  const hasEvaluation = rows.evaluation.length > 0;
  const args = argumentsOf(
    hasEvaluation ? settings : { ...settings, evalSteps: 0 },
    null,
    request.resume,
  );
  const trainer = new Trainer({
    model: loaded.model,
    args: { ...args, evalOnStart: args.evalOnStart === true && hasEvaluation },
    trainDataset: rows.train,
    ...(hasEvaluation ? { evalDataset: rows.evaluation } : {}),
    tokenizer: loaded.tokenizer,
    computeMetrics: rougeMetrics(loaded.tokenizer),
    callbacks: [
      {
        onTrainBegin: (_args, { globalStep, maxSteps }) =>
          emit({
            type: "begin",
            step: globalStep,
            maxSteps,
            examples: rows.train.length,
            trainable,
          }),
      },
      progressCallback(control, emit, speeds),
    ],
  });
  emit({ type: "stage", text: "Training" });
  const output = await trainer.train();
  if (hasEvaluation && !signal.aborted && !isEvaluated(trainer)) {
    emit({ type: "stage", text: "Evaluating" });
    await trainer.evaluate();
  }
  emit({ type: "stage", text: "Writing summaries after training" });
  const texts = await write(
    loaded,
    samples.map(({ dialogue }) => dialogue),
  );
  samples = samples.map((sample, i) => ({ ...sample, after: texts[i]! }));
  emit({ type: "samples", samples });
  const result: TrainResult = {
    step: output.globalStep,
    maxSteps: trainer.state.maxSteps,
    wasStopped: signal.aborted,
    trainingLoss: output.trainingLoss,
    seconds: Number(output.metrics["train_runtime"] ?? 0),
  };
  keepRun({
    ...{ trainer, request, result, samples, speeds, trainable },
    log: trainer.state.logHistory,
    dataName: data.name,
    trainRows: rows.train.length,
  });
  return result;
}

/** @returns weights that are trained */
function prepareModel(loaded: LoadedModel, settings: TrainRequest["settings"]): number {
  const { model } = loaded;
  loaded.isTrained = true;
  if (settings.method === "lora") {
    const { loraR: r, loraAlpha, loraDropout, seed } = settings;
    addLora(model, new LoraConfig({ r, loraAlpha, loraDropout, taskType: "SEQ_2_SEQ_LM" }), {
      seed,
    });
  }
  const trained = [...model.parameters().values()].filter(({ requiresGrad }) => requiresGrad);
  return trained.reduce((sum, { size }) => sum + size, 0);
}

function isEvaluated({ state }: Trainer): boolean {
  return state.logHistory.some((line) => "eval_loss" in line && line.step === state.globalStep);
}

async function samplesBefore(
  loaded: LoadedModel,
  { samples }: PreparedRows,
  signal: AbortSignal,
): Promise<Sample[]> {
  const texts = await write(
    loaded,
    samples.map(({ dialogue }) => dialogue),
    signal,
  );
  return samples.map((sample, i) => ({ ...sample, before: texts[i]!, after: null }));
}

function write(
  { model, tokenizer }: LoadedModel,
  texts: readonly string[],
  signal?: AbortSignal,
): Promise<string[]> {
  const options = { maxNewTokens: MOST_NEW_TOKENS, numBeams: 1, doSample: false };
  return summarize(model, tokenizer, texts, { ...options, ...(signal ? { signal } : {}) });
}

export async function pauseTraining({ isPaused }: { readonly isPaused: boolean }): Promise<null> {
  current?.setPaused(isPaused);
  return null;
}

export async function saveSoon(): Promise<null> {
  if (current !== null) current.isSaveWanted = true;
  return null;
}

export async function findRun(): Promise<StoredRun | null> {
  return null;
}

export async function discardRun(): Promise<null> {
  return null;
}
