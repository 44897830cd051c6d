// Datasets from a folder or the Hub: whole in memory, or row by row.

import { didYouMean } from "../fields/names.ts";
import { join } from "../tensor/files/paths.ts";
import type { HubOptions } from "../hub/options.ts";
import { ArgumentError, DatasetError } from "../tensor/errors.ts";
import {
  SPLITS,
  type Columns,
  type Dataset,
  type DatasetDict,
  type Row,
  type Split,
} from "./dataset.ts";
import { locateSplits, type LocatedSplits } from "./locateSplits.ts";
import { neededColumns } from "./prompt.ts";
import { readRows } from "./readRows.ts";
import { RowRules, type RowOptions } from "./rowChecks.ts";
import { requireThat } from "../tensor/requireTensors.ts";

/** Which splits and columns `loadDataset` reads, and how it fetches them from the Hub. */
export interface LoadDatasetOptions extends Columns, RowOptions, HubOptions {
  /**
   * Which of the configurations that README.md lists, by its `config_name`; default the only one, the one called
   * "default" or the one marked as default.
   */
  readonly datasetConfig?: string | undefined;
  /** Splits to read; default all that are there. The others are not looked at. */
  readonly splits?: readonly Split[] | undefined;
  /** Rows to read of a split, the first ones; what stands behind them is not looked at. Default all. */
  readonly maxRows?: { readonly [S in Split]?: number | undefined } | undefined;
}

/**
 * Loads the splits train, validation and test; some may be absent, but not all. Which file is which split is decided as
 * Python's `datasets` decides it: by README.md's configurations, else by names (docs/guide/data.md). A split is CSV, TSV,
 * JSON, JSON Lines, Parquet or Arrow, in one file or several, plain or packed.
 * @param source path of a folder, or of one file, which is the split train; else a Hub id such as knkarthick/dialogsum
 * @throws {DatasetError} for a missing folder, no split at all, a configuration that must be chosen, missing columns, an empty split, files that cannot be
 *   read, and (without skipIncompleteRows) a row without text in a column that is used; the message names file, place
 *   and column
 * @throws {HubError} when the repository or a file of it cannot be had
 */
export async function loadDataset(
  source: string,
  options: LoadDatasetOptions = {},
): Promise<DatasetDict> {
  checkCall("loadDataset", source, options);
  neededColumns(options); // a wrong template is said before anything is downloaded
  const found = await locateSplits(source, options);
  const dict: { [S in Split]?: Dataset } = {};
  for (const split of options.splits ?? SPLITS) {
    if (found.splits.has(split)) dict[split] = await collect(splitRows(split, found, options));
  }
  return dict;
}

/**
 * The rows of one split, file after file in the order of their names, never more of it in memory than a piece of text
 * or a Parquet row group. Every iteration begins anew.
 * @throws {DatasetError} at once when there is no such split, and while iterating as `loadDataset`
 */
export async function streamDataset(
  source: string,
  split: Split,
  options: LoadDatasetOptions = {},
): Promise<AsyncIterable<Row>> {
  checkCall("streamDataset", source, options);
  neededColumns(options);
  const found = await locateSplits(source, options);
  if (!found.splits.has(split)) {
    const names = [...found.splits.keys()].join(", ");
    throw new DatasetError(
      `streamDataset: ${source} must hold the split ${split}, got ${names}. Name another split.`,
    );
  }
  return { [Symbol.asyncIterator]: () => splitRows(split, found, options) };
}

const OPTIONS: Readonly<Record<keyof LoadDatasetOptions, true>> = {
  ...{ datasetConfig: true, splits: true, maxRows: true, skipIncompleteRows: true },
  ...{ sourceColumn: true, targetColumn: true, template: true },
  ...{ revision: true, cacheDir: true, token: true, localFilesOnly: true },
  ...{ endpoint: true, onProgress: true, signal: true },
};

/** @throws {ArgumentError} for a source that is no name, and an option that is none */
function checkCall(op: string, source: unknown, options: LoadDatasetOptions): void {
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(OPTIONS, name)) continue;
    const hint = didYouMean(name, Object.keys(OPTIONS));
    throw new ArgumentError(`${op}: every option must be known, got ${name}. ${hint}`);
  }
  const isName = typeof source === "string" && source !== "";
  requireThat(isName, op, "source must be the path of a folder or a Hub id", source, "Name one.");
}

async function collect(stream: AsyncIterable<Row>): Promise<Dataset> {
  const features = new Set<string>();
  const rows: Row[] = [];
  for await (const row of stream) {
    for (const name of Object.keys(row)) features.add(name);
    rows.push(row);
  }
  return { features: [...features], rows };
}

/** One pass over the files of a split: at its end stderr says how many rows were left out. */
async function* splitRows(
  split: Split,
  { folder, splits }: LocatedSplits,
  options: LoadDatasetOptions,
): AsyncGenerator<Row, void, undefined> {
  const rules = new RowRules(split, neededColumns(options), options);
  const most = options.maxRows?.[split] ?? Infinity;
  try {
    for (const file of splits.get(split)!) {
      const before = rules.met;
      for await (const row of readRows(folder, file, rules)) {
        yield row;
        if (rules.taken >= most) return;
      }
      if (rules.met === before) throw noRecord(join(folder, file.name));
    }
    rules.checkSomeTaken();
  } finally {
    rules.report();
  }
}

function noRecord(file: string): DatasetError {
  return new DatasetError(
    `${file}: must hold at least one record, got none. Add records or remove the file.`,
  );
}
