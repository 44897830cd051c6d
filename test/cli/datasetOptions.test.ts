// The flags for datasets, columns and prompts, as a user meets them.

import { readdir, writeFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { gradloom } from "../support/command.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
afterEach(() => vi.unstubAllEnvs());

const line = (i: number) =>
  JSON.stringify({ question: `Where is Tom ${i}?`, context: "Tom is at home.", answer: "home" });

async function questions(): Promise<string> {
  const place = folder();
  await mkdir(place);
  const rows = Array.from({ length: 8 }, (_, i) => `${line(i)}\n`).join("");
  for (const split of ["train", "dev", "test"]) {
    await writeFile(join(place, `${split}.jsonl`), rows);
  }
  return place;
}

const columns = ["--prompt-template", "{context}\\n{question}", "--target-column", "answer"];

describe("dataset flags", () => {
  it("evaluate other columns with another prompt", async () => {
    const dataset = await questions();
    const short = ["--dataset", dataset, "--rows", "2", "--max-new-tokens", "2", "--json"];
    const { code, stdout, stderr } = await gradloom(["evaluate", ...short, ...columns]);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ rows: 2 });
  });

  it.each([
    [
      ["--target-column", "answer"],
      1,
      /error: .*test\.jsonl: line 1: must have a column dialogue, got question, context, answer\./,
    ],
    [["--source-column", "question"], 1, /error: .*must have a column summary, got question/],
    [
      ["--prompt-template", "Answer."],
      2,
      /error: .* is invalid\. template: must name a column as in \{dialogue\}/,
    ],
    [["--prompt-template", "{question}", "--source-column", "question"], 2, /cannot be used with/],
  ])("name what is wrong: %j", async (flags, code, message) => {
    const dataset = await questions();
    const result = await gradloom(["evaluate", "--dataset", dataset, ...flags]);
    expect(result.code, result.stderr).toBe(code);
    expect(result.stderr).toMatch(message);
  });

  it("train on a stream, which needs a number of steps", async () => {
    const dataset = await questions();
    const run = (...flags: string[]) =>
      gradloom([
        ...["train", "--dataset", dataset, "--output-dir", folder(), "--streaming", "--json"],
        ...["--rouge-rows", "0", "--save-strategy", "no", ...columns, ...flags],
      ]);
    const { code, stdout, stderr } = await run("--max-steps", "2");
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ globalStep: 2, trainRows: null });
    const endless = await run();
    expect(endless.code).toBe(1);
    expect(endless.stderr).toMatch(
      /error: maxSteps: must be at least 1 when trainDataset is a stream/,
    );
    expect((await run("--max-train-rows", "5")).code).toBe(2);
  });

  it("train on other columns and keep the tokens, unless told not to", async () => {
    const dataset = await questions();
    const run = (...flags: string[]) =>
      gradloom([
        ...["train", "--dataset", dataset, "--output-dir", folder(), "--max-steps", "1"],
        ...["--rouge-rows", "0", "--save-strategy", "no", ...columns, ...flags],
      ]);
    const kept = folder();
    vi.stubEnv("GRADLOOM_CACHE", kept);
    const first = await run();
    expect(first.code, first.stderr).toBe(0);
    expect(await readdir(join(kept, "tokens"))).toContainEqual(
      expect.stringMatching(/\.safetensors$/),
    );
    const none = folder();
    vi.stubEnv("GRADLOOM_CACHE", none);
    expect((await run("--no-cache")).code).toBe(0);
    expect(await readdir(none).catch(() => [])).toEqual([]);
  });
});
