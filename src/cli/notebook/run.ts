// The notebook as one script, read from top to bottom. Section numbers are the notebook's.

import { join } from "node:path";
import { renderReport } from "../report/page.ts";
import { openCommandDevice } from "../commandDevice.ts";
import { checkVocabulary, Tokenizer } from "../../model/tokenizer.ts";
import { addLora } from "../../t5/lora/adapter.ts";
import { T5ForConditionalGeneration } from "../../t5/model.ts";
import { DatasetError } from "../../tensor/errors.ts";
import { formatDatasetDict, type DatasetDict } from "../../data/dataset.ts";
import { modeNote, preprocess, preprocessSplits, shapesCell } from "../../data/preprocess.ts";
import { sourceText, targetText } from "../../data/prompt.ts";
import { preprocessCached } from "../../data/tokenCache.ts";
import { columnsOf, fetchDataset } from "../datasetOptions.ts";
import { fetchModel } from "../hub.ts";
import { loadForGeneration, parameterLines } from "../lora.ts";
import type { Output } from "../terminal/output.ts";
import { openOutputFolder, writeReport } from "../outputFolder.ts";
import { startProgress } from "../terminal/progress.ts";
import { summarizeRows } from "../summaries.ts";
import { improvementLines, scoreSummaries } from "./scores.ts";
import type { NotebookResult } from "./result.ts";
import type { NotebookSettings } from "./settings.ts";
import { fineTune } from "./fineTune.ts";
import { reportData } from "./reportData.ts";

/** The notebook's lines of dashes, no wider than the terminal. */
const DASHES = "-".repeat(Math.min(99, process.stdout.columns ?? 99));

/**
 * Runs every section and writes report.html and the checkpoint to `settings.output`.
 * @returns what --json prints
 * @throws {GradloomError} for anything the caller can mend; nothing half-written is left
 */
