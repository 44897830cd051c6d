// Columns and first rows of a dataset whose columns nobody has named yet.

import { writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { loadDataset } from "../../src/data/loadDataset.ts";
import { previewDataset } from "../../src/data/previewDataset.ts";
import { temporaryFolder } from "../support/folder.ts";

const temporary = temporaryFolder();

describe("previewDataset", () => {
  it("shows columns, the first rows and how many there are, whatever the columns are called", async () => {
    const path = temporary("chats.csv");
    await writeFile(path, "text,short\nhello,h\n,empty\nbye,b\n");
    expect(await previewDataset(path, { rows: 2 })).toEqual({
      train: {
        features: ["text", "short"],
        rows: [
          { text: "hello", short: "h" },
          { text: null, short: "empty" },
        ],
        numRows: 3,
      },
    });
    await expect(loadDataset(path)).rejects.toThrow(/column dialogue/);
  });

  it("knows the splits of a folder", async () => {
    const { train, validation, test } = await previewDataset("examples/data", { rows: 0 });
    expect([train!.numRows, validation!.numRows, test!.numRows]).toEqual([2000, 100, 150]);
    expect(train).toMatchObject({ features: ["id", "dialogue", "summary", "topic"], rows: [] });
  });

  it("refuses a number of rows that is none", async () => {
    await expect(previewDataset("examples/data", { rows: -1 })).rejects.toThrow(
      "rows: must be a whole number of at least 0, got -1",
    );
  });
});
