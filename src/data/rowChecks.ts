// What every reader of rows checks, with messages that name file, place, column and cure.

import { DatasetError } from "../tensor/errors.ts";

/** @throws {DatasetError} when a needed column is not there, or a name occurs twice */
export function checkFeatures(
  features: readonly string[],
  file: string,
  needed: readonly string[],
): void {
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

/** A needed value is missing. @param got what the file holds there */
export function missingValue(
  file: string,
  column: string,
  got: string,
  where: string,
): DatasetError {
  return new DatasetError(
    `${file}: column ${column} must not be missing, got ${got} in ${where}. Fill the cell or remove the record.`,
  );
}

/** A value of JSON or Parquet as a cell: texts as they are, others as JSON writes them. */
export function toCell(
  value: unknown,
  isNeeded: boolean,
  place: { readonly file: string; readonly column: string; readonly where: string },
): string | null {
  if (typeof value === "string") return value;
  const { file, column, where } = place;
  if (value === null || value === undefined) {
    if (isNeeded) throw missingValue(file, column, String(value), where);
    return null;
  }
  const text = typeof value === "bigint" ? String(value) : JSON.stringify(value, bigintsAsText);
  if (!isNeeded) return text;
  throw new DatasetError(
    `${file}: column ${column} must hold text, got ${oneLine(text)} in ${where}. Convert it, or name another column.`,
  );
}

function bigintsAsText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

/** Text of a file as a message can show it: no line breaks, not too long. */
export function oneLine(text: string): string {
  const flat = text.replace(/\s+/g, " ");
  return flat.length > 200 ? `${flat.slice(0, 200)}...` : flat;
}
