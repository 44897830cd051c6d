// CSV as pandas reads it by default: records (not lines), and a cell that holds only "", "NA", "null", ... is a missing
// value. The one reader for whole files and for streams.

import { DatasetError } from "../tensor/errors.ts";
import { csvParser } from "./csvParser.ts";
import type { Parser } from "csv-parse";
import type { Row } from "./dataset.ts";
import { cellOrMissing, PANDAS_LIKE, pandasCells, pandasColumnNames } from "./pandasCsv.ts";
import { oneLine, type RowRules } from "./rowChecks.ts";
import { textPieces } from "./textFile.ts";

/** A quote that is never closed would make the rest of a file one cell: an error from this many bytes on. */
const MAX_RECORD_BYTES = 2 ** 26;

/** What csv-parse gives with its options `info` and `raw`. */
interface ParsedRecord {
  readonly record: string[];
  readonly info: { readonly lines: number };
  /** The record as it stands in the file. */
  readonly raw: string;
}

interface CsvRecord {
  readonly cells: readonly string[];
  readonly where: string;
}

/**
 * The rows of a file, a few records in memory at a time.
 * @param file cells in double quotes where they hold delimiters, quotes or line ends
 * @param delimiter one character: a comma, a tab
 * @param text of the file; default what lies there
 * @throws {DatasetError} when iteration comes to it, for missing columns, no records, a record that cannot be used, a
 *   quote that is never closed; the message names file and record
 */
export async function* csvRows(
  file: string,
  rules: RowRules,
  delimiter = ",",
  text: AsyncIterable<string> = textPieces(file),
): AsyncGenerator<Row, void, undefined> {
  let header: readonly string[] | undefined;
  let names: readonly string[] = [];
  let count = 0;
  for await (const { cells, line } of csvRecords(text, file, delimiter)) {
    if (header === undefined) {
      header = cells;
      rules.checkColumns(header, file);
      names = pandasColumnNames(header);
      continue;
    }
    const where = `record ${++count} (ending on line ${line})`;
    const row = toRow({ cells, where }, names, file, delimiter, rules);
    if (row !== undefined) yield row;
  }
  if (header === undefined) throw emptyFile(file);
  if (count === 0) throw noRecords(file);
}

/** Cells of every record, the header first, with the line that it ends on, from 1. */
async function* csvRecords(text: AsyncIterable<string>, file: string, delimiter: string) {
  const { CsvError, parse } = await csvParser();
  const parser = parse({
    ...PANDAS_LIKE,
    ...{ delimiter, max_record_size: MAX_RECORD_BYTES, info: true, raw: true },
  });
  try {
    for await (const { record, info, raw } of parsed(parser, text)) {
      const cells = pandasCells(record, raw);
      if (cells !== undefined) yield { cells, line: info.lines };
    }
  } catch (error) {
    throw error instanceof CsvError ? csvError(file, error) : error;
  }
}

/** The records of one piece of text after the other. Pages' streams have neither `destroy` nor an iterator. */
async function* parsed(
  parser: Parser,
  text: AsyncIterable<string>,
): AsyncGenerator<ParsedRecord, void, undefined> {
  let ready: ParsedRecord[] = [];
  let failure: Error | undefined;
  let wake = (): void => undefined;
  parser.on("data", (record: ParsedRecord) => ready.push(record));
  parser.on("error", (error) => {
    failure = error;
    wake();
  });
  parser.on("end", () => wake());
  const taken = (give: (done: () => void) => void): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
      give(resolve);
    });
  const take = function* () {
    const records = ready;
    ready = [];
    yield* records;
    if (failure !== undefined) throw failure;
  };
  let isEmpty = true;
  for await (const piece of text) {
    if (piece === "") continue;
    isEmpty = false;
    await taken((done) => parser.write(piece, () => done()));
    yield* take();
  }
  if (isEmpty) return; // pages' streams cannot end before they have begun
  await taken(() => parser.end());
  yield* take();
}

/** @param names of the columns in the order of the file */
function toRow(
  { cells, where }: CsvRecord,
  names: readonly string[],
  file: string,
  delimiter: string,
  rules: RowRules,
): Row | undefined {
  if (cells.length > names.length) {
    return rules.leaveOut({
      what: `${file}: every record must have ${names.length} cells, got ${cells.length} in ${where}`,
      cure: cureFor(names, delimiter),
    });
  }
  // As in pandas, cells missing at the end of a record are missing values.
  const text = (column: string): string => cells[names.indexOf(column)] ?? "";
  return rules.row(
    { file, where, shown: (column) => JSON.stringify(text(column)) },
    names.map((name, j) => [name, cellOrMissing(cells[j] ?? "")] as const),
  );
}

/** Spreadsheets of half of Europe write semicolons. */
function cureFor(names: readonly string[], delimiter: string): string {
  const [only = "", ...others] = names;
  const found = [";", "\t", "|", ","].find((each) => each !== delimiter && only.includes(each));
  return others.length === 0 && found !== undefined
    ? `The header has ${JSON.stringify(found)} between its columns: write ${JSON.stringify(delimiter)} there and in the records`
    : `Put cells that hold ${JSON.stringify(delimiter)} in double quotes`;
}

function csvError(file: string, error: Error): DatasetError {
  return new DatasetError(
    `${file}: a cell that begins with a double quote must end with one, got ${oneLine(error.message)}. ` +
      'Close it, and double the quotes inside: "he said ""hello""".',
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
