// report.html: everything a run of the notebook has to show, on one self-contained page.

import { barChart, escapeHtml, lineChart, type Series } from "./charts.ts";
import { STYLE } from "./style.ts";
import { exampleSection, summaryTable, type ReportSummary } from "./summaries.ts";

/** A figure at the head of the page. */
export interface ReportTile {
  readonly label: string;
  readonly value: string;
  /** A few words below the value. */
  readonly detail?: string;
}

export interface ReportData {
  readonly title: string;
  /** What was trained on what, and where. */
  readonly lead: string;
  readonly tiles: readonly ReportTile[];
  /** What a reader must know about how the data was prepared. */
  readonly note: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly loss: Series;
  readonly learningRate: Series;
  /** ROUGE types, then their values (0..1) before and after training. */
  readonly rouge: {
    readonly types: readonly string[];
    readonly original: readonly number[];
    readonly instruct: readonly number[];
  };
  /** The dialogue that the notebook shows in full. */
  readonly example: ReportSummary;
  readonly summaries: readonly ReportSummary[];
}

/** A self-contained page: nothing to load from elsewhere. */
export function htmlPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
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
    `<p class="lead">${escapeHtml(data.lead)}</p>
${tiles(data.tiles)}
<h2>ROUGE before and after</h2>
<div class="charts">
${barChart(
  data.rouge.types,
  [
    { name: "original", values: data.rouge.original, muted: true },
    { name: "fine-tuned", values: data.rouge.instruct },
  ],
  "ROUGE F measure",
)}
${rougeTable(data.rouge)}
</div>
<h2>Training</h2>
<p class="note">${escapeHtml(data.note)}</p>
<div class="charts">
${lineChart([data.loss], { x: "step", y: "Training loss" })}
${lineChart([data.learningRate], { x: "step", y: "Learning rate" })}
</div>
<h2>One dialogue</h2>
${exampleSection(data.example)}
<h2>${data.summaries.length} summaries</h2>
${summaryTable(data.summaries)}
<h2>Arguments</h2>
${keyValueTable(data.arguments)}`,
  );
}

function tiles(list: readonly ReportTile[]): string {
  const items = list.map(({ label, value, detail }) => {
    const below = detail === undefined ? "" : `<small>${escapeHtml(detail)}</small>`;
    return `<div><dt>${escapeHtml(label)}</dt><dd>${escapeHtml(value)}${below}</dd></div>`;
  });
  return `<dl class="tiles">${items.join("\n")}</dl>`;
}

function rougeTable({ types, original, instruct }: ReportData["rouge"]): string {
  const rows = types.map((type, i) => {
    const change = 100 * (instruct[i]! - original[i]!);
    const sign = change < 0 ? "" : "+";
    const cells = [
      `<td class="number">${original[i]!.toFixed(4)}</td>`,
      `<td class="number">${instruct[i]!.toFixed(4)}</td>`,
      `<td class="number ${change < 0 ? "worse" : "better"}">${sign}${change.toFixed(2)}</td>`,
    ];
    return `<tr><th scope="row">${escapeHtml(type)}</th>${cells.join("")}</tr>`;
  });
  const head = ["original", "fine-tuned", "change in points"]
    .map((name) => `<th scope="col" class="number">${name}</th>`)
    .join("");
  return `<div class="scroll"><table><thead><tr><td></td>${head}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

export function keyValueTable(values: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(values).map(([key, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return `<tr><th scope="row">${escapeHtml(key)}</th><td>${escapeHtml(text ?? "")}</td></tr>`;
  });
  return `<div class="scroll"><table><tbody>${rows.join("\n")}</tbody></table></div>`;
}
