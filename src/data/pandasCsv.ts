// Where pandas.read_csv reads CSV otherwise than csv-parse does: quotes, lines of blanks, missing values and names of
// columns. test/data/pandasCsv.test.ts compares both.

import type { Options } from "csv-parse";

/** Options of csv-parse that come nearest to pandas. */
export const PANDAS_LIKE = {
  bom: true,
  skip_empty_lines: true,
  relax_quotes: true, // a quote inside an unquoted cell is a character
  relax_column_count: true, // checked against the header, with a better message
  record_delimiter: ["\r\n", "\n", "\r"],
} satisfies Options;

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

/** The cell, or null where pandas takes it for missing. */
export function cellOrMissing(cell: string): string | null {
  return MISSING.has(cell) ? null : cell;
}

/**
 * The cells of a record as pandas reads them; undefined for a line that holds only blanks, which pandas passes over.
 *
 * Of `"a"b`, text after a closing quote, csv-parse makes `"a"b` with relax_quotes, as it does of the properly quoted
 * `"""a""b"`. pandas makes `ab` of the first. The record as it stands in the file tells them apart.
 * @param cells what csv-parse made of it with PANDAS_LIKE
 * @param raw the record as it stands in the file, with line ends before and after it
 */
export function pandasCells(cells: readonly string[], raw: string): readonly string[] | undefined {
  if (cells.length === 1 && /^[ \t\r\n]*$/.test(raw)) return undefined;
  if (!cells.some((cell) => cell.startsWith('"'))) return cells;
  let begin = /^[\r\n]*/.exec(raw)![0].length;
  return cells.map((cell) => {
    const isQuoted = raw[begin] === '"';
    const quoted = `"${cell.replaceAll('"', '""')}"`;
    const isProper =
      isQuoted && raw.startsWith(quoted, begin) && raw[begin + quoted.length] !== '"';
    if (!isQuoted || isProper) {
      begin += (isProper ? quoted : cell).length + 1;
      return cell;
    }
    let end = raw.indexOf('"', begin + 1);
    while (raw[end + 1] === '"') end = raw.indexOf('"', end + 2);
    const text = raw.slice(begin + 1, end).replaceAll('""', '"');
    const behind = cell.slice(1 + text.length + 1);
    begin = end + 1 + behind.length + 1;
    return text + behind;
  });
}

/**
 * Names of the columns as pandas gives them: a name that is empty becomes "Unnamed: 0" (its place), one that was there
 * before becomes "topic.1".
 */
export function pandasColumnNames(header: readonly string[]): string[] {
  const names = header.map((name, i) => (name === "" ? `Unnamed: ${i}` : name));
  const isUnnamed = (i: number): boolean => header[i] === "";
  const counts = new Map<string, number>();
  const taken = new Map<string, number>();
  for (const name of names) taken.set(name, (taken.get(name) ?? 0) + 1);
  const places = names.map((_, i) => i);
  // Columns that have names keep them.
  for (const i of [...places.filter((i) => !isUnnamed(i)), ...places.filter(isUnnamed)]) {
    const original = names[i]!;
    let name = original;
    let count = counts.get(name) ?? 0;
    while (count > 0) {
      counts.set(original, count + 1);
      name = `${original}.${count}`;
      count = taken.get(name) ? count + 1 : (counts.get(name) ?? 0);
    }
    taken.set(original, taken.get(original)! - 1);
    taken.set(name, (taken.get(name) ?? 0) + 1);
    names[i] = name;
    counts.set(name, count + 1);
  }
  return names;
}