export async function runNotebook(
  settings: NotebookSettings,
  output: Output,
  signal: AbortSignal,
): Promise<NotebookResult> {
  const started = performance.now();

  // 1.2 Dataset and model
  output.heading("1.2 Dataset and model");
  const columns = columnsOf(settings);
  const dataset = await fetchDataset(settings, signal);
  const testRows = neededSplits(dataset, settings.dataset);
  output.print(formatDatasetDict(dataset));
  const device = await openCommandDevice(settings.device, undefined);
  const modelFolder = await fetchModel(settings.model, { revision: settings.revision, signal });
  const tokenizer = await Tokenizer.fromPretrained(modelFolder);
  const model = await T5ForConditionalGeneration.fromPretrained(modelFolder, {
    device,
    ...(settings.dropout === undefined ? {} : { config: { dropout_rate: settings.dropout } }),
  });
  model.nameOrPath = settings.model; // for others than this machine
  if (modelFolder !== settings.model) model.revision = settings.revision ?? null;
  checkVocabulary(tokenizer, model.config);
  await openOutputFolder(settings.output);
  const countParameters = () => {
    const [trainable, all] = [model.numParameters({ trainableOnly: true }), model.numParameters()];
    for (const line of parameterLines(trainable, all)) output.print(line);
    return { trainable, all };
  };
  let parameters = countParameters();

  // 1.3 Zero-shot inference. The rows of 2.3 and 2.4 are summarised here too, while the model is still the
  // original: in the notebook its "original model" is the trained one in train mode (docs/guide/hugging-face-semantics.md 2.9).
  const exampleRow = testRows[Math.min(settings.example, testRows.length - 1)]!;
  const scoredRows = testRows.slice(0, settings.rougeRows);
  const summarize = async (which: T5ForConditionalGeneration, label: string) => {
    const progress = startProgress(label, scoredRows.length + 1);
    const options = {
      batchSize: settings.batchSize,
      columns,
      generation: { maxNewTokens: settings.maxNewTokens },
      signal,
    };
    const [example] = await summarizeRows(which, tokenizer, [exampleRow], options);
    progress.update(1);
    const summaries = await summarizeRows(which, tokenizer, scoredRows, {
      ...options,
      onProgress: (done) => progress.update(1 + done),
    });
    progress.stop();
    return { example: example!, summaries };
  };
  output.heading("1.3 Zero-shot inference");
  const original = await summarize(model, "summaries of the original model");
  printSections(output, {
    "INPUT PROMPT": sourceText(exampleRow, columns),
    "BASELINE HUMAN SUMMARY": targetText(exampleRow, columns),
    "MODEL GENERATION - ZERO SHOT": original.example,
  });

  // 2.1 Preprocess
  output.heading("2.1 Preprocess the dataset");
  const tokenizing = startProgress("tokenise", rowCount(dataset));
  const tokenized = await preprocessSplits(
    dataset,
    tokenizer,
    {
      ...columns,
      faithful: settings.faithful,
      onProgress: (done) => {
        signal.throwIfAborted();
        tokenizing.update(done);
      },
    },
    settings.cache ? preprocessCached : preprocess,
  );
  tokenizing.stop();
  output.print(shapesCell(tokenized));
  output.print(`\n${modeNote(settings.faithful)}`);

  // 2.2 Fine-tune, then load the checkpoint back as the notebook does
  output.heading("2.2 Fine-tune the model");
  if (settings.lora) {
    addLora(model, settings.lora, { seed: settings.seed });
    parameters = countParameters();
  }
  const training = await fineTune(model, tokenizer, tokenized, settings, output, signal);
  model.dispose();
  const instructModel = await loadForGeneration(training.checkpoint, { device });

  // 2.3 Qualitative comparison
  output.heading("2.3 Evaluate the model qualitatively");
  const instruct = await summarize(instructModel, "summaries of the fine-tuned model");
  printSections(output, {
    "BASELINE HUMAN SUMMARY": targetText(exampleRow, columns),
    "ORIGINAL MODEL": original.example,
    "INSTRUCT MODEL": instruct.example,
  });

  // 2.4 ROUGE
  output.heading("2.4 Evaluate the model quantitatively (with ROUGE)");
  const human = scoredRows.map((row) => targetText(row, columns));
  output.table(
    ["human_baseline_summaries", "original_model_summaries", "instruct_model_summaries"],
    human.map((text, i) => [text, original.summaries[i]!, instruct.summaries[i]!]),
    true,
  );
  const scores = {
    original: scoreSummaries(original.summaries, human),
    instruct: scoreSummaries(instruct.summaries, human),
  };
  const types = Object.keys(scores.original) as (keyof typeof scores.original)[];
  output.table(
    ["", "ORIGINAL MODEL", "INSTRUCT MODEL"],
    types.map((type) => [type, scores.original[type].toFixed(6), scores.instruct[type].toFixed(6)]),
  );
  output.print("Absolute percentage improvement of INSTRUCT MODEL over ORIGINAL MODEL");
  for (const line of improvementLines(scores.original, scores.instruct)) output.print(line);

  const result: NotebookResult = {
    settings,
    parameters: parameters.all,
    trainableParameters: parameters.trainable,
    example: {
      dialogue: sourceText(exampleRow, columns),
      human: targetText(exampleRow, columns),
      original: original.example,
      instruct: instruct.example,
    },
    training,
    rouge: scores,
    summaries: scoredRows.map((row, i) => ({
      dialogue: sourceText(row, columns),
      human: targetText(row, columns),
      original: original.summaries[i]!,
      instruct: instruct.summaries[i]!,
    })),
    seconds: (performance.now() - started) / 1000,
    report: join(settings.output, "report.html"),
  };
  const page = reportData(result, modeNote(settings.faithful));
  await writeReport(settings.output, renderReport(page));
  output.print(`\nreport: ${result.report}`);
  output.print(`checkpoint: ${training.checkpoint}`);
  output.print(`done in ${result.seconds.toFixed(1)} s`);
  instructModel.dispose();
  await device.close();
  return result;
}

/** The test rows, once it is sure that there are rows to train on too. */
function neededSplits(dataset: DatasetDict, folder: string) {
  const { train, test } = dataset;
  if (train === undefined || test === undefined) {
    const missing = train === undefined ? "train" : "test";
    throw new DatasetError(
      `reproduce: ${folder} must hold the splits train and test, got no ${missing}. Add its file.`,
    );
  }
  return test.rows;
}

function rowCount(dataset: DatasetDict): number {
  return Object.values(dataset).reduce((sum, { rows }) => sum + rows.length, 0);
}

/** The notebook's blocks between lines of dashes. */
function printSections(output: Output, sections: Readonly<Record<string, string>>): void {
  for (const [title, text] of Object.entries(sections)) {
    output.print(`${DASHES}\n${title}:\n${text}`);
  }
  output.print(DASHES);
}
