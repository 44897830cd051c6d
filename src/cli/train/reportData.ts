// From a run's log to what the report page shows.

import type { Point, Series } from "../report/charts.ts";
import type { TrainingReport } from "../report/trainingPage.ts";
import type { Columns, Row } from "../../data/dataset.ts";
import { sourceText, targetText } from "../../data/prompt.ts";
import type { LogRecord } from "../../train/trainerState.ts";
import type { TrainResult } from "./result.ts";
import type { SampleRecord } from "./samples.ts";

const ROUGE_TYPES = ["rouge1", "rouge2", "rougeL", "rougeLsum"] as const;

export interface ReportExtras {
  readonly note: string;
  readonly throughput: readonly Point[];
  readonly columns: Columns;
  readonly sampleRows: readonly Row[];
  readonly samples: readonly SampleRecord[];
}

export function reportData(result: TrainResult, extras: ReportExtras): TrainingReport {
  const { metrics, logHistory } = result;
  const evalLoss = curve(logHistory, "eval_loss");
  return {
    title: result.arguments.runName ?? "Fine-tuning T5",
    facts: {
      model: result.model,
      dataset: result.dataset,
      "rows to train on": result.trainRows?.toLocaleString("en-US") ?? "a stream",
      device: result.device,
      parameters: result.parameters.toLocaleString("en-US"),
      "trainable parameters": result.trainableParameters.toLocaleString("en-US"),
      updates: `${result.globalStep} (skipped for overflow: ${result.skippedSteps})`,
      "training loss": result.trainingLoss.toFixed(4),
      "best model": bestModel(result),
      "training time": `${metrics.train_runtime} s, ${metrics.train_samples_per_second} samples/s`,
      "whole run": `${result.seconds.toFixed(1)} s`,
    },
    note: extras.note,
    loss: [
      { name: "training loss", points: curve(logHistory, "loss") },
      ...(evalLoss.length > 0 ? [{ name: "evaluation loss", points: evalLoss }] : []),
    ],
    learningRate: { name: "learning rate", points: curve(logHistory, "learning_rate") },
    throughput: { name: "samples per second", points: extras.throughput },
    rougeCurves: ROUGE_TYPES.map((type): Series => ({
      name: type,
      points: curve(logHistory, `eval_${type}`),
    })).filter(({ points }) => points.length > 0),
    finalRouge: result.rouge,
    samples: extras.sampleRows.map((row, i) => ({
      source: sourceText(row, extras.columns),
      reference: targetText(row, extras.columns),
      predictions: extras.samples.map(({ step, texts }) => ({ step, text: texts[i] ?? "" })),
    })),
    arguments: { ...result.arguments },
  };
}

function bestModel({ bestModelCheckpoint, bestMetric }: TrainResult): string {
  if (bestMetric === null) return "not asked for";
  return `${bestModelCheckpoint ?? "not saved"} (${bestMetric.toPrecision(5)})`;
}

function curve(history: readonly LogRecord[], key: string): Point[] {
  return history.flatMap((record) => {
    const value = record[key];
    return typeof value === "number" ? [{ x: record.step, y: value }] : [];
  });
}
