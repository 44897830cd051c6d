// The report's dialogues and summaries.

import { escapeHtml } from "./charts.ts";

export interface ReportSummary {
  readonly dialogue: string;
  readonly human: string;
  readonly original: string;
  readonly instruct: string;
}

/** One dialogue in full beside its three summaries. */
export function exampleSection({ dialogue, human, original, instruct }: ReportSummary): string {
  return (
    `<div class="example">${turns(dialogue)}<dl>` +
    `<dt>human</dt><dd>${escapeHtml(human)}</dd>` +
    `<dt>original model</dt><dd>${escapeHtml(original)}</dd>` +
    `<dt>fine-tuned model</dt><dd class="after">${escapeHtml(instruct)}</dd></dl></div>`
  );
}

/** Summaries side by side. Rows of one dialogue (DialogSum's test split has three each) share one folded text of it. */
export function summaryTable(summaries: readonly ReportSummary[]): string {
  const rows = summaries.map(({ dialogue, human, original, instruct }, i) => {
    const folded =
      dialogue === summaries[i - 1]?.dialogue
        ? ""
        : `<tr class="dialogue"><td></td><td colspan="3"><details><summary>the dialogue</summary>${turns(dialogue)}</details></td></tr>`;
    const cells = [human, original, instruct].map((text) => `<td>${escapeHtml(text)}</td>`);
    return `${folded}<tr><td class="from number">${i + 1}</td>${cells.join("")}</tr>`;
  });
  const head = ["human", "original model", "fine-tuned model"]
    .map((name) => `<th scope="col">${name}</th>`)
    .join("");
  return `<div class="scroll"><table class="summaries"><thead><tr><td class="from"></td>${head}</tr></thead><tbody>${rows.join("\n")}</tbody></table></div>`;
}

/** A dialogue as a list of turns, the speaker (DialogSum's "#Person1#: ") above what is said. */
function turns(dialogue: string): string {
  const items = dialogue
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [, speaker, said] = /^([^:\s]{1,40}): (.*)$/.exec(line) ?? [];
      return speaker === undefined
        ? `<li>${escapeHtml(line)}</li>`
        : `<li><b>${escapeHtml(speaker)}</b>${escapeHtml(said!)}</li>`;
    });
  return `<ul class="turns">${items.join("")}</ul>`;
}
