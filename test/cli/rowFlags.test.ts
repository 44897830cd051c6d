// Which rows the commands use, what they do about those without text, and how a prompt is written on the command line.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { templateOption } from "../../src/cli/templateOption.ts";
import { gradloom } from "../support/command.ts";
import { isFull } from "../support/full.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();

async function write(files: Readonly<Record<string, string>>): Promise<string> {
  const place = folder();
  await mkdir(place);
  for (const [name, content] of Object.entries(files)) await writeFile(join(place, name), content);
  return place;
}

const HEADER = "dialogue,summary\n";
const rows = (count: number): string => HEADER + "Tom is at home.,Tom is home.\n".repeat(count);
/** Its second row has no dialogue. */
const holed = `${rows(1)},Nobody spoke.\n${"Ann is out.,Ann is out.\n".repeat(2)}`;
const bare = "dialogue\nTom is at home.\n";

const evaluate = (dataset: string, ...flags: string[]) =>
  gradloom(["evaluate", "--dataset", dataset, "--max-new-tokens", "2", "--json", ...flags]);
const train = (dataset: string, ...flags: string[]) =>
  gradloom([
    ...["train", "--dataset", dataset, "--output-dir", folder(), "--save-strategy", "no"],
    ...["--max-steps", "1", "--no-cache", "--json", ...flags],
  ]);

describe("rows that a command does not use", () => {
  it("are not looked at: other splits, and what stands behind --rows, --max-train-rows, --rouge-rows", async () => {
    const dataset = await write({ "train.csv": holed, "validation.csv": bare, "test.csv": holed });
    for (const run of [
      evaluate(await write({ "train.csv": bare, "test.csv": rows(1) })),
      evaluate(dataset, "--rows", "1"),
      train(dataset, "--max-train-rows", "1", "--rouge-rows", "1"),
      train(await write({ "train.csv": rows(2), "test.csv": bare }), "--rouge-rows", "0"),
    ]) {
      const { code, stderr } = await run;
      expect(code, stderr).toBe(0);
      expect(stderr).not.toContain("left out");
    }
  });
});

describe("--skip-incomplete-rows", () => {
  const commands = [
    ["evaluate", (dataset: string, flag: string[]) => evaluate(dataset, ...flag), "test"],
    [
      "train",
      (dataset: string, flag: string[]) => train(dataset, "--rouge-rows", "0", ...flag),
      "train",
    ],
    [
      "train --streaming",
      (dataset: string, flag: string[]) =>
        train(dataset, "--rouge-rows", "0", "--streaming", ...flag),
      "train",
    ],
    [
      "reproduce",
      (dataset: string, flag: string[]) =>
        gradloom([
          ...["reproduce", "--dataset", dataset, "--output", folder(), "--max-steps", "1"],
          ...["--max-new-tokens", "2", "--no-cache", "--json", ...flag],
        ]),
      "test",
    ],
  ] as const;

  it.each(isFull ? commands : commands.slice(0, 2))(
    "is the cure that %s names, and says how many rows it left out",
    async (_name, run, split) => {
      const dataset = await write({ "train.csv": holed, "test.csv": holed });
      const refused = await run(dataset, []);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(
        /error: .*\.csv: column dialogue must not be missing, got "" in record 2 \(ending on line 3\)\. .*--skip-incomplete-rows/,
      );
      const { code, stdout, stderr } = await run(dataset, ["--skip-incomplete-rows"]);
      expect(code, stderr).toBe(0);
      expect(stderr).toContain(`warning: left out 1 of 4 rows of the split ${split} (`);
      expect(() => JSON.parse(stdout)).not.toThrow();
    },
  );
});

describe("a prompt on the command line", () => {
  const read = (text: string): unknown =>
    templateOption("--template <text>", "a prompt").parseArg!(text, undefined);

  it("has \\n, \\t and \\\\, doubled braces, and every other backslash as it is", () => {
    expect(read("a\\n{x}\\tb\\\\n \\d \\{{")).toBe("a\n{x}\tb\\n \\d \\{{");
  });

  it("is the same in summarize, and judged before the model is loaded", async () => {
    const run = (template: string) =>
      gradloom(["summarize", "--template", template, "--model", "nowhere/none"], "Tom is at home.");
    for (const [template, code, message] of [
      ['{"summary": 1} {dialogue}', 1, /got \{"summary": 1\} and only dialogue\. .*\{\{ and \}\}/],
      ["{dialogue} }", 2, /a brace must be doubled .* Write \{\{ for \{ and \}\} for \}/],
      ["no column", 2, /must name a column/],
    ] as const) {
      const result = await run(template);
      expect(result.stderr).toMatch(message);
      expect(result.code, result.stderr).toBe(code);
    }
    const args = ["summarize", "--max-new-tokens", "2", "--json", "--template"];
    const good = await gradloom([...args, '{{"a"}}\\n{dialogue}'], "Tom is at home.");
    expect(good.code, good.stderr).toBe(0);
  });
});
