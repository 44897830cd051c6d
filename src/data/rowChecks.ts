// The rules for rows, one for every format and for streams: what is missing, which columns must hold text, and what
// becomes of a row that cannot be used (docs/guide/data.md#rows).

import { DatasetError } from "../tensor/errors.ts";
import type { Row } from "./dataset.ts";
import { warn } from "../tensor/warnings.ts";

/** What becomes of rows that cannot be used. */
export interface RowOptions {
  /**
   * Leaves out rows without text in a column that is used, and CSV records with too many cells, and says on stderr how
   * many there were. Default false: the first such row is an error.
   */
  readonly skipIncompleteRows?: boolean | undefined;
}

/** Where a row stands, for messages. */
export interface RowPlace {
  readonly file: string;
  /** Such as "line 3". */
  readonly where: string;
  /** What the file holds in a column, when that is not its value as JSON. */
  readonly shown?: (column: string) => string;
}

const SKIP = "leave such rows out with --skip-incomplete-rows (option skipIncompleteRows)";
const NAME_COLUMNS = "name those to use with sourceColumn and targetColumn";

/** The rules for one pass over a split, and how many of its rows were taken and left out. */
export class RowRules {
  readonly #split: string;
  readonly #needed: readonly string[];
  readonly #skips: boolean;
  #taken = 0;
  #leftOut = 0;
  #firstProblem: string | undefined;

  /** @param needed columns that must hold text in every row */
  constructor(split: string, needed: readonly string[], { skipIncompleteRows }: RowOptions = {}) {
    this.#split = split;
    this.#needed = needed;
    this.#skips = skipIncompleteRows === true;
  }

  /** Rows that `row` returned. */
  get taken(): number {
    return this.#taken;
  }

  /** Rows met, those left out among them. */
  get met(): number {
    return this.#taken + this.#leftOut;
  }

  get leftOut(): number {
    return this.#leftOut;
  }

  /**
   * For formats that name their columns once.
   * @throws {DatasetError} when a column that is used is not there, or there twice
   */
  checkColumns(names: readonly string[], file: string): void {
    for (const name of this.#needed) {
      const count = names.filter((other) => other === name).length;
      if (count === 1) continue;
      throw count > 1
        ? new DatasetError(
            `${file}: column ${shownName(name)}, which is used, must be there once, got ${count} of that name. Rename the others in the header.`,
          )
        : noColumn(file, name, names);
    }
  }

  /**
   * The row as the rest of the program reads it; undefined where it is left out.
   * @param cells column and value as the format holds it; of two cells of one column the last one counts
   * @throws {DatasetError} for a row that cannot be used, unless such rows are left out
   */
  row(place: RowPlace, cells: Iterable<readonly [string, unknown]>): Row | undefined {
    const values = new Map(cells);
    const problem = this.#problem(place, values);
    if (problem !== undefined) return this.leaveOut(problem);
    this.#taken++;
    return Object.fromEntries([...values].map(([column, value]) => [column, toCell(value)]));
  }

  /** Counts a row that cannot be used. @throws {DatasetError} unless such rows are left out */
  leaveOut({ what, cure }: Problem): undefined {
    if (!this.#skips) throw new DatasetError(`${what}. ${cure}, or ${SKIP}.`);
    this.#leftOut++;
    this.#firstProblem ??= what;
    return undefined;
  }

  /** At the end of a split. @throws {DatasetError} when every row was left out */
  checkSomeTaken(): void {
    if (this.#taken > 0 || this.#leftOut === 0) return;
    throw new DatasetError(
      `${this.#split}: some row must have text in ${this.#needed.join(" and ")}, got none among ${this.#leftOut}, the first for: ` +
        `${this.#firstProblem}. Fill the columns, or ${NAME_COLUMNS}.`,
    );
  }

  /** Says on stderr how many rows were left out, if any were. */
  report(): void {
    if (this.#leftOut === 0) return;
    warn(
      `left out ${this.#leftOut} of ${this.met} rows of the split ${this.#split} (--skip-incomplete-rows). ` +
        `The first: ${this.#firstProblem}.`,
    );
  }

  #problem({ file, where, shown }: RowPlace, values: ReadonlyMap<string, unknown>) {
    for (const column of this.#needed) {
      const value = values.get(column);
      if (typeof value === "string" && value !== "") continue;
      if (!values.has(column)) {
        const { what, cure } = absent(`${file}: ${where}`, column, [...values.keys()]);
        return { what, cure: `${cure}, fill it` };
      }
      const got = `got ${oneLine(shown?.(column) ?? json(value))} in ${where}`;
      return isMissing(value)
        ? { what: `${file}: column ${column} must not be missing, ${got}`, cure: "Fill the cell" }
        : {
            what: `${file}: column ${column} must hold text, ${got}`,
            cure: "Convert it, name another column",
          };
    }
    return undefined;
  }
}

/** What is wrong with a row, as the two sentences of a message without their full stops. */
export interface Problem {
  readonly what: string;
  readonly cure: string;
}

/** Whether a value of JSON or Parquet is missing: null, no value, a number that is not finite, or an empty text. */
function isMissing(value: unknown): boolean {
  if (typeof value === "number") return !Number.isFinite(value);
  return value === null || value === undefined || value === "";
}

/** A value of JSON or Parquet as a cell: null where it is missing, texts as they are, others as JSON writes them. */
function toCell(value: unknown): string | null {
  if (isMissing(value)) return null;
  return typeof value === "string" ? value : json(value);
}

function json(value: unknown): string {
  if (typeof value === "bigint" || typeof value === "number") return String(value);
  return JSON.stringify(value, bigintsAsText) ?? String(value);
}

function bigintsAsText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

function noColumn(file: string, name: string, names: readonly string[]): DatasetError {
  const { what, cure } = absent(file, name, names);
  return new DatasetError(`${what}. ${cure}.`);
}

function absent(where: string, name: string, names: readonly string[]): Problem {
  const alike = names.find((other) => other !== name && visible(other) === visible(name));
  const cure =
    alike === undefined
      ? `Rename a column, or ${NAME_COLUMNS}`
      : `Take the blanks or invisible characters out of the name ${shownName(alike)}, or name it as it is with sourceColumn and targetColumn`;
  return {
    what: `${where}: must have a column ${shownName(name)}, got ${oneLine(names.map(shownName).join(", ")) || "none"}`,
    cure,
  };
}

// White space, and format characters such as the zero-width space and the byte order mark.
const INVISIBLE = /[\s\p{Cf}\p{Cc}]/gu;

function visible(name: string): string {
  return name.replace(INVISIBLE, "");
}

/** A column's name as a message can show it: quoted and escaped where a reader would not see what it is. */
function shownName(name: string): string {
  const isPlain = name !== "" && !/^ | $|[^\S ]|[\p{Cf}\p{Cc},"]/u.test(name);
  if (isPlain) return name;
  return JSON.stringify(name).replace(/(?! )[\s\p{Cf}]/gu, (character) => {
    const code = character.codePointAt(0)!.toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
  });
}

/** Text of a file as a message can show it: no line breaks, not too long. */
export function oneLine(text: string): string {
  const flat = text.replace(/\s+/g, " ");
  return flat.length > 200 ? `${flat.slice(0, 200)}...` : flat;
}
