// What makes the output folder of `gradloom train` a model that others can use: weights, tokenizer, figures by split,
// predictions and a model card, under the names that transformers' examples give them.

import { readFile, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { ArgumentError } from "../../tensor/errors.ts";
import { writeAtomically } from "../../tensor/writeAtomically.ts";
import { inferenceTemplate } from "../../data/prompt.ts";
import { readmeHead } from "../../data/splits/card.ts";
import type { T5ForConditionalGeneration } from "../../t5/model.ts";
import { checkOtherWeights, saveModelFiles } from "../../train/output/savedModel.ts";
import type { Metrics } from "../../train/speed.ts";
import type { ModelCardOptions, Trainer, TrainOutput } from "../../train/trainer.ts";
import { columnsOf } from "../datasetOptions.ts";
import type { TrainSettings } from "./settings.ts";

/** Summaries of test rows and their figures. */
export interface Scored {
  readonly predictions: readonly string[];
  /** By transformers' names, without prefix; null without rows. */
  readonly scores: Readonly<Metrics> | null;
  /** What writing them took. */
  readonly seconds: number;
}

/**
 * Whether the model of a run can lie in its output folder, for before the training.
 * @throws {ArgumentError} when the model that training begins with lies there
 * @throws {CheckpointError} when other weights would be loaded with it
 */
export async function checkOutputModel(
  folder: string,
  modelFolder: string,
  { model, hasNewAdapter }: { model: T5ForConditionalGeneration; hasNewAdapter: boolean },
): Promise<void> {
  if (!hasNewAdapter && resolve(modelFolder) === resolve(folder)) {
    throw new ArgumentError(
      `outputDir: must be another folder than that of the model, which the trained one would replace, got ${folder} for both. Choose another one.`,
    );
  }
  await checkOtherWeights(folder, model);
}

/** Model, tokenizer, state, and the figures of training and of the evaluation that belongs to the model. */
export async function saveTrained(
  trainer: Trainer,
  { metrics }: TrainOutput,
  samples: { readonly train: number | null; readonly validation: number },
): Promise<void> {
  if (!trainer.state.isWorldProcessZero) return;
  await saveModelFiles(trainer.args.outputDir, trainer); // trainer.saveModel would push it
  await trainer.saveMetrics("train", {
    ...metrics,
    ...(samples.train === null ? {} : { train_samples: samples.train }),
  });
  await trainer.saveState();
  const evaluation = evaluationOf(trainer);
  if (evaluation === null) return;
  await trainer.saveMetrics("eval", { ...evaluation, eval_samples: samples.validation });
}

/** predict_results.json, and generated_predictions.txt with one summary a line. */
export async function savePredictions(
  trainer: Trainer,
  { predictions, scores, seconds }: Scored,
): Promise<void> {
  if (scores === null || !trainer.state.isWorldProcessZero) return;
  const figures = Object.entries(scores).map(([name, value]) => [`predict_${name}`, value]);
  await trainer.saveMetrics("predict", {
    ...(Object.fromEntries(figures) as Metrics),
    predict_runtime: Number(seconds.toFixed(4)),
    predict_samples: predictions.length,
    predict_samples_per_second: Number((predictions.length / seconds).toFixed(3)),
  });
  // A line is a row, whatever a model writes.
  const lines = predictions.map((text) => text.replace(/\s+/g, " ").trim());
  await writeAtomically(join(trainer.args.outputDir, "generated_predictions.txt"), [
    Buffer.from(lines.join("\n")),
  ]);
}

/** What the model card says besides what the Trainer knows. */
export async function cardOptions(
  trainer: Trainer,
  settings: TrainSettings,
  modelFolder: string,
  { scores }: Scored,
): Promise<ModelCardOptions> {
  const hasRouge = evaluationOf(trainer)?.eval_rouge1 !== undefined;
  const isTest = !hasRouge && scores !== null;
  return {
    ...(await dataFacts(settings, isTest ? "test" : "validation")),
    ...(isTest ? { results: { split: "test", metrics: scores } } : {}),
    tasks: "summarization",
    license: await licenseOf(modelFolder),
    prompt: inferenceTemplate(columnsOf(settings))
      .map((part) => (typeof part === "string" ? part : `{${part.column}}`))
      .join(""),
  };
}

/** The last evaluation of the run, or that of the best model where training ended with it. */
function evaluationOf({ args, state }: Trainer): Metrics | null {
  const isBest = args.loadBestModelAtEnd && state.bestModelCheckpoint !== null;
  const found = state.logHistory.findLast(
    (record) => "eval_loss" in record && (!isBest || record.step === state.bestGlobalStep),
  );
  if (found === undefined) return null;
  return Object.fromEntries(Object.entries(found).filter(([key]) => key !== "step"));
}

/** The license in the card of the model that training began with; undefined where none is named. */
async function licenseOf(modelFolder: string): Promise<string | undefined> {
  const text = await readFile(join(modelFolder, "README.md"), "utf8").catch(() => "");
  const line = /^license:[ \t]*["']?([a-z0-9][a-z0-9.-]*)["']?[ \t]*$/m.exec(
    readmeHead(text) ?? "",
  );
  return line?.[1];
}

/** A folder's or file's name for local data, the id for data from the Hub. */
async function dataFacts(settings: TrainSettings, split: string): Promise<ModelCardOptions> {
  const { dataset, datasetConfig: config, datasetRevision: revision } = settings;
  const isLocal = (await stat(dataset).catch(() => null)) !== null;
  return {
    ...(isLocal ? { dataset: basename(resolve(dataset)) } : { datasetTags: dataset }),
    datasetMetadata: [{ ...(config ? { config } : {}), split, ...(revision ? { revision } : {}) }],
  };
}
