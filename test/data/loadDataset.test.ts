// JSON Lines, Parquet, several files a split, the Hub, and rows as a stream.

import { spawnSync } from "node:child_process";
import { open, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parquetWriteBuffer, type ColumnSource } from "hyparquet-writer";
import { describe, expect, it, vi } from "vitest";
import { DatasetError, HubError } from "../../src/tensor/errors.ts";
import type { Row } from "../../src/data/dataset.ts";
import { loadDataset, streamDataset } from "../../src/data/loadDataset.ts";
import { isFull } from "../support/full.ts";
import { COMMIT, FakeHub } from "../support/fakeHub.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
type Content = string | Buffer;

async function write(files: Readonly<Record<string, Content>>): Promise<string> {
  const place = folder();
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(place, name)), { recursive: true });
    await writeFile(join(place, name), content);
  }
  return place;
}

function parquet(columns: readonly ColumnSource[], rowGroupSize = 2): Buffer {
  return Buffer.from(parquetWriteBuffer({ columnData: [...columns], rowGroupSize }));
}

const texts = (...names: string[]): ColumnSource[] =>
  ["dialogue", "summary"].map((name) => ({
    name,
    data: names.map((text) => `${name} ${text}`),
    type: "STRING",
  }));
const rowOf = (name: string): Row => ({ dialogue: `dialogue ${name}`, summary: `summary ${name}` });
const jsonl = (...rows: unknown[]): string =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join("");

async function rowsOf(rows: AsyncIterable<Row>): Promise<Row[]> {
  const all: Row[] = [];
  for await (const row of rows) all.push(row);
  return all;
}

/** The one-line message of the DatasetError that both ways of reading end with. */
async function messageOf(files: Readonly<Record<string, Content>>, options = {}): Promise<string> {
  const place = await write(files);
  const whole = await loadDataset(place, options).catch((error: unknown) => error);
  const streamed = await streamDataset(place, "train", options)
    .then(rowsOf)
    .catch((error: unknown) => error);
  expect(whole).toBeInstanceOf(DatasetError);
  expect(streamed).toBeInstanceOf(DatasetError);
  expect((streamed as Error).message).toBe((whole as Error).message);
  expect((whole as Error).message).not.toContain("\n");
  return (whole as Error).message.replace(`${place}/`, "");
}

describe("JSON Lines", () => {
  it("are read with what JSON allows inside texts, and other values as JSON", async () => {
    const first = { dialogue: 'a\u2028b\n"c"', summary: "é", n: 1, tags: ["x"] };
    const second = { n: null, summary: "s", dialogue: "d" };
    const place = await write({
      "train.jsonl": `\uFEFF${jsonl(first)}\n${jsonl(second).trimEnd()}`,
    });
    const { train } = await loadDataset(place);
    expect(train!.features).toEqual(["dialogue", "summary", "n", "tags"]);
    expect(train!.rows).toEqual([
      { ...first, n: "1", tags: '["x"]' },
      { ...second, n: null },
    ]);
  });

  it.each([
    [
      "broken JSON",
      '{"dialogue": "a", "summary": "b"}\n{"dialogue"\n',
      /^train\.jsonl: every row must be JSON, got .* in line 2\./,
    ],
    [
      "an incomplete row of a list",
      '[{"dialogue": "a"}]\n',
      /^train\.jsonl: element 1 \(line 1\): must have a column summary, got dialogue\./,
    ],
    [
      "an empty row of a list",
      "[\n{}\n]\n",
      /^train\.jsonl: element 1 \(line 2\): must have a column dialogue, got none\./,
    ],
    [
      "a missing key",
      jsonl({ dialogue: "a" }),
      /^train\.jsonl: line 1: must have a column summary, got dialogue\./,
    ],
    [
      "null",
      jsonl({ dialogue: "a", summary: null }),
      /column summary must not be missing, got null in line 1/,
    ],
    [
      "a number",
      jsonl({ dialogue: 5, summary: "b" }),
      /column dialogue must hold text, got 5 in line 1/,
    ],
    ["nothing", "\n", /^train\.jsonl: must hold at least one record/],
    ["latin-1", Buffer.from([0x7b, 0xe9, 0x0a]), /^train\.jsonl: must be UTF-8 text/],
    ["a character cut off", Buffer.from([0x7b, 0xc3]), /^train\.jsonl: must be UTF-8 text/],
  ])("name file, line and column: %s", async (_what, content, message) => {
    if (_what === "nothing") {
      await expect(loadDataset(await write({ "train.jsonl": content }))).rejects.toThrow(
        "at least one record",
      );
    } else {
      expect(await messageOf({ "train.jsonl": content })).toMatch(message);
    }
  });
});

describe("Parquet", () => {
  it("is read over row groups and files, in order", async () => {
    const place = await write({
      "data/train-00001-of-00002.parquet": parquet(texts("d", "e")),
      "data/train-00000-of-00002.parquet": parquet(texts("a", "b", "c")),
    });
    const { train } = await loadDataset(place);
    expect(train).toEqual({
      features: ["dialogue", "summary"],
      rows: ["a", "b", "c", "d", "e"].map(rowOf),
    });
  });

  it("gives other types as text", async () => {
    const id = { name: "id", data: [7n, 8n], type: "INT64" as const };
    const place = await write({ "test.parquet": parquet([id, ...texts("a", "b")]) });
    expect((await loadDataset(place)).test!.rows[1]).toEqual({ id: "8", ...rowOf("b") });
  });

  it("names file, row and column of what cannot be used", async () => {
    const [dialogue] = texts("a", "b", "c");
    const holes = {
      name: "summary",
      data: ["x", "y", null],
      type: "STRING" as const,
      nullable: true,
    };
    expect(await messageOf({ "train.parquet": parquet([dialogue!, holes]) })).toMatch(
      /^train\.parquet: column summary must not be missing, got (null|undefined) in row 3\./,
    );
    expect(await messageOf({ "train.parquet": parquet([dialogue!]) })).toMatch(
      /^train\.parquet: must have a column summary, got dialogue\./,
    );
    const whole = parquet(texts("a"));
    expect(await messageOf({ "train.parquet": whole.subarray(0, whole.length - 20) })).toMatch(
      /^train\.parquet: must be a Parquet file that can be read, got .*Download/,
    );
    expect(await messageOf({ "train.parquet": "PAR1" })).toMatch(
      /^train\.parquet: must be a Parquet/,
    );
  });
});

