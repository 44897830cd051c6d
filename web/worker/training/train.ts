// A training run from the form to the trained model.

import { addLora, LoraConfig, rougeMetrics, summarize, Trainer } from "gradloom";
import type { Sample, TrainEvent, TrainRequest, TrainResult } from "../../protocol/training.ts";
import type { CallContext } from "../handler.ts";
import { reloadModel } from "../models.ts";
import { session, theModel, type LoadedData, type LoadedModel } from "../session.ts";
import { CHECKPOINTS, holdRun, removeRun, writeRecord } from "../storage/runs.ts";
import { argumentsOf, MOST_NEW_TOKENS } from "./arguments.ts";
import { forgetRun, keepRun } from "./lastRun.ts";
import { News } from "./news.ts";
import { progressCallback, RunControl, type SpeedPoint } from "./progress.ts";
import { prepareRows, type PreparedRows } from "./rows.ts";
import { restore } from "./storedRun.ts";

type Context = CallContext<"train">;

/** The run at hand; one at a time. */
let current: RunControl | null = null;

/** @throws {Error} while another run is at work, and what the library's Trainer throws */
export async function train(request: TrainRequest, context: Context): Promise<TrainResult> {
  if (current !== null) throw new Error("A run is at work. Stop it first.");
  const letGo = await holdRun();
  const control = new RunControl(context.signal);
  const news = new News(context.emit);
  current = control;
  try {
    return await run(request, { control, news, signal: context.signal });
  } finally {
    news.tell();
    current = null;
    letGo();
  }
}

interface Running {
  readonly control: RunControl;
  readonly news: News;
  readonly signal: AbortSignal;
}

async function run(request: TrainRequest, running: Running): Promise<TrainResult> {
  const { news, signal } = running;
  const emit = (event: TrainEvent): void => news.event(event);
  const stage = (text: string): void => emit({ type: "stage", text });
  forgetRun();
  if (request.resume) {
    stage("Loading the model and the rows of the run");
    await restore(signal, emit);
  } else await removeRun();
  if (theModel().isTrained) {
    stage("Loading the model anew");
    await reloadModel(signal);
  }
  const { loaded, data } = { loaded: theModel(), data: theData() };
  stage("Tokenising rows");
  const rows = await prepareRows(data, loaded.tokenizer, request);
  stage("Writing summaries before training");
  const before = await samplesBefore(loaded, rows, signal);
  emit({ type: "samples", samples: before });

  const trainable = prepareModel(loaded, request.settings);
  const speeds: SpeedPoint[] = [];
  const trainer = trainerFor(request, { ...running, loaded, rows, trainable, speeds });
  if (!request.resume) await storeRequest(request, loaded, data);
  stage("Training");
  const resumeFromCheckpoint = request.resume;
  const output = await trainer.train({ resumeFromCheckpoint });
  if (rows.evaluation.length > 0 && !signal.aborted && !isEvaluated(trainer)) {
    stage("Evaluating");
    await trainer.evaluate();
  }
  stage("Writing summaries after training");
  const texts = await write(loaded, before);
  const samples = before.map((sample, i) => ({ ...sample, after: texts[i]! }));
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

interface Parts extends Running {
  readonly loaded: LoadedModel;
  readonly rows: PreparedRows;
  readonly trainable: number;
  readonly speeds: SpeedPoint[];
}

function trainerFor(request: TrainRequest, parts: Parts): Trainer {
  const { loaded, rows, trainable, control, news, speeds } = parts;
  const { model, tokenizer } = loaded;
  const examples = rows.train.length;
  const hasEvaluation = rows.evaluation.length > 0;
  const settings = hasEvaluation ? request.settings : { ...request.settings, evalSteps: 0 };
  const args = argumentsOf(settings, CHECKPOINTS, hasEvaluation && !request.resume);
  return new Trainer({
    ...{ model, tokenizer, args, trainDataset: rows.train },
    ...(hasEvaluation ? { evalDataset: rows.evaluation } : {}),
    computeMetrics: rougeMetrics(tokenizer),
    callbacks: [
      {
        onTrainBegin: (_args, { globalStep: step, maxSteps }) =>
          news.event({ type: "begin", step, maxSteps, examples, trainable }),
      },
      progressCallback(control, news, speeds),
    ],
  });
}

/** @throws {Error} before rows were read */
function theData(): LoadedData {
  if (session.data === null) throw new Error("No rows are read yet. Choose them first.");
  return session.data;
}

function storeRequest(request: TrainRequest, loaded: LoadedModel, data: LoadedData): Promise<void> {
  const { choice, facts } = loaded;
  return writeRecord({
    ...{ request, modelName: facts.name, dataName: data.name },
    ...{ model: choice, data: data.choice },
  });
}

/** @returns weights that are trained */
function prepareModel(loaded: LoadedModel, settings: TrainRequest["settings"]): number {
  const { model } = loaded;
  loaded.isTrained = true;
  if (settings.method === "lora") {
    const { loraR: r, loraAlpha, loraDropout, seed } = settings;
    const config = new LoraConfig({ r, loraAlpha, loraDropout, taskType: "SEQ_2_SEQ_LM" });
    addLora(model, config, { seed });
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
  const texts = await write(loaded, samples, signal);
  return samples.map((sample, i) => ({ ...sample, before: texts[i]!, after: null }));
}

function write(
  { model, tokenizer }: LoadedModel,
  samples: readonly { readonly dialogue: string }[],
  signal?: AbortSignal,
): Promise<string[]> {
  const texts = samples.map(({ dialogue }) => dialogue);
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
