// JSON Lines, an object a line (https://jsonlines.org), and the other ways in which .json files hold rows: a list of
// objects, an object whose key `data` is such a list, objects over several lines.

import { DatasetError } from "../tensor/errors.ts";
import { bracketDepths } from "../tensor/json.ts";
import type { Row } from "./dataset.ts";
import { jsonElements } from "./files/jsonElements.ts";
import { parsePythonJson } from "./pythonJson.ts";
import { oneLine, type RowRules } from "./rowChecks.ts";
import { LONGEST_TEXT, linesOf, textPieces } from "./textFile.ts";

/** Where rows are in a file, when not at its top. */
export interface JsonSource {
  /** The text of the file; default what lies there. */
  readonly text?: AsyncIterable<string>;
  /** Key whose value is the list of rows; default `data` where a file is one object with a list of objects there. */
  readonly field?: string | undefined;
}

interface Value {
  readonly value: unknown;
  /** Such as "line 3". */
  readonly where: string;
}

/**
 * The rows of a file, one of them in memory at a time (of a list below a key, all). A key that a row lacks is a missing
 * value.
 * @param file its name in messages
 * @throws {DatasetError} naming file, line and column
 */
export async function* jsonRows(
  file: string,
  rules: RowRules,
  { text = textPieces(file), field }: JsonSource = {},
): AsyncGenerator<Row, void, undefined> {
  for await (const { value, where } of rowValues(tooLong(file, values(text, file)), file, field)) {
    const row = rules.row({ file, where }, Object.entries(asObject(value, file, where)));
    if (row !== undefined) yield row;
  }
}

/** The values that are rows: those of the key when the file is one object that has it, else the values themselves. */
async function* rowValues(
  all: AsyncGenerator<Value, void, undefined>,
  file: string,
  field: string | undefined,
): AsyncGenerator<Value, void, undefined> {
  const first = await all.next();
  if (first.done) return;
  const second = await all.next();
  const inner = second.done ? listBelow(first.value.value, field) : undefined;
  if (inner) {
    const key = field ?? DATA;
    for (const [i, value] of inner.entries()) yield { value, where: `element ${i + 1} of ${key}` };
    return;
  }
  if (field !== undefined) {
    throw new DatasetError(
      `${file}: must be one object with a list of objects below ${field}, got none. Correct field in the head of README.md.`,
    );
  }
  yield first.value;
  if (second.done) return;
  yield second.value;
  yield* all;
}

const DATA = "data";

function listBelow(value: unknown, field: string = DATA): unknown[] | undefined {
  const list = isObject(value) && Object.hasOwn(value, field) ? value[field] : undefined;
  return Array.isArray(list) && list.every(isObject) ? list : undefined;
}

async function* values(
  text: AsyncIterable<string>,
  file: string,
): AsyncGenerator<Value, void, undefined> {
  const { pieces, character } = await begin(text);
  if (character === "[") {
    let count = 0;
    for await (const { text: element, line } of jsonElements(pieces, true)) {
      const where = `element ${++count} (line ${line})`;
      yield { value: parse(element, file, where), where };
    }
    return;
  }
  let number = 0;
  let isFirst = true;
  const lines = linesOf(pieces);
  for await (const line of lines) {
    number++;
    if (line.trim() === "") continue;
    if (isFirst && isOpen(line)) {
      const rest = joined(`${"\n".repeat(number - 1)}${line}\n`, lines);
      for await (const each of jsonElements(rest, false)) {
        const where = `the value from line ${each.line} on`;
        yield { value: parse(each.text, file, where), where };
      }
      return;
    }
    isFirst = false;
    const where = `line ${number}`;
    yield { value: parse(line, file, where), where };
  }
}

/** The first character that is not white space, and all pieces. @throws {RangeError} where blanks are all there is */
async function begin(text: AsyncIterable<string>) {
  const iterator = text[Symbol.asyncIterator]();
  const read: string[] = [];
  let [character, blank] = ["", 0];
  while (character === "") {
    const { done, value } = await iterator.next();
    if (done) break;
    read.push(value);
    character = value.trimStart().slice(0, 1);
    blank += value.length;
    if (blank > LONGEST_TEXT && character === "") throw new RangeError("blanks without an end");
  }
  const rest = { [Symbol.asyncIterator]: () => iterator };
  return { character, pieces: concatenated(read, rest) };
}

async function* concatenated(
  first: readonly string[],
  rest: AsyncIterable<string>,
): AsyncGenerator<string, void, undefined> {
  yield* first;
  yield* rest;
}

async function* joined(
  first: string,
  lines: AsyncIterable<string>,
): AsyncGenerator<string, void, undefined> {
  yield first;
  for await (const line of lines) yield `${line}\n`;
}

/** Whether a line begins an object that ends on a later one. */
function isOpen(line: string): boolean {
  return line.trimStart().startsWith("{") && bracketDepths(line).end > 0;
}

async function* tooLong(
  file: string,
  all: AsyncGenerator<Value, void, undefined>,
): AsyncGenerator<Value, void, undefined> {
  try {
    yield* all;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new DatasetError(
      `${file}: every row, and a list of rows below a key, must have at most 256 MiB of text, got more. Write one object a line, for example with jq -c '.[]'.`,
      { cause: error },
    );
  }
}

function parse(text: string, file: string, where: string): unknown {
  try {
    return parsePythonJson(text);
  } catch (error) {
    throw new DatasetError(
      `${file}: every row must be JSON, got ${oneLine((error as Error).message)} in ${where}. Correct it there.`,
      { cause: error },
    );
  }
}

function asObject(value: unknown, file: string, where: string): Record<string, unknown> {
  if (isObject(value)) return value;
  throw new DatasetError(
    `${file}: every row must be a JSON object, got ${oneLine(JSON.stringify(value).slice(0, 60))} in ${where}. ` +
      'Write each row as {"dialogue": ..., "summary": ...}.',
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
