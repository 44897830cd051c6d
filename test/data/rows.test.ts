// The rules for rows, which every format and streams share: what is missing, what is left out, what is not looked at.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Row } from "../../src/data/dataset.ts";
import { loadDataset, streamDataset, type LoadDatasetOptions } from "../../src/data/loadDataset.ts";
import { parsePythonJson } from "../../src/data/pythonJson.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
let warnings: string[] = [];
beforeEach(() => {
  warnings = [];
  vi.spyOn(console, "warn").mockImplementation((line: string) => warnings.push(line));
});
afterEach(() => vi.restoreAllMocks());

async function write(files: Readonly<Record<string, string | Buffer>>): Promise<string> {
  const place = folder();
  await mkdir(place);
  for (const [name, content] of Object.entries(files)) await writeFile(join(place, name), content);
  return place;
}

type Values = readonly (string | null)[];

/** The same rows in every format; a null is an empty cell in CSV. */
const FORMATS: Readonly<Record<string, (dialogues: Values, summaries: Values) => string | Buffer>> =
  {
    "train.csv": (dialogues, summaries) =>
      `dialogue,summary\n${dialogues.map((text, i) => `"${text ?? ""}","${summaries[i] ?? ""}"\n`).join("")}`,
    "train.jsonl": (dialogues, summaries) =>
      dialogues
        .map((dialogue, i) => `${JSON.stringify({ dialogue, summary: summaries[i] })}\n`)
        .join(""),
    "train.parquet": (dialogues, summaries) =>
      Buffer.from(
        parquetWriteBuffer({
          columnData: [
            { name: "dialogue", data: [...dialogues], type: "STRING", nullable: true },
            { name: "summary", data: [...summaries], type: "STRING", nullable: true },
          ],
        }),
      ),
  };

async function streamed(place: string, options: LoadDatasetOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of await streamDataset(place, "train", options)) rows.push(row);
  return rows;
}

describe.each(Object.entries(FORMATS))("a row of %s", (name, make) => {
  it.each([
    ["no text", null],
    ["an empty text", ""],
  ])("with %s in a used column is an error that names the cure", async (_what, missing) => {
    const place = await write({ [name]: make(["a", missing, "c"], ["x", "y", "z"]) });
    for (const read of [() => loadDataset(place), () => streamed(place, {})]) {
      await expect(read()).rejects.toThrow(
        /train\.\w+: column dialogue must not be missing, got .* in (record 2 \(ending on line 3\)|line 2|row 2)\. Fill the cell, or leave such rows out with --skip-incomplete-rows \(option skipIncompleteRows\)\.$/,
      );
    }
    expect(warnings).toEqual([]);
  });

  it("is left out with skipIncompleteRows, which says how many were", async () => {
    const place = await write({ [name]: make(["a", null, "c", ""], ["x", "y", null, "z"]) });
    const options = { skipIncompleteRows: true };
    expect((await loadDataset(place, options)).train!.rows).toEqual([
      { dialogue: "a", summary: "x" },
    ]);
    expect(await streamed(place, options)).toEqual([{ dialogue: "a", summary: "x" }]);
    expect(warnings).toHaveLength(2);
    for (const warning of warnings) {
      expect(warning).toMatch(
        /^warning: left out 3 of 4 rows of the split train \(--skip-incomplete-rows\)\. The first: .*column dialogue must not be missing/,
      );
    }
  });

  it("is null where an unused column is missing or empty, and no error", async () => {
    const place = await write({ [name]: make(["a", null, ""], ["x", "y", "z"]) });
    const options = { sourceColumn: "summary" };
    const expected = ["a", null, null];
    expect((await loadDataset(place, options)).train!.rows.map((row) => row["dialogue"])).toEqual(
      expected,
    );
  });

  it("cannot be the only one that is left out: some row must stay", async () => {
    const place = await write({ [name]: make([null, "b"], ["x", ""]) });
    for (const read of [loadDataset, streamed]) {
      await expect(read(place, { skipIncompleteRows: true })).rejects.toThrow(
        /^train: some row must have text in dialogue and summary, got none among 2, the first for: .*column dialogue must not be missing/,
      );
    }
  });

  it("is not looked at behind maxRows, or in a split that is not used", async () => {
    const place = await write({
      [name]: make(["a", "b", null], ["x", "y", "z"]),
      "test.csv": "nothing\nof use\n",
    });
    const options = { splits: ["train"], maxRows: { train: 2 } } as const;
    expect((await loadDataset(place, options)).train!.rows).toHaveLength(2);
    expect(await streamed(place, options)).toHaveLength(2);
    await expect(loadDataset(place, { splits: ["train"] })).rejects.toThrow("must not be missing");
    await expect(loadDataset(place, { maxRows: { train: 2 } })).rejects.toThrow("test.csv");
  });
});

