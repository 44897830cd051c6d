// JSON Lines: an object a line (https://jsonlines.org).

import { DatasetError } from "../tensor/errors.ts";
import type { Row } from "./dataset.ts";
import { parsePythonJson } from "./pythonJson.ts";
import { oneLine, type RowRules } from "./rowChecks.ts";
import { lines } from "./textFile.ts";

/**
 * The rows of a file, one line in memory at a time. A key that a line lacks is a missing value.
 * @throws {DatasetError} naming file, line and column
 */
export async function* jsonRows(
  file: string,
  rules: RowRules,
): AsyncGenerator<Row, void, undefined> {
  let number = 0;
  for await (const line of lines(file)) {
    number++;
    if (line.trim() === "") continue;
    const object = parseLine(line, file, number);
    const row = rules.row({ file, where: `line ${number}` }, Object.entries(object));
    if (row !== undefined) yield row;
  }
}

function parseLine(line: string, file: string, number: number): Record<string, unknown> {
  let value: unknown;
  try {
    value = parsePythonJson(line);
  } catch (error) {
    if (number === 1 && line.trimStart().startsWith("[")) throw notAnObject(file, number, line);
    throw new DatasetError(
      `${file}: every line must be JSON, got ${oneLine((error as Error).message)} in line ${number}. Correct the line.`,
      { cause: error },
    );
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw notAnObject(file, number, line);
}

function notAnObject(file: string, number: number, line: string): DatasetError {
  return new DatasetError(
    `${file}: every line must be a JSON object, got ${oneLine(line.slice(0, 60))} in line ${number}. ` +
      "Write one object a line, for example with jq -c '.[]'.",
  );
}
