// Inputs whose readers took time with the square of their size, or overflowed the stack.

import { mkdir, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { limited } from "../../src/data/files/packing.ts";
import { jsonRows } from "../../src/data/jsonLines.ts";
import { loadDataset } from "../../src/data/loadDataset.ts";
import { RowRules } from "../../src/data/rowChecks.ts";
import { bracketDepths, parseJson } from "../../src/tensor/json.ts";
import { Tokenizer } from "../../src/model/tokenizer.ts";
import { EXAMPLE_MODEL } from "../../src/cli/example.ts";
import { isFull } from "../support/full.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();

/** Milliseconds of processor time. */
async function time(work: () => unknown): Promise<number> {
  const begin = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1000;
}

async function load(name: string, text: string) {
  const place = folder();
  await mkdir(place);
  await writeFile(`${place}/${name}`, text);
  return (await loadDataset(place)).train!.rows;
}

describe("time grows with size alone", () => {
  it("for one line of 16 MB", async () => {
    const row = { dialogue: "x".repeat(16e6), summary: "s" };
    expect(
      await time(async () => {
        expect(await load("train.jsonl", `${JSON.stringify(row)}\n`)).toEqual([row]);
      }),
    ).toBeLessThan(2000);
  });

  it("for 50,000 columns of one name", async () => {
    const names = "c,".repeat(50_000);
    expect(
      await time(async () => {
        const [row] = await load("train.csv", `${names}dialogue,summary\n${names}a,b\n`);
        expect(Object.keys(row!)).toHaveLength(50_002);
        expect(row!["c.49999"]).toBe("c");
      }),
    ).toBeLessThan(2000);
  });

  it("for a word of a million letters, and for beginnings of sentinels", async () => {
    const tokenizer = await Tokenizer.fromPretrained(EXAMPLE_MODEL);
    const texts = ["a".repeat(1e6), "<extra_id_".repeat(20_000)];
    expect(await time(() => tokenizer.encode(texts))).toBeLessThan(3000);
  });
});

describe("JSON in brackets", () => {
  const lists = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

  it("is read 1,000 deep and refused deeper", () => {
    expect(parseJson(lists(1000))).toBeInstanceOf(Array);
    expect(() => parseJson(lists(1001))).toThrow(SyntaxError);
    expect(() => parseJson(`{"a":`.repeat(1001) + "1" + "}".repeat(1001))).toThrow(/1000 deep/);
  });

  it("counts no brackets of texts", () => {
    const text = JSON.stringify(['\\"[[[{{{'.repeat(500), '"', "\\"]);
    expect(bracketDepths(text)).toEqual({ deepest: 1, end: 0 });
    expect(parseJson(text)).toEqual(JSON.parse(text));
    expect(bracketDepths('{"a": [1, "}"')).toEqual({ deepest: 2, end: 2 });
  });
});

describe("a packed file that unpacks without end", () => {
  let taken = 0;
  /** Pieces of 64 MiB, which are one in memory. */
  async function* endless<T>(first: T, piece: T): AsyncGenerator<T> {
    yield first;
    for (taken = 0; taken < 100; taken++) yield piece;
  }
  async function end(values: AsyncIterable<unknown>): Promise<void> {
    for await (const _ of values) void _;
  }
  const long = "a".repeat(2 ** 26);

  const cases: readonly (readonly [what: string, first: string, piece: string])[] = [
    ["a row", '{"dialogue": "', long],
    ["blanks in front", "\n", " ".repeat(2 ** 26)],
    ["a row of several lines", '{\n"dialogue": "', long],
    ["a list of rows", '[{"dialogue": "', long], // looked at letter by letter, which takes seconds
  ];
  it.each(isFull ? cases : cases.slice(0, 3))(
    "is refused by name for %s",
    async (_, first, piece) => {
      const rows = jsonRows("x.jsonl", new RowRules("train", []), { text: endless(first, piece) });
      await expect(end(rows)).rejects.toThrow(
        "x.jsonl: every row, and a list of rows below a key, must have at most 256 MiB of text, got more.",
      );
      expect(taken).toBeLessThan(6);
    },
  );

  it("is refused where all of it would be in memory, at 256 MiB and 16 times its packed size", async () => {
    const bytes = new Uint8Array(2 ** 26);
    await expect(end(limited("x.parquet.gz", endless(bytes, bytes), 2 ** 20))).rejects.toThrow(
      `x.parquet.gz: must unpack to at most ${2 ** 28 + 2 ** 24} bytes`,
    );
    expect(taken).toBeLessThan(6);
    const few = (async function* () {
      for (let i = 0; i < 4; i++) yield await Promise.resolve(bytes);
    })();
    await end(limited("x.parquet.gz", few, 0));
  });
});
