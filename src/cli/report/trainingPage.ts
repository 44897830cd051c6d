// report.html of a training run: curves, ROUGE, and how the summaries of a few rows change.

import { barChart, escapeHtml, lineChart, type Series } from "./charts.ts";
import { htmlPage, keyValueTable } from "./page.ts";

/** What the model wrote for one row, and what a person wrote. */
export interface SampleRow {
  readonly source: string;
  readonly reference: string;
  /** Text by update, oldest first. */
  readonly predictions: readonly { readonly step: number; readonly text: string }[];
}

/** What report.html of a training run shows. */
export interface TrainingReport {
  readonly title: string;
  /** Facts for the head of the page: model, dataset, device, parameters, time. */
  readonly facts: Readonly<Record<string, string>>;
  /** What a reader must know about how the data was prepared. */
  readonly note: string;
  /** Training and evaluation loss over updates. */
  readonly loss: readonly Series[];
  readonly learningRate: Series;
  /** Training examples a second, over updates. */
  readonly throughput: Series;
  /** ROUGE of evaluations over updates; empty when evaluations did not generate. */
  readonly rougeCurves: readonly Series[];
  /** ROUGE of the model that training ended with, 0 to 1 by type; null when no row was scored. */
  readonly finalRouge: Readonly<Record<string, number>> | null;
  readonly samples: readonly SampleRow[];
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** report.html of a training run: one HTML text without scripts that opens from disk. Texts may hold anything. */
export function renderTrainingReport(report: TrainingReport): string {
  const over = (y: string, series: readonly Series[]): string =>
    lineChart(series, { x: "step", y });
  const sections = [
    keyValueTable(report.facts),
    section("Loss and learning rate", [
      over("loss", report.loss),
      over("learning rate", [report.learningRate]),
      over("samples per second", [report.throughput]),
    ]),
    `<p class="note">${escapeHtml(report.note)}</p>`,
    section("ROUGE", rougeCharts(report)),
    report.samples.length > 0 ? `<h2>Samples over time</h2>${sampleTable(report.samples)}` : "",
    `<h2>Arguments</h2>${keyValueTable(report.arguments)}`,
  ];
  return htmlPage(report.title, sections.filter((text) => text !== "").join("\n"));
}

function rougeCharts({ rougeCurves, finalRouge }: TrainingReport): string[] {
  const charts =
    rougeCurves.length > 0 ? [lineChart(rougeCurves, { x: "step", y: "ROUGE F" })] : [];
  if (finalRouge !== null) {
    const values = Object.values(finalRouge);
    charts.push(barChart(Object.keys(finalRouge), [{ name: "final model", values }], "ROUGE F"));
  }
  return charts;
}

function section(heading: string, charts: readonly string[]): string {
  if (charts.length === 0) return "";
  return `<h2>${heading}</h2><div class="charts">${charts.join("\n")}</div>`;
}

function sampleTable(samples: readonly SampleRow[]): string {
  const rows = samples.map(({ source, reference, predictions }, i) => {
    const folded = `<details><summary>row ${i + 1}</summary><pre>${escapeHtml(source)}</pre></details>`;
    const texts = predictions.map(
      ({ step, text }) => `<li value="${step}">${escapeHtml(text)}</li>`,
    );
    return `<tr><td>${folded}</td><td>${escapeHtml(reference)}</td><td><ol>${texts.join("")}</ol></td></tr>`;
  });
  return `<div class="scroll"><table><tr><th>source</th><th>reference</th><th>model, by step</th></tr>${rows.join("")}</table></div>`;
}
