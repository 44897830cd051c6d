// Datasets from a folder or the Hub: whole in memory, or row by row.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { locate } from "../hub/locate.ts";
import type { HubOptions } from "../hub/options.ts";
import { isRepositoryId } from "../hub/repository.ts";
import { DatasetError, HubError } from "../tensor/errors.ts";
import { csvRows, parseDataset } from "./csvDataset.ts";
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
import { decodeUtf8 } from "./textFile.ts";

/** Which splits and columns `loadDataset` reads, and how it fetches them from the Hub. */
export interface LoadDatasetOptions extends Columns, HubOptions {
  /** Splits to read; default all that are there. */
  readonly splits?: readonly Split[] | undefined;
}

/**
 * Loads the splits train, validation and test; some may be absent, but not all. A split is CSV, JSON Lines or Parquet,
 * in one file or several (train.csv, dev.jsonl, data/train-00000-of-00002.parquet).
 * @param source path of a folder, else a Hub id such as knkarthick/dialogsum
 * @throws {DatasetError} for a missing folder, no split at all, missing columns, an empty split, a missing value in a
 *   column that is used, and files that cannot be read; the message names file, place and column
 * @throws {HubError} when the repository or a file of it cannot be had
 */
export async function loadDataset(
  source: string,
  options: LoadDatasetOptions = {},
): Promise<DatasetDict> {
  const needed = neededColumns(options);
  const found = await locateSplits(source, options);
  const dict: { [S in Split]?: Dataset } = {};
  for (const split of options.splits ?? SPLITS) {
    const files = found[split];
    if (files !== undefined) dict[split] = await loadFiles(files, needed, options);
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
  const needed = neededColumns(options);
  const files = (await locateSplits(source, options))[split];
  if (files === undefined) {
    throw new DatasetError(`streamDataset: ${source} must hold the split ${split}, got none`);
  }
  return {
    async *[Symbol.asyncIterator]() {
      for (const file of files) yield* readRows(file, needed);
    },
  };
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

async function loadFiles(
  files: readonly string[],
  needed: readonly string[],
  columns: Columns,
): Promise<Dataset> {
  const features = new Set<string>();
  const rows: Row[] = [];
  for (const file of files) {
    const part = await loadFile(file, needed, columns);
    for (const name of part.features) features.add(name);
    for (const row of part.rows) rows.push(row);
  }
  return { features: [...features], rows };
}

async function loadFile(
  file: string,
  needed: readonly string[],
  columns: Columns,
): Promise<Dataset> {
  if (/\.csv$/i.test(file)) {
    return parseDataset(decodeUtf8(await readFile(file), file), file, columns);
  }
  const features = new Set<string>();
  const rows: Row[] = [];
  for await (const row of readRows(file, needed)) {
    for (const name of Object.keys(row)) features.add(name);
    rows.push(row);
  }
  if (rows.length > 0) return { features: [...features], rows };
  throw new DatasetError(
    `${file}: must hold at least one record, got none. Add records or remove the file.`,
  );
}

function readRows(file: string, needed: readonly string[]): AsyncGenerator<Row, void, undefined> {
  if (/\.csv$/i.test(file)) return csvRows(file, needed);
  return /\.parquet$/i.test(file) ? parquetRows(file, needed) : jsonRows(file, needed);
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
