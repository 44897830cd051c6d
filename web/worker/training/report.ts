// report.html of the run that has ended.

import { renderTrainingReport, type ChartSeries, type LogRecord } from "gradloom";
import { theDevice } from "../session.ts";
import { theModel } from "../session.ts";
import { finishedRun } from "./lastRun.ts";

const ROUGE = ["rouge1", "rouge2", "rougeL", "rougeLsum"] as const;

/** @throws {Error} before a run has ended */
export function reportText(): string {
  const run = finishedRun();
  const { request, result, log, samples, speeds } = run;
  const evaluated = log.findLast((line) => "eval_rouge1" in line);
  const device = theDevice();
  return renderTrainingReport({
    title: "Fine-tuning in the page",
    facts: {
      model: theModel().facts.name,
      dataset: run.dataName,
      "rows to train on": run.trainRows.toLocaleString("en-US"),
      device: device.kind === "cpu" ? `cpu, ${device.threads} threads` : device.kind,
      "trainable parameters": run.trainable.toLocaleString("en-US"),
      updates: `${result.step} of ${result.maxSteps}`,
      "training loss": result.trainingLoss.toFixed(4),
      "training time": `${result.seconds.toFixed(1)} s`,
    },
    note: "Padding is masked in the inputs and ignored in the labels, so the loss is that of the summaries alone.",
    loss: [curve(log, "loss", "training loss"), curve(log, "eval_loss", "evaluation loss")].filter(
      ({ points }) => points.length > 0,
    ),
    learningRate: curve(log, "learning_rate", "learning rate"),
    throughput: { name: "samples per second", points: speeds },
    rougeCurves: ROUGE.map((type) => curve(log, `eval_${type}`, type)).filter(
      ({ points }) => points.length > 0,
    ),
    finalRouge: evaluated
      ? Object.fromEntries(ROUGE.map((type) => [type, evaluated[`eval_${type}`]!]))
      : null,
    samples: samples.map(({ dialogue, reference, before, after }) => ({
      ...{ source: dialogue, reference },
      predictions: [
        { step: 0, text: before },
        ...(after === null ? [] : [{ step: result.step, text: after }]),
      ],
    })),
    arguments: { ...request.settings, ...request.columns },
  });
}

function curve(log: readonly LogRecord[], key: string, name: string): ChartSeries {
  const points = log.flatMap((line) => {
    const y = line[key];
    return y === undefined ? [] : [{ x: line.step, y }];
  });
  return { name, points };
}
