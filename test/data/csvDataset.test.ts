import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DatasetError } from "../../src/tensor/errors.ts";
import { csvRows } from "../../src/data/csvDataset.ts";
import { formatDatasetDict, type Columns, type Row } from "../../src/data/dataset.ts";
import { neededColumns } from "../../src/data/prompt.ts";
import { loadDataset } from "../../src/data/loadDataset.ts";
import { RowRules } from "../../src/data/rowChecks.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

const HEADER = "id,dialogue,summary,topic\n";

describe("csvRows", () => {
  it("parses records, not lines: newlines, commas and doubled quotes inside quotes", async () => {
    const text = `${HEADER}t0,"#Person1#: Hi, ""Bob"".\n#Person2#: Hi.\n",They greet.,greeting\n`;
    expect(await readCsv(text)).toEqual({
      features: ["id", "dialogue", "summary", "topic"],
      rows: [
        {
          id: "t0",
          dialogue: '#Person1#: Hi, "Bob".\n#Person2#: Hi.\n',
          summary: "They greet.",
          topic: "greeting",
        },
      ],
    });
  });

  it("reads what pandas reads: byte order mark, CRLF, blank lines, missing cells at the end", async () => {
    const text = "\uFEFFdialogue,summary,topic\r\n\r\na,b\r\n\r\nc,d,e";
    const { features, rows } = await readCsv(text);
    expect(features).toEqual(["dialogue", "summary", "topic"]);
    expect(rows).toEqual([
      { dialogue: "a", summary: "b", topic: null },
      { dialogue: "c", summary: "d", topic: "e" },
    ]);
  });

  // STR_NA_VALUES of pandas 3.0.6.
  const missing =
    "#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null";
  it("takes pandas' missing values for null, quoted or not, and nothing else", async () => {
    for (const cell of ["", ...missing.split("|")]) {
      const { rows } = await readCsv(`${HEADER}t0,a,b,${cell}\nt1,a,b,"${cell}"\n`);
      expect(rows.map(({ topic }) => topic)).toEqual([null, null]);
    }
    for (const cell of [" NA", "na", "none", "Nan", "nothing", "0", "NA."]) {
      expect((await readCsv(`${HEADER}t0,a,b,${cell}\n`)).rows[0]!["topic"]).toBe(cell);
    }
  });

  it("takes other columns by name", async () => {
    const columns = { sourceColumn: "article", targetColumn: "headline" };
    expect((await readCsv("article,headline\na,b\n", columns)).rows).toEqual([
      { article: "a", headline: "b" },
    ]);
  });

  const refused: [string, string, string][] = [
    ["an empty file", "", "x.csv: the first line must name the columns, got an empty file."],
    ["a header alone", HEADER, "x.csv: must hold at least one record below the header, got none."],
    [
      "a missing column",
      "id,text\n1,a\n",
      "x.csv: must have a column dialogue, got id, text. Rename a column, or name those to use with sourceColumn and targetColumn.",
    ],
    [
      "a column twice",
      "dialogue,summary,summary\na,b,c\n",
      "x.csv: column summary, which is used, must be there once, got 2 of that name.",
    ],
    [
      "a missing summary",
      `${HEADER}t0,"a\nb",c,d\nt1,"a\nb",NA,d\n`,
      'x.csv: column summary must not be missing, got "NA" in record 2 (ending on line 5).',
    ],
    [
      "a missing dialogue",
      `${HEADER}t0\n`,
      'x.csv: column dialogue must not be missing, got "" in record 1 (ending on line 2).',
    ],
    [
      "too many cells",
      `${HEADER}t0,Hi, Bob,b,c\n`,
      "x.csv: every record must have 4 cells, got 5 in record 1 (ending on line 2).",
    ],
    ["a quote that never closes", `${HEADER}t0,"a,b,c\n`, "opening quote at line 2"],
  ];
  it.each(refused)("refuses %s in one line that names the file", async (_, text, message) => {
    const error = await readCsv(text).then(
      () => new Error("nothing was thrown"),
      (reason: Error) => reason,
    );
    expect(error).toBeInstanceOf(DatasetError);
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/^x\.csv: .*\.$/);
    expect(error.message).not.toContain("\n");
  });
});