describe("columns", () => {
  it("are those that a template names", async () => {
    const place = await write({ "train.jsonl": jsonl({ q: "a", context: "b", answer: "c" }) });
    const options = { template: "question: {q} context: {context}", targetColumn: "answer" };
    expect((await loadDataset(place, options)).train!.rows).toHaveLength(1);
    await expect(loadDataset(place, { ...options, template: "{question}" })).rejects.toThrow(
      /must have a column question, got q, context, answer/,
    );
  });
});

describe("a stream", () => {
  it("gives the rows of the files, again for every iteration", async () => {
    const csv = 'dialogue,summary\n"dialogue a","summary a"\n\ndialogue b,summary b\n';
    const place = await write({ "train.csv": csv, "test.csv": csv });
    const stream = await streamDataset(place, "train");
    expect(await rowsOf(stream)).toEqual(["a", "b"].map(rowOf));
    expect(await rowsOf(stream)).toEqual((await loadDataset(place)).train!.rows);
    expect(Object.keys(await loadDataset(place, { splits: ["test", "validation"] }))).toEqual([
      "test",
    ]);
    await expect(streamDataset(place, "validation")).rejects.toThrow(
      /must hold the split validation/,
    );
  });

  it.each([
    ["quotes", 'dialogue,summary\na,b\n"c,d\n'],
    ["too many cells", "dialogue,summary\na,b\na,b,c\n"],
    ["a missing value", "dialogue,summary\na,b\n\na,NA\n"],
    ["no column", "dialogue,text\na,b\n"],
    ["no rows", "dialogue,summary\n"],
    ["nothing", ""],
    ["latin-1", Buffer.from("dialogue,summary\n\xe9,b\n", "latin1")],
  ])("of CSV fails as the whole file does: %s", async (_what, content) => {
    expect(await messageOf({ "train.csv": content })).toMatch(/^train\.csv: /);
  });

  it.runIf(isFull)("of a file larger than memory needs little of it", async () => {
    const place = folder();
    await mkdir(place);
    const text = "word ".repeat(300);
    const rows = 16_000;
    for (const [name, header, row] of [
      ["train.csv", "dialogue,summary\n", `"${text}","short"\n`],
      ["test.jsonl", "", jsonl({ dialogue: text, summary: "short" })],
    ] as const) {
      const file = await open(join(place, name), "w");
      await file.write(header);
      for (let i = 0; i < rows; i += 1000) await file.write(row.repeat(1000));
      await file.close();
    }
    for (const split of ["train", "test"]) {
      const child = fileURLToPath(new URL("../support/streamProcess.mjs", import.meta.url));
      // 24 MB of text against a heap of 16.
      const args = ["--max-old-space-size=16", child, place, split];
      const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
      expect(stdout, stderr).toBe(String(rows));
    }
  });
});

describe("a dataset of the Hub", () => {
  it("is loaded by its id, the card and the data files alone", async () => {
    const hub = await FakeHub.start();
    try {
      vi.stubEnv("HF_ENDPOINT", hub.endpoint);
      vi.stubEnv("HF_HUB_CACHE", folder());
      vi.stubEnv("HF_HUB_OFFLINE", "");
      const csv = "dialogue,summary\ndialogue a,summary a\n";
      hub.repositories.set("datasets/knkarthick/dialogsum", {
        files: {
          "README.md": "#",
          "train.csv": csv,
          "data/test.parquet": parquet(texts("b")),
          "x.csv": "",
        },
      });
      const dict = await loadDataset("knkarthick/dialogsum");
      expect(dict.train!.rows).toEqual([rowOf("a")]);
      expect(dict.test!.rows).toEqual([rowOf("b")]);
      expect(hub.downloads("README.md")).not.toEqual([]);
      expect(hub.downloads("x.csv")).toEqual([]);
      const stream = await streamDataset("knkarthick/dialogsum", "test", { revision: COMMIT });
      expect(await rowsOf(stream)).toEqual([rowOf("b")]);
      hub.repositories.set("datasets/knkarthick/script", { files: { "script.py": "" } });
      const error = await loadDataset("knkarthick/script").catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(HubError);
      expect((error as Error).message).toMatch(
        /^knkarthick\/script: the repository must hold train.*got script\.py/,
      );
    } finally {
      vi.unstubAllEnvs();
      await hub.stop();
    }
  });
});

it("refuses a configuration whose name is no text", async () => {
  const root = folder();
  await mkdir(root, { recursive: true });
  await writeFile(join(root, "train.csv"), "dialogue,summary\na,b\n");
  await writeFile(join(root, "README.md"), "---\nconfigs:\n- config_name:\n    a: 1\n---\n");
  await expect(loadDataset(root)).rejects.toThrow("README.md: config_name must be a text, got");
});
