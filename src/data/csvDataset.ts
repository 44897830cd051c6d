// CSV as pandas reads it by default: records (not lines), and a cell that holds only "", "NA", "null", ... is a missing
// value.

import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CsvError, parse as csvParser, type Options } from "csv-parse";
import { DatasetError } from "../tensor/errors.ts";
import type { Row } from "./dataset.ts";
import { checkFeatures, missingValue, oneLine } from "./rowChecks.ts";
import { textPieces } from "./textFile.ts";

/** A quote that is never closed would make the rest of a file one cell: an error from this many bytes on. */
const MAX_RECORD_BYTES = 2 ** 26;

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

interface CsvRecord {
  readonly cells: readonly string[];
  /** Line of the file, from 1, on which the record ends. */
  readonly line: number;
}

/** What csv-parse gives with its option `info`. */
interface ParsedRecord {
  readonly record: string[];
  readonly info: { readonly lines: number };
}

const CSV_OPTIONS = {
  bom: true,
  skip_empty_lines: true,
  relax_column_count: true, // checked against the header, with a better message
  record_delimiter: ["\n", "\r\n"],
} satisfies Options;

/**
 * The rows of a file, a few records in memory at a time.
 * @param file comma-separated, cells in double quotes where they hold commas, quotes or newlines
 * @param needed columns that must be there and have a value in every record
 * @throws {DatasetError} when iteration comes to it, for missing columns, no records, a missing value in a column that
 *   is used, broken quoting; the message names file and record
 */
export async function* csvRows(
  file: string,
  needed: readonly string[],
): AsyncGenerator<Row, void, undefined> {
  const parser = csvParser({ ...CSV_OPTIONS, max_record_size: MAX_RECORD_BYTES, info: true });
  // What goes wrong with the file ends the parser with that error, which iterating throws.
  pipeline(Readable.from(textPieces(file)), parser).catch(() => undefined);
  let features: readonly string[] | undefined;
  let count = 0;
  try {
    for await (const { record: cells, info } of parser as AsyncIterable<ParsedRecord>) {
      if (features === undefined) {
        features = cells;
        checkFeatures(features, file, needed);
      } else {
        yield toRow({ cells, line: info.lines }, count++, features, file, needed);
      }
    }
  } catch (error) {
    throw csvError(file, error);
  } finally {
    parser.destroy();
  }
  if (features === undefined) throw emptyFile(file);
  if (count === 0) throw noRecords(file);
}

function toRow(
  { cells, line }: CsvRecord,
  index: number,
  features: readonly string[],
  file: string,
  needed: readonly string[],
): Row {
  const where = `record ${index + 1} (ending on line ${line})`;
  if (cells.length > features.length) {
    throw new DatasetError(
      `${file}: every record must have ${features.length} cells, got ${cells.length} in ${where}. ` +
        "Put cells that hold commas in double quotes.",
    );
  }
  // As in pandas, cells missing at the end of a record are missing values.
  const row = Object.fromEntries(features.map((name, j) => [name, missingToNull(cells[j] ?? "")]));
  for (const name of needed) {
    if (row[name] !== null) continue;
    throw missingValue(file, name, JSON.stringify(cells[features.indexOf(name)] ?? ""), where);
  }
  return row;
}

function csvError(file: string, error: unknown): unknown {
  if (!(error instanceof CsvError)) return error;
  return new DatasetError(
    `${file}: cells with quotes must be quoted and their quotes doubled, got ${oneLine(error.message)}. ` +
      'Write the cell as "he said ""hello""".',
    { cause: error },
  );
}

function emptyFile(file: string): DatasetError {
  return new DatasetError(
    `${file}: the first line must name the columns, got an empty file. Write a header such as id,dialogue,summary,topic.`,
  );
}

function noRecords(file: string): DatasetError {
  return new DatasetError(
    `${file}: must hold at least one record below the header, got none. Add records or remove the file.`,
  );
}

function missingToNull(cell: string): string | null {
  return MISSING.has(cell) ? null : cell;
}
