// Summaries of dataset rows, in continuous batches.

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
  readonly generation: Omit<GenerationOptions, "streamer" | "returnDictInGenerate">;
  /** Longest prompt in tokens; undefined for any. */
  readonly maxSourceLength?: number | undefined;
  readonly signal: AbortSignal;
  /** Among whose ranks the batches are dealt out; all get all summaries. Default: this process alone. */
  readonly group?: ProcessGroup;
  /** Called with the number of rows done, as they end. */
  readonly onProgress?: (done: number) => void;
}

/** How prompts are cut: as in the notebook, not at all unless a length is given. */
export function truncationOf(maxLength: number | undefined): {
  readonly truncation?: true;
  readonly maxLength?: number;
} {
  return maxLength === undefined ? {} : { truncation: true, maxLength };
}

/** One summary for each row. */
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
  { batchSize, columns, generation, maxSourceLength, signal, onProgress }: SummarizeRowsOptions,
): Promise<string[]> {
  const template = inferenceTemplate(columns);
  const prompts = rows.map((row) => fillTemplate(template, row));
  if (prompts.length === 0) return [];
  const { inputIds } = tokenizer.encode(prompts, truncationOf(maxSourceLength));
  const summaries: string[] = [];
  const options = { ...generation, numReturnSequences: 1, batchSize, signal, onProgress };
  for await (const ids of model.generateMany({ inputIds }, options)) {
    summaries.push(tokenizer.decode(ids, { skipSpecialTokens: true }));
  }
  return summaries;
}