describe("loadDataset", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "gradloom-csv-"));
  });
  afterEach(async () => {
    await rm(dir, { recursive: true });
  });

  it("loads the splits that are there, dev.csv as validation", async () => {
    await writeFile(join(dir, "dev.csv"), `${HEADER}d0,a,b,c\n`);
    await writeFile(join(dir, "test.csv"), `${HEADER}t0,a,b,c\nt1,a,b,c\n`);
    const dict = await loadDataset(dir);
    expect(Object.keys(dict)).toEqual(["validation", "test"]);
    expect(dict.validation?.rows).toHaveLength(1);
    expect(formatDatasetDict(dict)).toBe(`DatasetDict({
    validation: Dataset({
        features: ['id', 'dialogue', 'summary', 'topic'],
        num_rows: 1
    })
    test: Dataset({
        features: ['id', 'dialogue', 'summary', 'topic'],
        num_rows: 2
    })
})`);
  });

  it("prefers validation.csv to dev.csv", async () => {
    await writeFile(join(dir, "dev.csv"), `${HEADER}d0,a,b,c\n`);
    await writeFile(join(dir, "validation.csv"), `${HEADER}v0,a,b,c\n`);
    expect((await loadDataset(dir)).validation?.rows[0]?.["id"]).toBe("v0");
  });

  it("names the file and the record of a missing value", async () => {
    await writeFile(join(dir, "train.csv"), `${HEADER}t0,a,,c\n`);
    await expect(loadDataset(dir)).rejects.toThrow(
      `${join(dir, "train.csv")}: column summary must not be missing, got "" in record 1 (ending on line 2)`,
    );
  });

  it("refuses what is not there, a file without rows, and a folder without data files", async () => {
    await expect(loadDataset(join(dir, "none"))).rejects.toThrow(/got .*none \(nothing there\)/);
    await writeFile(join(dir, "data.csv"), HEADER);
    for (const source of [join(dir, "data.csv"), dir]) {
      await expect(loadDataset(source)).rejects.toThrow(
        /data\.csv: must hold at least one record below the header, got none/,
      );
    }
    await rm(join(dir, "data.csv"));
    await expect(loadDataset(dir)).rejects.toThrow(/got no csv file/);
    await expect(loadDataset(dir)).rejects.toThrow(DatasetError);
  });

  it("refuses text that is not UTF-8", async () => {
    await writeFile(join(dir, "train.csv"), Buffer.from([0x69, 0x64, 0xe9, 0x0a]));
    await expect(loadDataset(dir)).rejects.toThrow(/train\.csv: must be UTF-8 text/);
  });

  it.skipIf(!hasShared)(needsShared("reads DialogSum as the notebook prints it"), async () => {
    const dict = await loadDataset(shared("data", "dialogsum"));
    const part = (split: string, rows: number): string =>
      `    ${split}: Dataset({\n        features: ['id', 'dialogue', 'summary', 'topic'],\n        num_rows: ${rows}\n    })\n`;
    expect(formatDatasetDict(dict)).toBe(
      `DatasetDict({\n${part("train", 12460)}${part("validation", 500)}${part("test", 1500)}})`,
    );
    expect(dict.test?.rows[200]?.["id"]).toBe("test_66_3");
    const lines = dict.test?.rows[200]?.["dialogue"]?.split("\n") ?? [];
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.every((line) => /^#Person\d#:/.test(line))).toBe(true);
  });
});

/** Reads `text` as the file x.csv; messages name it without its folder. */
async function readCsv(text: string, columns: Columns = {}) {
  const dir = await mkdtemp(join(tmpdir(), "gradloom-csv-"));
  const rows: Row[] = [];
  try {
    await writeFile(join(dir, "x.csv"), text);
    for await (const row of csvRows(
      join(dir, "x.csv"),
      new RowRules("train", neededColumns(columns)),
    ))
      rows.push(row);
    return { features: Object.keys(rows[0]!), rows };
  } catch (error) {
    if (error instanceof Error) error.message = error.message.replace(join(dir, "x.csv"), "x.csv");
    throw error;
  } finally {
    await rm(dir, { recursive: true });
  }
}