describe("rows that are left out", () => {
  const skip = { skipIncompleteRows: true };

  it("are also those without the key, with other values than text, and with too many cells", async () => {
    const lines = [
      { dialogue: "a" },
      { dialogue: 5, summary: "b" },
      { dialogue: "c", summary: "d" },
    ];
    const json = await write({
      "train.jsonl": lines.map((line) => JSON.stringify(line)).join("\n"),
    });
    const csv = await write({ "train.csv": "dialogue,summary\na,b,c\nc,d\ne\n" });
    for (const [place, count] of [
      [json, 2],
      [csv, 2],
    ] as const) {
      expect((await loadDataset(place, skip)).train!.rows).toEqual([
        { dialogue: "c", summary: "d" },
      ]);
      expect(warnings.pop()).toContain(`left out ${count} of 3 rows`);
    }
    await expect(loadDataset(json)).rejects.toThrow(
      /train\.jsonl: line 1: must have a column summary, got dialogue\. Rename a column, .*fill it, or leave such rows out with --skip-incomplete-rows/,
    );
    await expect(loadDataset(csv)).rejects.toThrow(/got 3 in record 1 .* --skip-incomplete-rows/);
  });

  it("are counted up to where a stream was left, and a file of nothing else is no error", async () => {
    const place = await write({
      "train-1.csv": "dialogue,summary\na,\n",
      "train-2.csv": "dialogue,summary\n,b\nc,d\ne,f\n,g\n",
    });
    for await (const row of await streamDataset(place, "train", skip)) {
      expect(row).toEqual({ dialogue: "c", summary: "d" });
      break;
    }
    expect(warnings.pop()).toContain("left out 2 of 3 rows");
    expect((await loadDataset(place, skip)).train!.rows).toHaveLength(2);
    expect(warnings.pop()).toContain("left out 3 of 5 rows");
  });

  it("are never those of a file that is broken", async () => {
    const broken = { "train.jsonl": '{"dialogue": "a", "summary": "b"}\n{"dialogue"\n' };
    await expect(loadDataset(await write(broken), skip)).rejects.toThrow("every row must be JSON");
    const none = { "train.csv": "dialogue,text\na,b\n" };
    await expect(loadDataset(await write(none), skip)).rejects.toThrow(
      "must have a column summary, got dialogue, text",
    );
  });
});

describe("columns", () => {
  it("may have any names, and one name twice, where nobody uses them", async () => {
    const place = await write({
      "train.csv": ",,dialogue,summary,topic,topic\n0,1,a,b,c,d\n",
    });
    expect((await loadDataset(place)).train!.rows).toEqual([
      {
        "Unnamed: 0": "0",
        "Unnamed: 1": "1",
        dialogue: "a",
        summary: "b",
        topic: "c",
        "topic.1": "d",
      },
    ]);
    await expect(loadDataset(place, { targetColumn: "topic" })).rejects.toThrow(
      "train.csv: column topic, which is used, must be there once, got 2 of that name. Rename the others",
    );
  });

  it.each([
    ["a blank", "id, dialogue,summary", '" dialogue"'],
    ["a blank behind", "id,dialogue ,summary", '"dialogue "'],
    ["a no-break space", "id,\u00a0dialogue,summary", '"\\u00a0dialogue"'],
    ["a zero-width space", "id,\u200bdialogue,summary", '"\\u200bdialogue"'],
    ["a byte order mark", "id,\ufeffdialogue,summary", '"\\ufeffdialogue"'],
  ])("are shown as they are when a name has %s", async (_what, header, shown) => {
    const place = await write({ "train.csv": `${header}\n1,a,b\n` });
    await expect(loadDataset(place)).rejects.toThrow(
      `train.csv: must have a column dialogue, got id, ${shown}, summary. ` +
        `Take the blanks or invisible characters out of the name ${shown}, or name it`,
    );
    const sourceColumn = header.split(",")[1]!;
    expect((await loadDataset(place, { sourceColumn })).train!.rows[0]![sourceColumn]).toBe("a");
  });
});

describe("NaN and Infinity, which Python's json writes", () => {
  it("are missing values, and texts about them stay", async () => {
    const place = await write({
      "train.jsonl":
        '{"score": NaN, "dialogue": "a NaN \\"b\\", -Infinity", "summary": "c", "all": [1, -Infinity, "NaN"]}\n',
    });
    expect((await loadDataset(place)).train!.rows).toEqual([
      { score: null, dialogue: 'a NaN "b", -Infinity', summary: "c", all: '[1,null,"NaN"]' },
    ]);
    await expect(loadDataset(place, { sourceColumn: "score" })).rejects.toThrow(
      "column score must not be missing",
    );
  });

  it("are missing in Parquet too", async () => {
    const text = (name: string) => ({ name, data: ["a", "b"], type: "STRING" as const });
    const score = { name: "score", data: [NaN, 0.5], type: "DOUBLE" as const };
    const columnData = [text("dialogue"), text("summary"), score];
    const place = await write({ "train.parquet": Buffer.from(parquetWriteBuffer({ columnData })) });
    expect((await loadDataset(place)).train!.rows.map((row) => row["score"])).toEqual([
      null,
      "0.5",
    ]);
  });

  it("make nothing else of broken JSON, and of long texts no stack overflow", () => {
    expect(parsePythonJson('{"a": [NaN, Infinity, -Infinity]}')).toEqual({ a: [null, null, null] });
    for (const text of ['{"a": NaNa}', '{"a": -NaN}', "NaN NaN", '{"a": xNaN}', "{NaN: 1}"]) {
      expect(() => parsePythonJson(text), text).toThrow(SyntaxError);
    }
    const long = '\\"NaN '.repeat(2_000_000);
    expect(parsePythonJson(`["${long}", NaN]`)).toEqual([long.replaceAll("\\", ""), null]);
  });
});
