// `gradloom reproduce` on webgpu tells the same story as on the cpu: the losses of every step, and what the model wrote
// before training.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NotebookResult } from "../../src/cli/notebook/result.ts";
import { gradloom } from "../support/command.ts";
import { isFull } from "../support/full.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gradloom-reproduce-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function reproduce(device: string, flags: readonly string[]): Promise<NotebookResult> {
  const output = join(folder, device);
  const { code, stdout, stderr } = await gradloom([
    ...["reproduce", "--json", "--device", device, "--output", output, "--logging-steps", "1"],
    ...flags,
  ]);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as NotebookResult;
}

/** Runs on both devices, which must not differ. */
async function expectSameOnWebGpu(steps: number, flags: readonly string[]): Promise<void> {
  const all = ["--max-steps", String(steps), ...flags];
  const [cpu, webgpu] = [await reproduce("cpu", all), await reproduce("webgpu", all)];
  expect(cpu.training.device).toMatch(/^cpu/);
  expect(webgpu.training.device).toMatch(/^webgpu/);
  const losses = ({ training }: NotebookResult) =>
    training.logHistory.flatMap(({ loss }) => (loss === undefined ? [] : [loss]));
  expect(losses(webgpu)).toHaveLength(steps);
  for (const [i, loss] of losses(webgpu).entries()) {
    expect(Math.abs(loss / losses(cpu)[i]! - 1), `loss of step ${i + 1}`).toBeLessThan(1e-3);
  }
  expect(webgpu.example.original).toBe(cpu.example.original);
  expect(webgpu.summaries.map(({ original }) => original)).toEqual(
    cpu.summaries.map(({ original }) => original),
  );
  expect(webgpu.example.original).not.toBe("");
}

describe("reproduce on webgpu equals reproduce on the cpu", () => {
  const short = isFull ? { steps: 20, rows: 3, tokens: 60 } : { steps: 1, rows: 1, tokens: 4 };

  it.runIf(isFull)(
    `for ${short.steps} step(s) of the example`,
    () =>
      expectSameOnWebGpu(short.steps, [
        ...(isFull ? [] : ["--batch-size", "2"]),
        ...["--rouge-rows", String(short.rows), "--max-new-tokens", String(short.tokens)],
      ]),
    600_000,
  );

  it.skipIf(!isFull || !hasShared)(
    needsShared("for 10 steps and 3 summaries of t5-mini-dialogsum"),
    () =>
      expectSameOnWebGpu(10, [
        ...["--model", shared("models", "t5-mini-dialogsum")],
        ...["--dataset", shared("data", "dialogsum"), "--batch-size", "2"],
        ...["--rouge-rows", "3", "--max-new-tokens", "30", "--warmup-steps", "2"],
      ]),
    1_200_000,
  );
});

describe("reproduce on the example", () => {
  it.runIf(isFull)(
    "ends with summaries that read: no words again and again, nobody and no day that the dialogue has not",
    async () => {
      const { rouge, summaries } = await reproduce("cpu", ["--rouge-rows", "150"]);
      expect(rouge.instruct.rouge1).toBeGreaterThanOrEqual(0.5);
      expect(rouge.original.rouge1).toBeLessThan(0.3);
      const printed = summaries.slice(0, 10);
      expect(printed.filter(reads).length, JSON.stringify(printed)).toBeGreaterThanOrEqual(8);
    },
    300_000,
  );

  it("knows a summary that reads from one that does not", () => {
    const dialogue = "#Person1#: Cindy, shall we meet on Friday?\n#Person2#: Yes, in Seattle.";
    const texts = [
      "Cindy and #Person2# meet on Friday.",
      "They meet in Seattle, and they meet on Friday.",
    ];
    const others = [
      "Jack meets Cindy.",
      "Cindy meets Jack.",
      "They meet on Monday.",
      "Cindy moves it from Friday to Friday to Friday.",
    ];
    expect(texts.map((instruct) => reads({ dialogue, instruct }))).toEqual([true, true]);
    expect(others.map((instruct) => reads({ dialogue, instruct }))).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});

/** Whether no run of words follows itself, and each name, day and place is the dialogue's. */
function reads({ dialogue, instruct }: { dialogue: string; instruct: string }): boolean {
  const words = instruct.match(/[#\w]+/g) ?? [];
  const isAgain = (at: number, length: number): boolean =>
    words.slice(at, at + length).join(" ") === words.slice(at + length, at + 2 * length).join(" ");
  const repeats = words.some((_, at) =>
    [1, 2, 3, 4].some((length) => at + 2 * length <= words.length && isAgain(at, length)),
  );
  // A summary may begin with any of these.
  const names = words.filter(
    (word, at) => /^[#A-Z]/.test(word) && (at > 0 || !["They", "The", "A", "An"].includes(word)),
  );
  return !repeats && names.every((name) => dialogue.includes(name));
}
