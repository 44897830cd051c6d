// Datasets from a folder or the Hub: whole in memory, or row by row.

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { locate } from "../hub/locate.ts";
import type { HubOptions } from "../hub/options.ts";
import { isRepositoryId } from "../hub/repository.ts";
import { DatasetError, HubError } from "../tensor/errors.ts";
import { csvRows } from "./csvDataset.ts";
import {
  SPLITS,
  type Columns,
  type Dataset,
  type DatasetDict,
  type Row,
  type Split,
} from "./dataset.ts";
import { findSplits, isDataFile, type SplitFiles } from "./datasetFiles.ts";
import { jsonRows } from "./jsonLines.ts";
import { parquetRows } from "./parquet.ts";
import { neededColumns } from "./prompt.ts";
import { RowRules, type RowOptions } from "./rowChecks.ts";

/** Which splits and columns `loadDataset` reads, and how it fetches them from the Hub. */
export interface LoadDatasetOptions extends Columns, RowOptions, HubOptions {
  /** Splits to read; default all that are there. The others are not looked at. */
  readonly splits?: readonly Split[] | undefined;
  /** Rows to read of a split, the first ones; what stands behind them is not looked at. Default all. */
  readonly maxRows?: { readonly [S in Split]?: number | undefined } | undefined;
}

/**
 * Loads the splits train, validation and test; some may be absent, but not all. A split is CSV, JSON Lines or Parquet,
 * in one file or several (train.csv, dev.jsonl, data/train-00000-of-00002.parquet).
 * @param source path of a folder, else a Hub id such as knkarthick/dialogsum
 * @throws {DatasetError} for a missing folder, no split at all, missing columns, an empty split, files that cannot be
 *   read, and (without skipIncompleteRows) a row without text in a column that is used; the message names file, place
 *   and column
 * @throws {HubError} when the repository or a file of it cannot be had
 */
export async function loadDataset(
  source: string,
  options: LoadDatasetOptions = {},
): Promise<DatasetDict> {
  neededColumns(options); // a wrong template is said before anything is downloaded
  const found = await locateSplits(source, options);
  const dict: { [S in Split]?: Dataset } = {};
  for (const split of options.splits ?? SPLITS) {
    const files = found[split];
    if (files !== undefined) dict[split] = await collect(splitRows(split, files, options));
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
  neededColumns(options);
  const files = (await locateSplits(source, options))[split];
  if (files === undefined) {
    throw new DatasetError(`streamDataset: ${source} must hold the split ${split}, got none`);
  }
  return { [Symbol.asyncIterator]: () => splitRows(split, files, options) };
}

/** Paths of the files of every split. */
async function locateSplits(source: string, options: HubOptions): Promise<SplitFiles> {
  const folder = isRepositoryId(source)
    ? await locate({ type: "dataset", name: source }, chooseFiles, options)
    : source;
  const names = await listFiles(folder);
  const splits = findSplits(names);
  if (Object.keys(splits).length === 0) {
    const others = names.filter(isDataFile);
    throw new DatasetError(
      `loadDataset: ${source} must hold train.csv, validation.csv (or dev.csv) or test.csv, or the same as .jsonl or .parquet, got ` +
        `${others.length > 0 ? others.join(", ") : "no csv file"}. Rename the splits or name another folder.`,
    );
  }
  return Object.fromEntries(
    Object.entries(splits).map(([split, files]) => [
      split,
      files.map((name) => join(folder, name)),
    ]),
  );
}

function chooseFiles({ names }: { readonly names: readonly string[] }) {
  const required = Object.values(findSplits(names)).flat();
  if (required.length > 0) return { required };
  throw new HubError(
    "missing",
    `the repository must hold train, validation or test files as .csv, .jsonl or .parquet, got ${names.join(", ") || "no file"}. ` +
      "Datasets that a script builds cannot be loaded: look for a converted one.",
  );
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
  files: readonly string[],
  options: LoadDatasetOptions,
): AsyncGenerator<Row, void, undefined> {
  const rules = new RowRules(split, neededColumns(options), options);
  const most = options.maxRows?.[split] ?? Infinity;
  try {
    for (const file of files) {
      const before = rules.met;
      for await (const row of readRows(file, rules)) {
        yield row;
        if (rules.taken >= most) return;
      }
      if (rules.met === before) throw noRecord(file);
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

function readRows(file: string, rules: RowRules): AsyncGenerator<Row, void, undefined> {
  if (/\.csv$/i.test(file)) return csvRows(file, rules);
  return /\.parquet$/i.test(file) ? parquetRows(file, rules) : jsonRows(file, rules);
}

/** Folders below the given one in which files are looked for: data/train/part-1.parquet. */
const DEPTH = 2;

async function listFiles(dir: string): Promise<string[]> {
  try {
    return (await filesBelow(dir, DEPTH)).sort();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    const actual =
      code === "ENOENT" ? "nothing there" : code === "ENOTDIR" ? "a file" : String(code);
    throw new DatasetError(
      `loadDataset: the dataset must be a folder with train.csv, validation.csv and test.csv, got ${dir} (${actual}). ` +
        "Check the path. A Hub id reads organisation/name, as knkarthick/dialogsum.",
      { cause: error },
    );
  }
}

/** Names of files with slashes; hidden folders are left out. */
async function filesBelow(dir: string, depth: number): Promise<string[]> {
  const names: string[] = [];
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (!entry.isDirectory()) names.push(entry.name);
    else if (depth > 0 && !entry.name.startsWith(".")) {
      const below = await filesBelow(join(dir, entry.name), depth - 1);
      for (const name of below) names.push(`${entry.name}/${name}`);
    }
  }
  return names;
}
