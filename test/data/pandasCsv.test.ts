// CSV against pandas: 300 awkward files and what pandas.read_csv(dtype=str) makes of them (test/golden/makePandasCsv.py).

import { readFile, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { csvRows } from "../../src/data/csvDataset.ts";
import type { Row } from "../../src/data/dataset.ts";
import { pandasColumnNames } from "../../src/data/pandasCsv.ts";
import { RowRules } from "../../src/data/rowChecks.ts";
import { DatasetError } from "../../src/tensor/errors.ts";
import { temporaryFolder } from "../support/folder.ts";
import { golden } from "../support/golden.ts";

interface Case {
  readonly csv: string;
  /** Why pandas has no rows to give, or none of the header's columns. */
  readonly error?: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
}

const folder = temporaryFolder();
const cases = JSON.parse(await readFile(golden("pandas-csv.json"), "utf8")) as Case[];

async function readCsv(text: string, delimiter?: string): Promise<Row[]> {
  const file = `${folder()}.csv`;
  await writeFile(file, text);
  const rows: Row[] = [];
  for await (const row of csvRows(file, new RowRules("train", []), delimiter)) rows.push(row);
  return rows;
}

describe("CSV", () => {
  const read = cases.filter(({ error }) => error === undefined);
  const refused = cases.filter(({ error }) => error !== undefined);

  it("gives pandas' columns and cells", async () => {
    expect(read.length).toBeGreaterThan(200);
    for (const { csv, columns, rows } of read) {
      const expected = rows.map((cells) =>
        Object.fromEntries(columns.map((name, i) => [name, cells[i]])),
      );
      expect(await readCsv(csv), JSON.stringify(csv)).toEqual(expected);
    }
  });

  it("is refused where pandas refuses it, has no rows, or takes the first column for an index", async () => {
    expect(refused.length).toBeGreaterThan(50);
    for (const { csv, error } of refused) {
      const result = await readCsv(csv).catch((reason: unknown) => reason);
      expect(result, `${JSON.stringify(csv)}: ${error}`).toBeInstanceOf(DatasetError);
    }
  });

  it("is the same wherever a piece of the file ends", async () => {
    const rows = 'a\r\n"b ""c""\r\nd"e\rf\n"""g"""\r\n" "\r\n';
    const expected = ["a", 'b "c"\r\nde', "f", '"g"', " "];
    for (let back = 0; back <= rows.length + 2; back++) {
      const filler = "x".repeat(2 ** 16 - back - "text\n".length - 1);
      const got = await readCsv(`text\n${filler}\n${rows}`);
      expect(
        got.map(({ text }) => text),
        `the piece ends ${back} characters behind the filler`,
      ).toEqual([filler, ...expected]);
    }
  });

  it("may have tabs between its cells", async () => {
    expect(await readCsv('a\tb\n1,2\t"3\t4"\n \n\t\n', "\t")).toEqual([
      { a: "1,2", b: "3\t4" },
      { a: null, b: null },
    ]);
    await expect(readCsv("a\n1\t2\n", "\t")).rejects.toThrow(
      'got 2 in record 1 (ending on line 2). Put cells that hold "\\t" in double quotes',
    );
  });

  it("keeps the names that columns have, and makes up those that pandas makes up", () => {
    expect(pandasColumnNames(["", "topic", "topic", "topic.1", "topic", ""])).toEqual(
      ["Unnamed: 0", "topic", "topic.2", "topic.1", "topic.3", "Unnamed: 5"], // prettier-ignore
    );
    expect(pandasColumnNames(["", "Unnamed: 0"])).toEqual(["Unnamed: 0.1", "Unnamed: 0"]);
  });
});
