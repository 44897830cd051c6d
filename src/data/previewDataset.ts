// What a dataset holds, before anybody has said which of its columns are used.

import { locateSplits } from "./locateSplits.ts";
import { readRows } from "./readRows.ts";
import { RowRules } from "./rowChecks.ts";
import { SPLITS, type Row, type Split } from "./dataset.ts";
import type { LoadDatasetOptions } from "./loadDataset.ts";
import { ArgumentError } from "../tensor/errors.ts";

/** How `previewDataset` looks, and how it fetches files from the Hub. */
export interface PreviewOptions extends Omit<
  LoadDatasetOptions,
  "sourceColumn" | "targetColumn" | "template" | "splits" | "maxRows" | "skipIncompleteRows"
> {
  /** Rows to give of each split, the first ones. Default 5. */
  readonly rows?: number | undefined;
}

/** A split at a glance. */
export interface SplitPreview {
  /** Columns in the order of the file. */
  readonly features: readonly string[];
  readonly rows: readonly Row[];
  /** All rows of the split. */
  readonly numRows: number;
}

/**
 * Columns, first rows and number of rows of each split: for a choice of columns, which `loadDataset` then checks. Files are read
 * through once, a piece at a time.
 * @param source as for `loadDataset`
 * @throws {ArgumentError} for rows that is no whole number of at least 0
 * @throws {DatasetError} for a missing folder, no split at all, and files that cannot be read
 * @throws {HubError} when the repository or a file of it cannot be had
 */
export async function previewDataset(
  source: string,
  options: PreviewOptions = {},
): Promise<{ [S in Split]?: SplitPreview }> {
  const { rows: most = 5, ...places } = options;
  if (!Number.isInteger(most) || most < 0) {
    throw new ArgumentError(`rows: must be a whole number of at least 0, got ${most}`);
  }
  const { folder, splits } = await locateSplits(source, places);
  const found: { [S in Split]?: SplitPreview } = {};
  for (const split of SPLITS) {
    const files = splits.get(split);
    if (files === undefined) continue;
    const rules = new RowRules(split, []);
    const features = new Set<string>();
    const rows: Row[] = [];
    for (const file of files) {
      for await (const row of readRows(folder, file, rules)) {
        for (const name of Object.keys(row)) features.add(name);
        if (rows.length < most) rows.push(row);
      }
    }
    found[split] = { features: [...features], rows, numRows: rules.taken };
  }
  return found;
}
