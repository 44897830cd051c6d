// Rows to train on: the example's, files of the visitor, or a dataset of the Hub.

import type { Dataset, DatasetDict, Row } from "gradloom";
import type { ColumnMapping, DataChoice, DataPreview } from "../protocol/data.ts";
import { exampleData } from "./example.ts";
import type { CallContext } from "./handler.ts";
import { readTable } from "./readTable.ts";
import { session } from "./session.ts";

const PREVIEW_ROWS = 5;

/** Reads the data and keeps it for `train`; says which columns there are. */
export async function readData(
  choice: DataChoice,
  { signal }: CallContext<"readData">,
): Promise<DataPreview> {
  const { name, dict } = await dataOf(choice, signal);
  const first = dict.train;
  if (first === undefined || first.rows.length === 0) {
    throw new Error(`${name}: needs rows to train on, got none.`);
  }
  session.data = { name, dict };
  const splits = Object.entries(dict) as [string, Dataset][];
  return {
    name,
    splits: splits.map(([split, { rows }]) => ({ name: split, rows: rows.length })),
    columns: first.features,
    rows: first.rows.slice(0, PREVIEW_ROWS),
    suggested: suggest(first.features, first.rows),
  };
}

async function dataOf(
  choice: DataChoice,
  signal: AbortSignal,
): Promise<{ readonly name: string; readonly dict: DatasetDict }> {
  switch (choice.from) {
    case "example":
      return { name: "the example dialogues", dict: await tables(await exampleData(signal)) };
    case "files": {
      const files = new Map<string, Blob>(choice.files.map((file) => [file.name, file]));
      return { name: choice.files.map(({ name }) => name).join(", "), dict: await tables(files) };
    }
    case "hub":
      throw new Error("Datasets of the Hub come with the browser's private files.");
  }
}

async function tables(files: ReadonlyMap<string, Blob>): Promise<DatasetDict> {
  const found: Record<string, Dataset> = {};
  for (const [name, blob] of files) {
    const split = /valid|dev/.test(name) ? "validation" : /test|eval/.test(name) ? "test" : "train";
    found[split] = await readTable(name, blob);
  }
  return found;
}

const SOURCES = ["dialogue", "document", "article", "text", "input", "source", "content"];
const TARGETS = ["summary", "highlights", "target", "output", "title", "label"];

/** Columns by their usual names, else the longest texts and the second longest. */
function suggest(columns: readonly string[], rows: readonly Row[]): ColumnMapping {
  const length = (column: string): number =>
    rows.slice(0, 20).reduce((sum, row) => sum + (row[column]?.length ?? 0), 0);
  const byLength = [...columns].sort((a, b) => length(b) - length(a));
  const named = (names: readonly string[]): string | undefined =>
    names.map((name) => columns.find((column) => column.toLowerCase() === name)).find(Boolean);
  const source = named(SOURCES) ?? byLength[0]!;
  const target = named(TARGETS) ?? byLength.find((column) => column !== source) ?? source;
  return { source, target };
}
