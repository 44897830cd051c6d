// From a run's result to what the report page shows.

import { relative } from "node:path";
import type { ReportData, ReportTile } from "../report/page.ts";
import type { NotebookResult } from "./result.ts";

export function reportData(result: NotebookResult, note: string): ReportData {
  const { settings, training, rouge, example } = result;
  const types = Object.keys(rouge.original) as (keyof typeof rouge.original)[];
  const curve = (key: "loss" | "learning_rate") =>
    training.logHistory.flatMap((record) => {
      const value = record[key];
      return typeof value === "number" ? [{ x: record.step, y: value }] : [];
    });
  return {
    title: "Fine-tuning T5 for dialogue summarisation",
    lead: `${shortPath(settings.model)} fine-tuned on ${shortPath(settings.dataset)}, device ${training.device}`,
    tiles: tiles(result),
    note,
    arguments: training.arguments,
    loss: { name: "loss", points: curve("loss") },
    learningRate: { name: "learning rate", points: curve("learning_rate") },
    rouge: {
      types,
      original: types.map((type) => rouge.original[type]),
      instruct: types.map((type) => rouge.instruct[type]),
    },
    example,
    summaries: result.summaries,
  };
}

function tiles(result: NotebookResult): ReportTile[] {
  const { settings, training, rouge, parameters, trainableParameters, seconds } = result;
  const { metrics, globalStep } = training;
  const adapter =
    settings.lora === null ? "" : `${trainableParameters.toLocaleString("en-US")} in the adapter, `;
  return [
    {
      label: "ROUGE-1",
      value: `${rouge.original.rouge1.toFixed(3)} → ${rouge.instruct.rouge1.toFixed(3)}`,
      detail: `first ${settings.rougeRows} rows of the test split`,
    },
    {
      label: "Training loss",
      value: training.trainingLoss.toFixed(3),
      detail: `mean of ${globalStep} steps of ${settings.batchSize} dialogues`,
    },
    {
      label: "Training time",
      value: `${metrics.train_runtime!.toFixed(1)} s`,
      detail: `${metrics.train_samples_per_second!.toFixed(1)} dialogues a second`,
    },
    {
      label: "Parameters",
      value: parameters.toLocaleString("en-US"),
      detail: `${adapter}whole run ${seconds.toFixed(1)} s`,
    },
  ];
}

/** A path as one would type it: relative where that leads down from the working folder. */
function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short === "" || short.startsWith("..") ? path : short;
}
