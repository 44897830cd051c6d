// gradloom train as one script, read from top to bottom.

import { join } from "node:path";
import { rouge } from "../../eval/rouge.ts";
import type { ProcessGroup } from "../../distributed/processGroup.ts";
import { renderTrainingReport } from "../report/trainingPage.ts";
import { openCommandDevice } from "../commandDevice.ts";
import { addLora } from "../../t5/lora/adapter.ts";
import { T5ForConditionalGeneration } from "../../t5/model.ts";
import { checkVocabulary, Tokenizer } from "../../model/tokenizer.ts";
import { ArgumentError, DatasetError } from "../../tensor/errors.ts";
import type { TrainingArguments } from "../../train/arguments/arguments.ts";
import { EarlyStoppingCallback, type TrainerCallback } from "../../train/callbacks.ts";
import type { Example } from "../../data/collate.ts";
import type { TrainDataset } from "../../data/batches.ts";
import { SPLITS, type Row, type Split } from "../../data/dataset.ts";
import { modeNote, preprocess } from "../../data/preprocess.ts";
import { targetText } from "../../data/prompt.ts";
import { evaluationGeneration, generationSettings } from "../../train/evaluationGeneration.ts";
import { rougeMetrics } from "../../train/rougeMetrics.ts";
import { shuffle, tokenizedStream } from "../../data/streams.ts";
import { preprocessCached } from "../../data/tokenCache.ts";
import { reporterNames } from "../../train/reporters.ts";
import { TensorBoardCallback } from "../../train/tensorboard/callback.ts";
import { checkTrainable } from "../../train/precision.ts";
import { Trainer } from "../../train/trainer.ts";
import { columnsOf, datasetName, fetchDataset, fetchStream } from "../datasetOptions.ts";
import { fetchModel, fetchTokenizer, MODEL_AND_CARD } from "../hub.ts";
import { parameterLines } from "../lora.ts";
import { endingGently } from "../terminal/interruption.ts";
import type { Output } from "../terminal/output.ts";
import { rankZeroFirst, shareOf } from "../processGroup.ts";
import { openOutputFolder, writeReport } from "../outputFolder.ts";
import { startProgress } from "../terminal/progress.ts";
import { summarizeRows } from "../summaries.ts";
import { trainingProgress } from "./progressBar.ts";
import { cardOptions, checkOutputModel, savePredictions, saveTrained } from "./outputModel.ts";
import { reportData } from "./reportData.ts";
import { INTERRUPTED, runNotes } from "./runNotes.ts";
import { sampleRecorder } from "./samples.ts";
import type { TrainResult } from "./result.ts";
import type { TrainSettings } from "./settings.ts";

/**
 * Trains, scores the model that training ended with, and writes report.html.
 * @returns what --json prints
 * @throws {GradloomError} for anything the caller can mend
 */
