// Every code block of README.md and docs/guide runs as printed, or says why it does not.

import { describe, expect, it } from "vitest";
import {
  blocksOf,
  expectedOutput,
  guidePages,
  parseBlocks,
  programsOf,
} from "../support/documentBlocks.ts";
import { isFull } from "../support/full.ts";
import { compileErrors, runProgram, runShell } from "../support/documentExample.ts";

/** Why a block is not run here. A block names one of these in `<!-- not run: REASON -->`. */
const REASONS = [
  "installs packages",
  "runs the whole test suite or benchmark",
  "downloads from the Hugging Face Hub",
  "runs in a browser; test/browser runs the same calls",
  "installs packages and starts a server",
  "builds the page",
  "belongs in a file of a Space",
  "needs Python",
  "needs an MPI library",
  "needs Slurm",
  "needs Kubernetes",
  "needs an account of the Hub",
];

/** Languages that are shown and are not commands: output, formulas, headers. */
const SHOWN = ["", "text", "json"];

const pages = guidePages().map((file) => ({ file, blocks: blocksOf(file) }));
const blocks = pages.flatMap((page) => page.blocks);
const programs = pages.flatMap((page) => programsOf(page.blocks));
const commands = pages.flatMap((page) => {
  const run = page.blocks.filter(({ language, notRun }) => language === "sh" && !notRun);
  // A process or more each, of commands that test/cli runs, too.
  return isFull || !page.file.includes("guide") ? run : [];
});

describe("documents", () => {
  it.each(programs)("$place prints what its comments say", async (program) => {
    const expected = expectedOutput(program.code);
    const printed = await runProgram(program);
    expect(printed.filter((line) => expected.includes(line))).toEqual(expected);
  });

  it("compile under strict TypeScript, also where they are not run", () => {
    const unrun = blocks
      .filter(({ language, notRun }) => language === "ts" && notRun !== undefined)
      .filter(({ code }) => code.startsWith("import "));
    expect(compileErrors([...programs, ...unrun])).toEqual([]);
  });

  it("that are wrong do not compile", () => {
    const code = 'import { tensor } from "gradloom";\nconst n: string = tensor;\n';
    const [error] = compileErrors([
      { place: "p", file: "f", language: "ts", code, notRun: undefined },
    ]);
    expect(error).toMatch(/^p line 2: .* is not assignable to type 'string'/);
  });

  it.each(commands)("$place runs", async (block) => {
    await runShell(block);
  });

  it("give a known reason for each block that is not run, and use each reason", () => {
    const reasons = blocks.flatMap(({ notRun }) => notRun ?? []);
    expect([...new Set(reasons)].sort()).toEqual([...REASONS].sort());
  });

  it("have no block in a language that is neither run nor marked", () => {
    const stray = blocks.filter(
      ({ language, notRun }) => !notRun && ![...SHOWN, "ts", "sh"].includes(language),
    );
    expect(stray.map(({ place }) => place)).toEqual([]);
  });

  it("are read block by block, with the reason that stands before one", () => {
    const text =
      "a\n```ts\nimport x;\n```\n\n<!-- not run: R -->\n\n```sh\nls\n```\n```ts\nx();\n```\n";
    const parsed = parseBlocks(text, "f");
    expect(parsed.map(({ place, notRun }) => [place, notRun])).toEqual([
      ["f:2", undefined],
      ["f:8", "R"],
      ["f:11", undefined],
    ]);
    expect(programsOf(parsed).map(({ code }) => code)).toEqual(["import x;\nx();\n"]);
  });
});
