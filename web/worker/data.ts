// Rows to train on: the example's, files of the visitor, or a dataset of the Hub.

import { previewDataset, type HubOptions, type Row, type SplitPreview } from "gradloom";
import type { ColumnMapping, DataChoice, DataPreview, LastingData } from "../protocol/data.ts";
import { exampleData } from "./example.ts";
import type { CallContext } from "./handler.ts";
import { hubOptions } from "./models.ts";
import { session } from "./session.ts";
import { keepExample, keepIfGood, use } from "./storage/dropped.ts";

/** Enough to see which column is which. */
const PREVIEW_ROWS = 20;

type Context = CallContext<"readData">;

interface Place {
  readonly name: string;
  readonly source: string;
  readonly options: HubOptions;
}

/** Reads the data through once, and keeps its place for `train`; says which columns there are. */
export async function readData(choice: DataChoice, context: Context): Promise<DataPreview> {
  if (choice.from !== "files") return read(choice, context);
  const files = new Map<string, Blob>(choice.files.map((file) => [file.name, file]));
  const name = [...files.keys()].join(", ");
  return keepIfGood("rows", files, (folder) => read({ from: "kept", folder, name }, context));
}

async function read(choice: LastingData, context: Context): Promise<DataPreview> {
  const place = await placeOf(choice, context);
  const { name, source, options } = place;
  const found = await previewDataset(source, { ...options, rows: PREVIEW_ROWS });
  const { train } = found;
  if (train === undefined || train.numRows === 0) {
    throw new Error(`${name}: needs rows to train on, got none.`);
  }
  if (train.features.length < 2) {
    throw new Error(
      `${name}: needs two columns, one that the model reads and one that it learns to write, got ${train.features.join()} alone.`,
    );
  }
  if (choice.from === "kept") await use("rows", choice.folder);
  session.data = { ...place, choice, trainRows: train.numRows };
  const splits = Object.entries(found) as [string, SplitPreview][];
  return {
    ...{ choice, name },
    splits: splits.map(([split, { numRows }]) => ({ name: split, rows: numRows })),
    columns: train.features,
    rows: train.rows,
    suggested: suggest(train.features, train.rows),
  };
}

async function placeOf(choice: LastingData, context: Context): Promise<Place> {
  switch (choice.from) {
    case "example": {
      const source = await keepExample(await exampleData(context.signal));
      return { name: "the example dialogues", source, options: {} };
    }
    case "kept":
      return { name: choice.name, source: choice.folder, options: {} };
    case "hub": {
      const { hub } = choice;
      return { name: hub.id, source: hub.id, options: hubOptions(hub, context) };
    }
  }
}

const SOURCES = ["dialogue", "document", "article", "text", "input", "source", "content"];
const TARGETS = ["summary", "highlights", "target", "output", "title", "label"];

/** Columns by their usual names, else the longest texts and the second longest. */
function suggest(columns: readonly string[], rows: readonly Row[]): ColumnMapping {
  const length = (column: string): number =>
    rows.reduce((sum, row) => sum + (row[column]?.length ?? 0), 0);
  const byLength = [...columns].sort((a, b) => length(b) - length(a));
  const named = (names: readonly string[]): string | undefined =>
    names.map((name) => columns.find((column) => column.toLowerCase() === name)).find(Boolean);
  const source = named(SOURCES) ?? byLength[0]!;
  const target = named(TARGETS) ?? byLength.find((column) => column !== source) ?? source;
  return { source, target };
}
