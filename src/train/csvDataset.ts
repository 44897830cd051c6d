// Reads a folder of CSV splits as `datasets.load_dataset` does: records (not lines) parsed with pandas' defaults,
// among them that a cell holding only "", "NA", "null", ... is a missing value.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { CsvError, parse } from "csv-parse/sync";
import { DatasetError } from "../tensor/errors.ts";

/** One record by column name; null where pandas reads a missing value. */
export type Row = Readonly<Record<string, string | null>>;

/** One split: its columns in the order of the file, and its records. */
export interface Dataset {
  readonly features: readonly string[];
  readonly rows: readonly Row[];
}

export const SPLITS = ["train", "validation", "test"] as const;
export type Split = (typeof SPLITS)[number];
export type DatasetDict = { readonly [S in Split]?: Dataset };

/** Which columns hold the text to read and the text to write. */
export interface Columns {
  readonly sourceColumn?: string;
  readonly targetColumn?: string;
}

export const DEFAULT_COLUMNS = { sourceColumn: "dialogue", targetColumn: "summary" } as const;

const FILE_NAMES: Readonly<Record<Split, readonly string[]>> = {
  train: ["train.csv"],
  validation: ["validation.csv", "dev.csv"],
  test: ["test.csv"],
};

// The cells that pandas.read_csv takes for missing by default (STR_NA_VALUES of pandas 3.0.6), quoted or not.
const MISSING = new Set(
  [
    "",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
  ].concat(
    ["<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"], // prettier-ignore
  ),
);

/**
 * Loads train.csv, validation.csv (or dev.csv) and test.csv from a folder; splits may be absent, but not all.
 * @param dir path of the folder
 * @throws {DatasetError} for a missing folder, no split at all, missing columns, an empty split, a missing value in
 *   the source or target column, broken quoting or text that is not UTF-8; the message names file and record
 */
export async function loadDataset(dir: string, columns: Columns = {}): Promise<DatasetDict> {
  const present = await listFiles(dir);
  const dict: { [S in Split]?: Dataset } = {};
  for (const split of SPLITS) {
    const name = FILE_NAMES[split].find((candidate) => present.includes(candidate));
    if (name === undefined) continue;
    const file = join(dir, name);
    dict[split] = parseDataset(decodeUtf8(await readFile(file), file), file, columns);
  }
  if (Object.keys(dict).length > 0) return dict;
  const csv = present.filter((name) => name.endsWith(".csv"));
  throw new DatasetError(
    `loadDataset: ${dir} must hold train.csv, validation.csv (or dev.csv) or test.csv, got ` +
      `${csv.length > 0 ? csv.join(", ") : "no csv file"}. Rename the splits or name another folder.`,
  );
}

/**
 * Parses the text of one CSV file.
 * @param text comma-separated, cells in double quotes where they hold commas, quotes or newlines
 * @param file what error messages call it
 * @throws {DatasetError} as `loadDataset`
 */
export function parseDataset(text: string, file: string, columns: Columns = {}): Dataset {
  const [header, ...records] = parseRecords(text, file);
  if (header === undefined) {
    throw new DatasetError(
      `${file}: the first line must name the columns, got an empty file. Write a header such as id,dialogue,summary,topic.`,
    );
  }
  const features = header.cells;
  const needed = { ...DEFAULT_COLUMNS, ...columns };
  checkHeader(features, file, [needed.sourceColumn, needed.targetColumn]);
  if (records.length === 0) {
    throw new DatasetError(
      `${file}: must hold at least one record below the header, got none. Add records or remove the file.`,
    );
  }
  const rows = records.map(({ cells, line }, i): Row => {
    const where = `record ${i + 1} (ending on line ${line})`;
    if (cells.length > features.length) {
      throw new DatasetError(
        `${file}: every record must have ${features.length} cells, got ${cells.length} in ${where}. ` +
          "Put cells that hold commas in double quotes.",
      );
    }
    // As in pandas, cells missing at the end of a record are missing values.
    const row = Object.fromEntries(
      features.map((name, j) => [name, missingToNull(cells[j] ?? "")]),
    );
    for (const name of [needed.sourceColumn, needed.targetColumn]) {
      if (row[name] !== null) continue;
      throw new DatasetError(
        `${file}: column ${name} must not be missing, got ${JSON.stringify(cells[features.indexOf(name)] ?? "")} in ${where}. ` +
          "Fill the cell or remove the record.",
      );
    }
    return row;
  });
  return { features, rows };
}

/** What Python prints for a DatasetDict; absent splits are left out. */
export function formatDatasetDict(dict: {
  readonly [S in Split]?: {
    readonly features: readonly string[];
    readonly rows: { readonly length: number };
  };
}): string {
  const lines = SPLITS.flatMap((split) => {
    const dataset = dict[split];
    if (dataset === undefined) return [];
    const features = dataset.features.map(pythonString).join(", ");
    return [
      `    ${split}: Dataset({`,
      `        features: [${features}],`,
      `        num_rows: ${dataset.rows.length}`,
      "    })",
    ];
  });
  return ["DatasetDict({", ...lines, "})"].join("\n");
}

interface CsvRecord {
  readonly cells: string[];
  /** Line of the file, from 1, on which the record ends. */
  readonly line: number;
}

function parseRecords(text: string, file: string): CsvRecord[] {
  const records: CsvRecord[] = [];
  try {
    parse(text, {
      bom: true,
      skip_empty_lines: true,
      relax_column_count: true, // checked against the header, with a better message
      record_delimiter: ["\n", "\r\n"],
      on_record: (cells, { lines }) => {
        records.push({ cells, line: lines });
        return null;
      },
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new DatasetError(
      `${file}: cells with quotes must be quoted and their quotes doubled, got ${oneLine(error.message)}. ` +
        'Write the cell as "he said ""hello""".',
      { cause: error },
    );
  }
  return records;
}

function checkHeader(features: readonly string[], file: string, needed: readonly string[]): void {
  for (const name of needed) {
    if (features.includes(name)) continue;
    throw new DatasetError(
      `${file}: must have a column ${name}, got ${oneLine(features.join(", "))}. Rename a column, or name those to use with sourceColumn and targetColumn.`,
    );
  }
  const twice = features.find((name, i) => features.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new DatasetError(
      `${file}: column names must differ, got ${JSON.stringify(twice)} twice. Rename one in the header.`,
    );
  }
}

async function listFiles(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir)).sort();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    const actual =
      code === "ENOENT" ? "nothing there" : code === "ENOTDIR" ? "a file" : String(code);
    throw new DatasetError(
      `loadDataset: the dataset must be a folder with train.csv, validation.csv and test.csv, got ${dir} (${actual}). ` +
        "Check the path.",
      { cause: error },
    );
  }
}

function decodeUtf8(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new DatasetError(
      `${file}: must be UTF-8 text, got other bytes. Convert it, for example with iconv -t UTF-8.`,
      { cause: error },
    );
  }
}

function missingToNull(cell: string): string | null {
  return MISSING.has(cell) ? null : cell;
}

/** Text of a file as a message can show it: no line breaks, not too long. */
function oneLine(text: string): string {
  const flat = text.replace(/\s+/g, " ");
  return flat.length > 200 ? `${flat.slice(0, 200)}...` : flat;
}

/** Python's repr of a string without control characters. */
function pythonString(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replaceAll("\\", "\\\\");
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}
