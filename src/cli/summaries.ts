// Summaries of dataset rows, in batches.

import { singleProcess, type ProcessGroup } from "../distributed/processGroup.ts";
import type { GenerationOptions } from "../generation/options.ts";
import type { T5ForConditionalGeneration } from "../t5/model.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import type { Columns, Row } from "../data/dataset.ts";
import { fillTemplate, inferenceTemplate } from "../data/prompt.ts";
import { gatherShares, shareOf } from "./processGroup.ts";

export interface SummarizeRowsOptions {
  readonly batchSize: number;
  readonly columns: Columns;
  readonly generation: GenerationOptions;
  readonly signal: AbortSignal;
  /** Among whose ranks the batches are dealt out; all get all summaries. Default: this process alone. */
  readonly group?: ProcessGroup;
  /** Called with the number of rows done after each batch. */
  readonly onProgress?: (done: number) => void;
}

/** One summary for each row; inputs are not truncated, as in the notebook. */
export async function summarizeRows(
  model: T5ForConditionalGeneration,
  tokenizer: Tokenizer,
  rows: readonly Row[],
  options: SummarizeRowsOptions,
): Promise<string[]> {
  const { group = singleProcess, batchSize } = options;
  const own = await summarizeOwn(model, tokenizer, shareOf(rows, batchSize, group), options);
  return gatherShares(own, batchSize, group);
}

async function summarizeOwn(
  model: T5ForConditionalGeneration,
  tokenizer: Tokenizer,
  rows: readonly Row[],
  { batchSize, columns, generation, signal, onProgress }: SummarizeRowsOptions,
): Promise<string[]> {
  const template = inferenceTemplate(columns);
  const summaries: string[] = [];
  for (let begin = 0; begin < rows.length; begin += batchSize) {
    const prompts = rows.slice(begin, begin + batchSize).map((row) => fillTemplate(template, row));
    const batch = tokenizer.encode(prompts, { padding: "longest" });
    const ids = await model.generate(batch, { ...generation, numReturnSequences: 1, signal });
    for (const row of ids) summaries.push(tokenizer.decode(row, { skipSpecialTokens: true }));
    onProgress?.(summaries.length);
  }
  return summaries;
}
