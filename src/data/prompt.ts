// The prompts of the notebook, and others. The notebook's two tokenize to the same ids: T5's tokenizers collapse runs
// of whitespace.
//
// A template is written as Python's str.format has it: {column} is the text of a column, {{ and }} are braces, and a
// brace that stands alone is an error.

import { ArgumentError } from "../tensor/errors.ts";
import { DEFAULT_COLUMNS, type Columns, type Row } from "./dataset.ts";

/** Prompt of the training data. */
export const TRAINING_TEMPLATE = "Summarize the following conversation.\n\n{dialogue}\n\nSummary: ";

/** Prompt for generation. */
export const INFERENCE_TEMPLATE =
  "\nSummarize the following conversation.\n\n{dialogue}\n\nSummary:\n";

/** A text, or the column whose text stands there. */
type Part = string | { readonly column: string };

/** A template that was read. */
export type Prompt = readonly Part[];

/**
 * The columns that a template names, each once.
 * @throws {ArgumentError} when it names none, or holds a brace that stands alone
 */
export function templateColumns(template: string | Prompt): string[] {
  const prompt = typeof template === "string" ? parseTemplate(template) : template;
  return [...new Set(prompt.flatMap((part) => (typeof part === "string" ? [] : [part.column])))];
}

/**
 * Puts a row's texts into a template.
 * @throws {ArgumentError} when it names no column or one that the row has no text in, or holds a brace that stands alone
 */
export function fillTemplate(template: string | Prompt, row: Row): string {
  const prompt = typeof template === "string" ? parseTemplate(template) : template;
  return prompt
    .map((part) => (typeof part === "string" ? part : textOf(row, part.column)))
    .join("");
}

function parseTemplate(template: string): Prompt {
  const prompt: Part[] = [];
  let end = 0;
  for (const match of template.matchAll(/\{\{|\}\}|\{([^{}]+)\}|[{}]/g)) {
    const [found, column] = match;
    if (found.length === 1) throw loneBrace(template, match.index);
    prompt.push(template.slice(end, match.index), column === undefined ? found[0]! : { column });
    end = match.index + found.length;
  }
  prompt.push(template.slice(end));
  if (prompt.some((part) => typeof part !== "string")) return prompt;
  throw new ArgumentError(
    `template: must name a column as in {dialogue}, got ${JSON.stringify(template)}. ` +
      `Write for example ${JSON.stringify(TRAINING_TEMPLATE)}.`,
  );
}

function loneBrace(template: string, index: number): ArgumentError {
  const rest = template.slice(index, index + 20);
  return new ArgumentError(
    `template: a brace must be doubled or belong to a {column}, got ${JSON.stringify(rest)} at character ${index + 1}. ` +
      "Write {{ for { and }} for }.",
  );
}

function textOf(row: Row, column: string): string {
  const text = row[column];
  if (typeof text === "string") return text;
  const problem = text === null ? "a missing value there" : `only ${Object.keys(row).join(", ")}`;
  throw new ArgumentError(
    `template: must name columns with text, got {${column}} and ${problem}. ` +
      "Correct the template (braces are written {{ and }}) or fill the cell.",
  );
}

/** The prompt that rows are trained with: the caller's, or the notebook's around the source column. */
export function trainingTemplate(columns: Columns): Prompt {
  return around(TRAINING_TEMPLATE, columns);
}

/** The prompt that texts are generated with: the caller's, or the notebook's around the source column. */
export function inferenceTemplate(columns: Columns): Prompt {
  return around(INFERENCE_TEMPLATE, columns);
}

/**
 * The input that `preprocess` makes of a row, and so what a model that was trained on it expects to read: for inference.
 * @param source a row, or a text alone, which takes the place of the one column that the prompt names
 * @param columns `template` or `sourceColumn`, as `preprocess` was given them
 * @throws {ArgumentError} for a row without text in a column, a text alone for a template of several columns, or a template
 *   with a brace that stands alone
 */
export function buildPrompt(source: Row | string, columns: Columns = {}): string {
  const template = trainingTemplate(columns);
  if (typeof source !== "string") return fillTemplate(template, source);
  const names = templateColumns(template);
  if (names.length === 1) return fillTemplate(template, { [names[0]!]: source });
  throw new ArgumentError(
    `buildPrompt: source must be a row with the columns ${names.join(", ")} of the template, got a text alone`,
  );
}

/** What a reader is shown as the input of a row: the source column, or the caller's prompt. */
export function sourceText(row: Row, columns: Columns): string {
  return fillTemplate(around("{source}", columns), row);
}

/** What is to be written for a row. @throws {ArgumentError} when the column has no text */
export function targetText(row: Row, { targetColumn }: Columns): string {
  return textOf(row, targetColumn ?? DEFAULT_COLUMNS.targetColumn);
}

/** Columns that must be there, with text in every row. */
export function neededColumns(columns: Columns): string[] {
  const { targetColumn = DEFAULT_COLUMNS.targetColumn } = columns;
  return [...new Set([...templateColumns(trainingTemplate(columns)), targetColumn])];
}

/** The caller's prompt, else a template of this file around the source column, whose name may hold braces. */
function around(template: string, columns: Columns): Prompt {
  const { sourceColumn = DEFAULT_COLUMNS.sourceColumn } = columns;
  if (columns.template !== undefined) return parseTemplate(columns.template);
  return parseTemplate(template).map((part) =>
    typeof part === "string" ? part : { column: sourceColumn },
  );
}