export async function runTraining(
  settings: TrainSettings,
  output: Output,
  signal: AbortSignal,
  group: ProcessGroup,
): Promise<TrainResult> {
  const started = performance.now();
  const given = settings.arguments;
  const generation = {
    ...(await generationSettings(given.generationConfig)),
    ...settings.generation,
  };
  const args: TrainingArguments = { ...given, generationConfig: generation, disableTqdm: true };
  checkMetric(args);

  // data and model
  const columns = columnsOf(settings);
  const rows = await rankZeroFirst(group, () => loadRows(settings, args, signal));
  const device = await openCommandDevice(settings.device, settings.threads);
  const { revision } = settings;
  const fetch = () => fetchModel(settings.model, { revision, signal }, MODEL_AND_CARD);
  const modelFolder = await rankZeroFirst(group, fetch);
  const tokenizerFolder = await rankZeroFirst(group, () =>
    fetchTokenizer(modelFolder, settings.tokenizerName, signal),
  );
  const tokenizer = await Tokenizer.fromPretrained(tokenizerFolder);
  const model = await T5ForConditionalGeneration.fromPretrained(modelFolder, {
    device,
    dtype: settings.dtype,
    ...(settings.dropout === undefined ? {} : { config: { dropout_rate: settings.dropout } }),
  });
  model.nameOrPath = settings.model; // for others than this machine
  if (modelFolder !== settings.model) model.revision = revision ?? null;
  checkVocabulary(tokenizer, model.config);
  await openFolder(group, args.outputDir);
  if (settings.lora) addLora(model, settings.lora, { seed: args.seed });
  checkTrainable(model);
  await checkOutputModel(args.outputDir, modelFolder, {
    ...{ model, hasNewAdapter: settings.lora !== null },
  });
  const parameters = model.numParameters();
  const trainableParameters = model.numParameters({ trainableOnly: true });
  for (const line of parameterLines(trainableParameters, parameters)) output.print(line);
  const tokenized = await rankZeroFirst(group, () => tokenize(rows, tokenizer, settings, signal));
  const summarize = async (which: readonly Row[], onProgress?: (done: number) => void) =>
    summarizeRows(model, tokenizer, which, {
      batchSize: args.perDeviceEvalBatchSize,
      columns,
      generation: {
        ...(await evaluationGeneration(args)),
        ...{ maxNewTokens: settings.maxNewTokens, seed: args.seed },
      },
      maxSourceLength: settings.maxSourceLength,
      ...{ signal, group },
      ...(onProgress ? { onProgress } : {}),
    });

  // training
  const isShown = !settings.arguments.disableTqdm && group.rank === 0;
  const progress = trainingProgress(isShown);
  const sampleRows = rows.validation.slice(0, settings.sampleRows);
  const hasBoard = group.rank === 0 && reporterNames(args).includes("tensorboard");
  const board = hasBoard ? new TensorBoardCallback() : null;
  const samples = sampleRecorder(
    () => summarize(sampleRows),
    async ({ step, texts }) => {
      for (const [i, text] of texts.entries()) {
        const reference = targetText(sampleRows[i]!, columns);
        await board?.addText(`samples/row_${i + 1}`, `${text}\n\nreference: ${reference}`, step);
      }
    },
  );
  const { resumeFromCheckpoint } = settings;
  const examples = settings.streaming ? null : tokenized.train.length;
  const notes = runNotes(output, { examples, resumeFromCheckpoint });
  const trainer = new Trainer({
    model,
    args,
    trainDataset: await trainingData(settings, args, tokenized.train, tokenizer, signal),
    ...(tokenized.validation.length > 0 ? { evalDataset: tokenized.validation } : {}),
    ...(args.predictWithGenerate ? { computeMetrics: rougeMetrics(tokenizer) } : {}),
    tokenizer,
    processGroup: group,
    ...{ gradientWire: settings.gradientWire, zeroStage: settings.zeroStage },
    callbacks: [
      notes.callback,
      progress.callback,
      logTable(output),
      ...(board === null ? [] : [board]),
      ...(sampleRows.length > 0 ? [samples.callback] : []),
      ...earlyStopping(settings),
    ],
  });
  const training = await endingGently(INTERRUPTED, (interruptSignal) =>
    trainer.train({ resumeFromCheckpoint, signal, interruptSignal, isLocked: true }),
  )
    .finally(() => progress.stop())
    .catch(async (error: unknown) => {
      notes.sayHowToGoOn();
      if (isInterruption(error)) await group.close(); // all ranks have agreed to end here
      throw error;
    });

  // The output folder is a model from here on, whatever happens to its scores.
  await saveTrained(trainer, training, { train: examples, validation: rows.validation.length });

  // ROUGE of the model that training ended with: the best one with --load-best-model-at-end
  const share = shareOf(rows.test, args.perDeviceEvalBatchSize, group).length;
  const scoring = startProgress("summaries of test rows", share, { quiet: group.rank > 0 });
  const scoringBegan = performance.now();
  const predictions = await summarize(rows.test, (done) => scoring.update(done));
  const scoringSeconds = (performance.now() - scoringBegan) / 1000;
  scoring.stop();
  const references = rows.test.map((row) => targetText(row, columns));
  const scores = rows.test.length > 0 ? rouge(predictions, references, { useStemmer: true }) : null;
  if (scores !== null) {
    output.table(Object.keys(scores), [Object.values(scores).map((value) => value.toFixed(6))]);
  }

  const scored = { predictions, scores, seconds: scoringSeconds };
  await savePredictions(trainer, scored);
  const card = await cardOptions(trainer, settings, modelFolder, scored);
  await trainer.createModelCard(card);

  // results
  const { bestMetric, bestGlobalStep, bestModelCheckpoint, logHistory } = trainer.state;
  const result: TrainResult = {
    model: settings.model,
    dataset: datasetName(settings),
    device: `${device.kind}, ${device.threads} threads`,
    ...{ parameters, trainableParameters },
    trainRows: examples,
    arguments: args,
    ...training,
    ...{ bestMetric, bestGlobalStep, bestModelCheckpoint, logHistory },
    rouge: scores,
    predictions,
    seconds: (performance.now() - started) / 1000,
    report: join(args.outputDir, "report.html"),
  };
  const page = reportData(result, {
    note: modeNote(settings.faithful),
    throughput: progress.throughput,
    ...{ columns, sampleRows, samples: samples.records },
  });
  if (group.rank === 0) await writeReport(args.outputDir, renderTrainingReport(page));
  if (bestModelCheckpoint !== null) output.print(`best model: ${bestModelCheckpoint}`);
  output.print(`model: ${args.outputDir}`);
  output.print(`report: ${result.report}`);
  if (args.pushToHub) {
    const pushed = await trainer.pushToHub({ ...card, signal });
    if (pushed !== null)
      output.print(`pushed: ${pushed.url} (commit ${pushed.commit.slice(0, 8)})`);
  }
  if (board !== null) output.print(`for TensorBoard: ${board.logDir}`);
  output.print(`done in ${result.seconds.toFixed(1)} s`);
  model.dispose();
  await device.close();
  return result;
}

