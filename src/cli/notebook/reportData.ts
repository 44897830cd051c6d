// From a run's result to what the report page shows.

import type { ReportData } from "../../eval/report/page.ts";
import type { NotebookResult } from "./run.ts";

export function reportData(result: NotebookResult, note: string): ReportData {
  const { settings, training, rouge } = result;
  const types = Object.keys(rouge.original) as (keyof typeof rouge.original)[];
  const curve = (key: "loss" | "learning_rate") =>
    training.logHistory.flatMap((record) => {
      const value = record[key];
      return typeof value === "number" ? [{ x: record.step, y: value }] : [];
    });
  return {
    title: "Fine-tuning T5 for dialogue summarisation",
    facts: {
      model: settings.model,
      dataset: settings.dataset,
      device: training.device,
      parameters: result.parameters.toLocaleString("en-US"),
      "training loss": training.trainingLoss.toFixed(4),
      "training time": `${training.metrics.train_runtime} s, ${training.metrics.train_samples_per_second} samples/s`,
      "whole run": `${result.seconds.toFixed(1)} s`,
    },
    note,
    arguments: training.arguments,
    loss: [{ name: "loss", points: curve("loss") }],
    learningRate: { name: "learning rate", points: curve("learning_rate") },
    rouge: {
      types,
      original: types.map((type) => rouge.original[type]),
      instruct: types.map((type) => rouge.instruct[type]),
    },
    summaries: result.summaries,
  };
}
