// The command as a user meets it: exit codes, one-line errors, --json.

import { mkdtemp, readdir, rm, writeFile, mkdir, cp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXAMPLE_DATASET, EXAMPLE_MODEL } from "../../src/cli/example.ts";
import { gradloom } from "../support/command.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gradloom-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** One line on stderr that names all of `parts`, nothing on stdout, and this exit code. */
async function expectFailure(
  args: readonly string[],
  code: number,
  parts: readonly (string | RegExp)[],
) {
  const result = await gradloom(args);
  expect(result.code, result.stderr).toBe(code);
  const lines = result.stderr.split("\n").filter((line) => line.startsWith("error:"));
  expect(lines, result.stderr).toHaveLength(1);
  for (const part of parts) expect(lines[0]).toMatch(part);
  expect(result.stderr).not.toMatch(/\n\s+at /); // no stack trace
}

describe("info", () => {
  it("prints parameters of the example without loading weights", async () => {
    const { code, stdout } = await gradloom(["info", "--json"]);
    expect(code).toBe(0);
    const info = JSON.parse(stdout) as { parameters: number; memoryBytes: { weightsF32: number } };
    expect(info.memoryBytes.weightsF32).toBe(4 * info.parameters);
  });

  it.skipIf(!hasShared)(
    needsShared("counts as the notebook does, from config.json alone"),
    async () => {
      for (const [name, count] of Object.entries({
        "flan-t5-small": 76961152,
        "flan-t5-base": 247577856,
        "flan-t5-large": 783150080,
        "t5-small": 60506624,
      })) {
        const { code, stdout } = await gradloom([
          "info",
          "--model",
          shared("models", name),
          "--json",
        ]);
        expect(code).toBe(0);
        expect((JSON.parse(stdout) as { parameters: number }).parameters).toBe(count);
      }
    },
  );
});

describe("wrong usage", () => {
  it.each([
    [["nonsense"], /nonsense/],
    [["info", "--nonsense"], /--nonsense/],
    [["reproduce", "--max-steps", "0"], /--max-steps/],
    [["reproduce", "--max-steps", "many"], /--max-steps/],
    [["reproduce", "--device", "tpu"], /cpu, webgpu, auto/],
  ])("exits with 2: %j", (args, message) => expectFailure(args, 2, [message]));
});

describe("bad input", () => {
  it("names a folder that is not there", async () => {
    const missing = join(folder, "nothing-here");
    await expectFailure(["info", "--model", missing], 1, ["nothing-here"]);
    await expectFailure(["reproduce", "--dataset", missing], 1, ["nothing-here"]);
    await expectFailure(["summarize", missing], 1, ["nothing-here"]);
  });

  it("names the columns that a CSV lacks, and writes nothing", async () => {
    const dataset = join(folder, "columns");
    await mkdir(dataset);
    for (const split of ["train", "validation", "test"]) {
      await writeFile(join(dataset, `${split}.csv`), "id,text\n1,hello\n");
    }
    const output = join(folder, "never-written");
    await expectFailure(["reproduce", "--dataset", dataset, "--output", output], 1, [
      "train.csv",
      "dialogue",
      "text",
    ]);
    expect(await readdir(folder)).not.toContain("never-written");
  });

  it("names an empty dataset", async () => {
    const dataset = join(folder, "empty");
    await mkdir(dataset);
    for (const split of ["train", "validation", "test"]) {
      await writeFile(join(dataset, `${split}.csv`), "id,dialogue,summary,topic\n");
    }
    await expectFailure(["reproduce", "--dataset", dataset], 1, ["train.csv"]);
  });

  it("names the activation it does not know", async () => {
    const model = join(folder, "activation");
    await cp(EXAMPLE_MODEL, model, { recursive: true });
    await writeFile(
      join(model, "config.json"),
      JSON.stringify({ model_type: "t5", feed_forward_proj: "gated-mish" }),
    );
    await expectFailure(["summarize", "--model", model, join(EXAMPLE_DATASET, "test.csv")], 1, [
      "config.json",
      "feed_forward_proj",
      "mish",
    ]);
  });

  it("names tokenizer and model that do not fit", async () => {
    const model = join(folder, "vocabulary");
    await cp(EXAMPLE_MODEL, model, { recursive: true });
    const { stdout } = await gradloom(["info", "--json"]);
    const { config } = JSON.parse(stdout) as { config: Record<string, unknown> };
    // Weights of the right shape for a vocabulary that is too small cannot exist beside this tokenizer.
    await writeFile(join(model, "config.json"), JSON.stringify({ ...config, vocab_size: 64 }));
    await expectFailure(["reproduce", "--model", model], 1, [/vocab/]);
  });

  it("names the tensor that has another shape", async () => {
    const model = join(folder, "shape");
    await cp(EXAMPLE_MODEL, model, { recursive: true });
    const { stdout } = await gradloom(["info", "--json"]);
    const { config } = JSON.parse(stdout) as { config: Record<string, number> };
    await writeFile(
      join(model, "config.json"),
      JSON.stringify({ ...config, d_ff: config.d_ff! + 1 }),
    );
    await expectFailure(["reproduce", "--model", model], 1, ["DenseReluDense", "config.json"]);
  });
});

describe("summarize", () => {
  it("summarises stdin, one JSON object on stdout", async () => {
    const { code, stdout, stderr } = await gradloom(
      ["summarize", "--json", "--max-new-tokens", "5"],
      "#Person1#: Hello, is the red bike still for sale?\n#Person2#: Yes, it is.",
    );
    expect(code, stderr).toBe(0);
    const { summaries } = JSON.parse(stdout) as {
      summaries: { source: string; summary: string }[];
    };
    expect(summaries).toHaveLength(1);
    expect(summaries[0]!.source).toBe("stdin");
    expect(summaries[0]!.summary.length).toBeGreaterThan(0);
    // One dialogue that is done at once leaves no line of progress: stderr is for what went wrong.
    expect(stderr).not.toContain("summarise:");
  });

  it("refuses an empty dialogue", () => expectFailure(["summarize"], 1, ["stdin"]));
});
