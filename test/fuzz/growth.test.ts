// Inputs whose readers took time with the square of their size, or overflowed the stack.

import { mkdir, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { loadDataset } from "../../src/data/loadDataset.ts";
import { bracketDepths, parseJson } from "../../src/tensor/json.ts";
import { Tokenizer } from "../../src/model/tokenizer.ts";
import { EXAMPLE_MODEL } from "../../src/cli/example.ts";
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
