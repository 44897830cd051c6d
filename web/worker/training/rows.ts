// From the chosen columns to examples, and the few rows whose summaries are shown.

import { loadDataset, preprocess, type Example, type Row, type Tokenizer } from "gradloom";
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

/** @throws {DatasetError} when no row has text in both columns */
export async function prepareRows(
  { source, options, trainRows }: LoadedData,
  tokenizer: Tokenizer,
  { columns, settings }: Pick<TrainRequest, "columns" | "settings">,
): Promise<PreparedRows> {
  const names = { sourceColumn: columns.source, targetColumn: columns.target };
  const maxRows = { validation: settings.evalRows, test: settings.evalRows };
  const dict = await loadDataset(source, {
    ...options,
    ...names,
    skipIncompleteRows: true,
    ...(settings.evalRows > 0 ? { maxRows } : { splits: ["train"] as const }),
  });
  const rows = dict.train!.rows;
  const held = (dict.validation ?? dict.test)?.rows ?? [];
  const examples = (of: readonly Row[]): Promise<Example[]> =>
    preprocess({ rows: of }, tokenizer, { ...names, maxLength: settings.maxLength });
  const shown = held.length > 0 ? held : rows;
  return {
    train: await examples(rows),
    evaluation: await examples(held),
    samples: shown.slice(0, SHOWN_SAMPLES).map((row) => ({
      dialogue: row[columns.source]!,
      reference: row[columns.target]!,
    })),
    leftOut: trainRows - rows.length,
  };
}
