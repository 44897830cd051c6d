// Event files: read back by a reader of their own, and by TensorBoard's where there is such a Python. Both find the
// figures of trainer_state.json.

import { readdir, readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { describe, expect, it, vi } from "vitest";
import { crc32c } from "../../src/train/tensorboard/crc32c.ts";
import { rewriteLogs, TensorBoardCallback } from "../../src/train/tensorboard/callback.ts";
import { defaultLoggingDir } from "../../src/train/tensorboard/eventFile.ts";
import { Trainer } from "../../src/train/trainer.ts";
import type { TrainingArgumentsInput } from "../../src/train/arguments/arguments.ts";
import type { TrainerCallback } from "../../src/train/callbacks.ts";
import { readEvents } from "../support/eventFile.ts";
import { temporaryFolder } from "../support/folder.ts";
import { pythonWith, runPython } from "../support/python.ts";
import { TinyModel, tinyRows } from "../support/tinyModel.ts";

const folder = temporaryFolder();

async function run(
  args: TrainingArgumentsInput,
  callbacks: readonly TrainerCallback[] = [],
): Promise<Trainer> {
  const trainer = new Trainer({
    model: Object.assign(new TinyModel(), { config: { toJSON: () => ({ model_type: "tiny" }) } }),
    trainDataset: tinyRows(16),
    evalDataset: tinyRows(4),
    callbacks,
    args: {
      ...{ maxSteps: 4, loggingSteps: 1, evalStrategy: "steps", evalSteps: 2, saveStrategy: "no" },
      ...{ disableTqdm: true, outputDir: folder(), reportTo: "tensorboard", ...args },
    },
  });
  await trainer.train();
  return trainer;
}

/** Tag, step and value of each figure in the log, as 32-bit floats. */
const expectedScalars = (trainer: Trainer): [string, number, number][] =>
  trainer.state.logHistory.flatMap(({ step, ...figures }) =>
    Object.entries(rewriteLogs(figures)).map(([tag, value]): [string, number, number] => [
      ...([tag, step, Math.fround(value)] as const),
    ]),
  );

describe("an event file", () => {
  it("holds the figures of the log under transformers' tags, the arguments and the configuration", async () => {
    const loggingDir = folder();
    const before = Date.now() / 1000;
    const trainer = await run({ loggingDir });
    const [version, ...events] = await readEvents(loggingDir);
    expect(version).toMatchObject({ fileVersion: "brain.Event:2", step: 0 });
    const scalars = events.filter(({ value }) => value !== undefined);
    expect(scalars.map(({ tag, step, value }) => [tag, step, value])).toEqual(
      expectedScalars(trainer),
    );
    const tags = new Set(scalars.map(({ tag }) => tag));
    for (const tag of ["train/loss", "train/grad_norm", "train/learning_rate", "eval/loss"]) {
      expect(tags).toContain(tag);
    }
    for (const { wallTime } of events) expect(wallTime - before).toBeLessThan(60);
    expect(Math.min(...events.map(({ wallTime }) => wallTime))).toBeGreaterThanOrEqual(before);
    const texts = events.filter(({ text }) => text !== undefined);
    expect(texts.map(({ tag, step, plugin }) => ({ tag, step, plugin }))).toEqual([
      { tag: "args/text_summary", step: 0, plugin: "text" },
      { tag: "model_config/text_summary", step: 0, plugin: "text" },
    ]);
    expect(JSON.parse(texts[0]!.text!)).toMatchObject({ max_steps: 4, learning_rate: 5e-5 });
    expect(JSON.parse(texts[1]!.text!)).toEqual({ model_type: "tiny" });
  });

  it("is new for each run, where PyTorch would put it, and other reporters write besides", async () => {
    const trainer = await run({ reportTo: ["tensorboard", "jsonl"] });
    const { outputDir } = trainer.args;
    expect((await readdir(outputDir)).sort()).toEqual(["log.jsonl", "runs"]);
    const [name] = await readdir(`${outputDir}/runs`);
    expect(name).toMatch(/^[A-Z][a-z]{2}\d{2}_\d{2}-\d{2}-\d{2}_/);
    expect(name!.endsWith(`_${hostname()}`)).toBe(true);
    expect((await readEvents(`${outputDir}/runs/${name}`)).length).toBeGreaterThan(10);
    expect(await defaultLoggingDir("out", new Date(2026, 10, 9, 3, 5, 7))).toBe(
      `out/runs/Nov09_03-05-07_${hostname()}`,
    );
  });

  it("goes where TENSORBOARD_LOGGING_DIR says, unless loggingDir does", async () => {
    const [everywhere, own] = [folder(), folder()];
    vi.stubEnv("TENSORBOARD_LOGGING_DIR", everywhere);
    try {
      await run({});
      await run({ loggingDir: own });
    } finally {
      vi.unstubAllEnvs();
    }
    expect((await readEvents(everywhere)).length).toBe((await readEvents(own)).length);
  });

  it("takes texts beside figures from a callback that takes the place of reportTo's", async () => {
    const board = new TensorBoardCallback({ logDir: folder() });
    await board.addText("too early", "x", 0);
    const writer: TrainerCallback = {
      onEvaluate: (_args, { globalStep }) =>
        board.addText("samples/row_1", "Tom, später 🙂", globalStep),
    };
    const { args } = await run({ reportTo: ["tensorboard", "jsonl"] }, [board, writer]);
    expect(await readdir(args.outputDir)).toEqual(["log.jsonl"]);
    const texts = (await readEvents(board.logDir!)).filter(({ tag }) => tag?.startsWith("samples"));
    expect(texts.map(({ step, text }) => [step, text])).toEqual([
      [2, "Tom, später 🙂"],
      [4, "Tom, später 🙂"],
    ]);
  });

  it("says that it cannot be written", async () => {
    const { outputDir } = (await run({ reportTo: "jsonl" })).args;
    await expect(run({ loggingDir: `${outputDir}/log.jsonl/runs` })).rejects.toThrow(
      /^loggingDir: must be a folder that can be written to, got ENOTDIR for .*Choose another one\.$/,
    );
  });

  it("has the checksum of RFC 3720's examples", () => {
    // B.4: 32 zeros, 32 ones, 0..31.
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  });
});

const python = pythonWith("tensorboard");
const title = "TensorBoard";

describe.skipIf(!python)(python ? title : `${title} (skipped: no Python with it)`, () => {
  it("reads the figures of trainer_state.json, and the texts", async () => {
    const loggingDir = folder();
    const trainer = await run({ loggingDir });
    await trainer.saveState();
    const script = `
import json, os
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(os.environ["FOLDER"], size_guidance={"scalars": 0, "tensors": 0})
events.Reload()
scalars = {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
texts = {tag: events.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in events.Tags()["tensors"]}
print(json.dumps([scalars, texts, events.FirstEventTimestamp()]))`;
    const [scalars, texts] = (await runPython(python!, script, { FOLDER: loggingDir })) as [
      Record<string, [number, number][]>,
      Record<string, string>,
    ];
    const state = JSON.parse(
      await readFile(`${trainer.args.outputDir}/trainer_state.json`, "utf8"),
    ) as { log_history: ({ step: number } & Record<string, number>)[] };
    const expected: Record<string, [number, number][]> = {};
    for (const { step, ...figures } of state.log_history) {
      for (const [key, value] of Object.entries(figures)) {
        const tag = key.startsWith("eval_") ? `eval/${key.slice(5)}` : `train/${key}`;
        (expected[tag] ??= []).push([step, Math.fround(value)]);
      }
    }
    expect(scalars).toEqual(expected);
    expect(Object.keys(texts)).toEqual(["args/text_summary", "model_config/text_summary"]);
    expect(JSON.parse(texts["args/text_summary"]!)).toMatchObject({ max_steps: 4 });
  });
});
