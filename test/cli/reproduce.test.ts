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
