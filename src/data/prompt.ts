// The prompts of the notebook, and others. The notebook's two tokenize to the same ids: T5's tokenizers collapse runs
// of whitespace.

import { ArgumentError } from "../tensor/errors.ts";
import { DEFAULT_COLUMNS, type Columns, type Row } from "./dataset.ts";

/** Prompt of the training data. */
export const TRAINING_TEMPLATE = "Summarize the following conversation.\n\n{dialogue}\n\nSummary: ";

/** Prompt for generation. */
export const INFERENCE_TEMPLATE =
  "\nSummarize the following conversation.\n\n{dialogue}\n\nSummary:\n";

const PLACEHOLDER = /\{([^{}]+)\}/g;

/**
 * The columns that a template names, each once.
 * @throws {ArgumentError} when it names none
 */
export function templateColumns(template: string): string[] {
  const names = [...template.matchAll(PLACEHOLDER)].map((match) => match[1]!);
  if (names.length > 0) return [...new Set(names)];
  throw new ArgumentError(
    `template: must name a column as in {dialogue}, got ${JSON.stringify(template)}. ` +
      `Write for example ${JSON.stringify(TRAINING_TEMPLATE)}.`,
  );
}

/**
 * Puts a row's texts into a template.
 * @throws {ArgumentError} when it names no column, or one that the row has no text in
 */
export function fillTemplate(template: string, row: Row): string {
  for (const name of templateColumns(template)) {
    if (typeof row[name] === "string") continue;
    const problem =
      row[name] === null ? "a missing value there" : `only ${Object.keys(row).join(", ")}`;
    throw new ArgumentError(
      `template: must name columns with text, got {${name}} and ${problem}. Correct the template or fill the cell.`,
    );
  }
  return template.replace(PLACEHOLDER, (_, name: string) => row[name]!);
}

/** The prompt that rows are trained with: the caller's, or the notebook's around the source column. */
export function trainingTemplate(columns: Columns): string {
  return columns.template ?? around(TRAINING_TEMPLATE, columns);
}

/** The prompt that texts are generated with: the caller's, or the notebook's around the source column. */
export function inferenceTemplate(columns: Columns): string {
  return columns.template ?? around(INFERENCE_TEMPLATE, columns);
}

/** What a reader is shown as the input of a row: the source column, or the caller's prompt. */
export function sourceText(row: Row, columns: Columns): string {
  return fillTemplate(columns.template ?? around("{source}", columns), row);
}

/** What is to be written for a row. @throws {ArgumentError} when the column has no text */
export function targetText(row: Row, { targetColumn }: Columns): string {
  return fillTemplate(`{${targetColumn ?? DEFAULT_COLUMNS.targetColumn}}`, row);
}

/** Columns that must be there, with text in every row. */
export function neededColumns(columns: Columns): string[] {
  const { targetColumn = DEFAULT_COLUMNS.targetColumn } = columns;
  return [...new Set([...templateColumns(trainingTemplate(columns)), targetColumn])];
}

function around(
  template: string,
  { sourceColumn = DEFAULT_COLUMNS.sourceColumn }: Columns,
): string {
  return template.replace(PLACEHOLDER, () => `{${sourceColumn}}`);
}
