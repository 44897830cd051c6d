// report.html: everything a run of the notebook has to show, on one self-contained page.

import { barChart, escapeHtml, lineChart, type Series } from "./charts.ts";

export interface ReportSummary {
  readonly dialogue: string;
  readonly human: string;
  readonly original: string;
  readonly instruct: string;
}

export interface ReportData {
  readonly title: string;
  /** Facts for the head of the page: model, dataset, device, parameters, time. */
  readonly facts: Readonly<Record<string, string>>;
  /** What a reader must know about how the data was prepared. */
  readonly note: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly loss: readonly Series[];
  readonly learningRate: Series;
  /** ROUGE types, then their values (0..1) before and after training. */
  readonly rouge: {
    readonly types: readonly string[];
    readonly original: readonly number[];
    readonly instruct: readonly number[];
  };
  readonly summaries: readonly ReportSummary[];
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fff; --soft: #f3f5f8; --rule: #d8dee6;
  --c0: #2563eb; --c1: #d9730d; --c2: #0f9d76; --c3: #9333ea; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --paper: #14181f; --soft: #1d232c; --rule: #333c48;
  --c0: #6ea0ff; --c1: #f0a04b; --c2: #3ecf9f; --c3: #c084fc; } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0.25rem; } h2 { margin-top: 2.5rem; }
figure { margin: 0; } svg { width: 100%; height: auto; font-size: 12px; fill: var(--ink); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: 1.5rem; }
.grid { stroke: var(--rule); } .line { fill: none; stroke-width: 2; }
.line.s0 { stroke: var(--c0); } .line.s1 { stroke: var(--c1); } .line.s2 { stroke: var(--c2); } .line.s3 { stroke: var(--c3); }
circle.s0, .bar.s0, .b0 { fill: var(--c0); background: var(--c0); } circle.s1, .bar.s1, .b1 { fill: var(--c1); background: var(--c1); }
circle.s2, .bar.s2, .b2 { fill: var(--c2); background: var(--c2); } circle.s3, .bar.s3, .b3 { fill: var(--c3); background: var(--c3); }
.swatch { display: inline-block; width: 0.8em; height: 0.8em; margin: 0 0.4em 0 1em; border-radius: 2px; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.5rem 0.7rem; border-bottom: 1px solid var(--rule); }
td.number { font-variant-numeric: tabular-nums; text-align: right; } .note { background: var(--soft); padding: 0.8rem 1rem; border-radius: 6px; }
pre { white-space: pre-wrap; margin: 0; font: inherit; } details summary { cursor: pointer; }
`;

/** A self-contained page: nothing to load from elsewhere. */
export function htmlPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
<body>
<h1>${escapeHtml(title)}</h1>
${body}
</body>
</html>
`;
}

/** The page of a run of the notebook. */
export function renderReport(data: ReportData): string {
  return htmlPage(
    data.title,
    `${keyValueTable(data.facts)}
<h2>ROUGE</h2>
<div class="charts">
${barChart(
  data.rouge.types,
  [
    { name: "original", values: data.rouge.original },
    { name: "fine-tuned", values: data.rouge.instruct },
  ],
  "ROUGE F",
)}
${rougeTable(data.rouge)}
</div>
<h2>Training</h2>
<p class="note">${escapeHtml(data.note)}</p>
<div class="charts">
${lineChart(data.loss, { x: "step", y: "loss" })}
${lineChart([data.learningRate], { x: "step", y: "learning rate" })}
</div>
<h2>Summaries</h2>
${summaryTable(data.summaries)}
<h2>Arguments</h2>
${keyValueTable(data.arguments)}`,
  );
}

export function keyValueTable(values: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(values).map(([key, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return `<tr><th scope="row">${escapeHtml(key)}</th><td>${escapeHtml(text ?? "")}</td></tr>`;
  });
  return `<div class="scroll"><table>${rows.join("")}</table></div>`;
}

function rougeTable({ types, original, instruct }: ReportData["rouge"]): string {
  const rows = types.map((type, i) => {
    const cells = [original[i]!, instruct[i]!].map((v) => v.toFixed(4));
    const change = (100 * (instruct[i]! - original[i]!)).toFixed(2);
    cells.push(`${change.startsWith("-") ? "" : "+"}${change}`);
    return `<tr><th scope="row">${escapeHtml(type)}</th>${cells.map((cell) => `<td class="number">${cell}</td>`).join("")}</tr>`;
  });
  return `<div class="scroll"><table><tr><th></th><th>original</th><th>fine-tuned</th><th>change, points</th></tr>${rows.join("")}</table></div>`;
}

function summaryTable(summaries: readonly ReportSummary[]): string {
  const rows = summaries.map(({ dialogue, human, original, instruct }, i) => {
    const folded = `<details><summary>dialogue ${i + 1}</summary><pre>${escapeHtml(dialogue)}</pre></details>`;
    const cells = [human, original, instruct].map((text) => `<td>${escapeHtml(text)}</td>`);
    return `<tr><td>${folded}</td>${cells.join("")}</tr>`;
  });
  return `<div class="scroll"><table><tr><th>dialogue</th><th>human</th><th>original model</th><th>fine-tuned model</th></tr>${rows.join("")}</table></div>`;
}