/** Makes the folder where it is missing and holds it for this run: rank 0 does, which alone writes. Collective. */
function openFolder(group: ProcessGroup, folder: string): Promise<void> {
  return rankZeroFirst(group, () =>
    group.rank === 0 ? openOutputFolder(folder) : Promise.resolve(),
  );
}

function isInterruption(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

/** Said before training rather than after the first evaluation. */
function checkMetric({ metricForBestModel, predictWithGenerate }: TrainingArguments): void {
  const name = metricForBestModel?.replace(/^eval_/, "");
  if (name === undefined || name === "loss" || predictWithGenerate) return;
  throw new ArgumentError(
    `metricForBestModel: "${name}" needs generated summaries, got predictWithGenerate false. ` +
      "Add --predict-with-generate.",
  );
}

interface SplitRows {
  readonly train: readonly Row[];
  /** Empty when nothing is evaluated. */
  readonly validation: readonly Row[];
  /** Rows to score at the end. */
  readonly test: readonly Row[];
}

async function loadRows(
  settings: TrainSettings,
  args: TrainingArguments,
  signal: AbortSignal,
): Promise<SplitRows> {
  const isEvaluated = args.evalStrategy !== "no" || args.evalOnStart;
  const isUsed: Readonly<Record<Split, boolean>> = {
    train: !settings.streaming,
    validation: isEvaluated,
    test: settings.rougeRows > 0,
  };
  const { train, validation, test } = await fetchDataset(settings, signal, {
    splits: SPLITS.filter((split) => isUsed[split]),
    maxRows: {
      train: settings.maxTrainRows,
      validation: settings.maxEvalRows,
      test: settings.rougeRows,
    },
  });
  const hasTrain = settings.streaming || train !== undefined;
  if (!hasTrain || (isEvaluated && validation === undefined)) {
    const missing = hasTrain ? "validation" : "train";
    throw new DatasetError(
      `train: ${datasetName(settings)} must hold the split ${missing}, and does not`,
    );
  }
  return {
    train: train?.rows ?? [],
    validation: validation?.rows ?? [],
    test: test?.rows ?? [],
  };
}

async function tokenize(
  rows: SplitRows,
  tokenizer: Tokenizer,
  settings: TrainSettings,
  signal: AbortSignal,
): Promise<Record<"train" | "validation", Example[]>> {
  const { faithful } = settings;
  const tokenizeSplit = settings.cache ? preprocessCached : preprocess;
  const progress = startProgress("tokenise", rows.train.length + rows.validation.length);
  const encode = (split: readonly Row[], before: number): Promise<Example[]> =>
    tokenizeSplit({ rows: split }, tokenizer, {
      ...{ ...columnsOf(settings), faithful, ...lengthsOf(settings) },
      onProgress: (done) => {
        signal.throwIfAborted();
        progress.update(before + done);
      },
    });
  const train = await encode(rows.train, 0);
  const validation = await encode(rows.validation, rows.train.length);
  progress.stop();
  return { train, validation };
}

/** The tokenised rows; with --streaming a stream that tokenises rows as they come. */
async function trainingData(
  settings: TrainSettings,
  args: TrainingArguments,
  tokenized: readonly Example[],
  tokenizer: Tokenizer,
  signal: AbortSignal,
): Promise<TrainDataset> {
  if (!settings.streaming) return tokenized;
  const { faithful, shuffleBuffer: bufferSize } = settings;
  const rows = await fetchStream(settings, "train", signal);
  const shuffled = shuffle(rows, { bufferSize, seed: args.dataSeed ?? args.seed });
  return tokenizedStream(shuffled, tokenizer, {
    ...columnsOf(settings),
    faithful,
    ...lengthsOf(settings),
  });
}

/** Longest prompt and longest summary in training. */
function lengthsOf({ maxLength, maxSourceLength, maxTargetLength }: TrainSettings) {
  return { maxLength, maxSourceLength, maxTargetLength };
}

function earlyStopping(settings: TrainSettings): TrainerCallback[] {
  const { earlyStoppingPatience, earlyStoppingThreshold } = settings;
  if (earlyStoppingPatience === undefined) return [];
  return [new EarlyStoppingCallback({ earlyStoppingPatience, earlyStoppingThreshold })];
}

/** One line of the report for each log record. */
function logTable(output: Output): TrainerCallback {
  return {
    onLog(_args, state, _control, { logs = {} }) {
      const shown = Object.entries(logs).map(
        ([key, value]) => `${key} ${Number(value.toPrecision(5))}`,
      );
      output.print(`step ${state.globalStep}/${state.maxSteps}: ${shown.join(", ")}`);
    },
  };
}
