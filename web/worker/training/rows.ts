// From the rows that were read to examples, and the few whose summaries are shown.

import { preprocess, type Dataset, type Example, type Row, type Tokenizer } from "gradloom";
import type { TrainRequest } from "../../protocol/training.ts";
import type { LoadedData } from "../session.ts";

const SHOWN_SAMPLES = 3;

export interface PreparedRows {
  readonly train: readonly Example[];
  readonly evaluation: readonly Example[];
  /** Rows for the summaries before and after. */
  readonly samples: readonly { readonly dialogue: string; readonly reference: string }[];
  /** Rows without text in one of the two columns. */
  readonly leftOut: number;
}

/** @throws {Error} when no row has text in both columns */
export async function prepareRows(
  { dict }: LoadedData,
  tokenizer: Tokenizer,
  { columns, settings }: Pick<TrainRequest, "columns" | "settings">,
): Promise<PreparedRows> {
  const whole = dict.train!.rows;
  const trainRows = complete(whole, columns);
  if (trainRows.length === 0) {
    throw new Error(
      `No row has text in both columns, ${columns.source} and ${columns.target}. Choose other columns.`,
    );
  }
  const held = dict.validation ?? dict.test;
  const evaluationRows = complete(held?.rows ?? [], columns).slice(0, settings.evalRows);
  const { source: sourceColumn, target: targetColumn } = columns;
  const options = { sourceColumn, targetColumn, maxLength: settings.maxLength };
  const examples = (rows: Dataset["rows"]): Promise<Example[]> =>
    preprocess({ rows }, tokenizer, options);
  const shown = evaluationRows.length > 0 ? evaluationRows : trainRows;
  return {
    train: await examples(trainRows),
    evaluation: await examples(evaluationRows),
    samples: shown.slice(0, SHOWN_SAMPLES).map((row) => ({
      dialogue: row[sourceColumn]!,
      reference: row[targetColumn]!,
    })),
    leftOut: whole.length - trainRows.length,
  };
}

function complete(rows: readonly Row[], { source, target }: TrainRequest["columns"]): Row[] {
  return rows.filter((row) => [source, target].every((column) => (row[column] ?? "") !== ""));
}
