// What gradloom writes, read by transformers and peft, and the other way round. Skipped where there is no such Python.

import { readFile, rename, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { addLora, mergeLora } from "../../src/t5/lora/adapter.ts";
import { LoraConfig } from "../../src/t5/lora/config.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { scope } from "../../src/tensor/scope.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { distance } from "../support/describeOp.ts";
import { cpu } from "../support/device.ts";
import { temporaryFolder } from "../support/folder.ts";
import { pythonWith, runPython } from "../support/python.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";
import { tinyBatch, tinyT5 } from "../support/tinyT5.ts";

interface Outputs {
  readonly logits: number[];
  readonly loss: number;
}

/** What readWithPython.py prints. */
interface Results extends Record<"checkpoint" | "adapter" | "merged" | "peft", Outputs> {
  readonly state: Readonly<Record<string, unknown>>;
  readonly trainable: number;
}

const folder = temporaryFolder();
const script = fileURLToPath(new URL("readWithPython.py", import.meta.url));
const batch = tinyBatch(3, 9);
const rows = batch.inputIds.map((inputIds, i) => ({ inputIds, labels: batch.labels[i]! }));

/** Trains for two steps with an evaluation, so that the log has every kind of record, and keeps checkpoint-2. */
async function checkpointOf(model: T5ForConditionalGeneration, name: string): Promise<void> {
  const steps = { loggingSteps: 1, evalStrategy: "steps", evalSteps: 1, saveSteps: 2 } as const;
  const args = {
    ...steps,
    outputDir: folder(),
    maxSteps: 2,
    learningRate: 0.01,
    disableTqdm: true,
  };
  const trainer = new Trainer({ model, args, trainDataset: rows, evalDataset: rows });
  await trainer.train();
  await rename(`${args.outputDir}/checkpoint-2`, folder(name));
}

async function outputsOf(name: string, adapter?: string, merged = false): Promise<Outputs> {
  const options = { device: cpu, adapter: adapter && folder(adapter) };
  const model = await T5ForConditionalGeneration.fromPretrained(folder(name), options);
  if (merged) mergeLora(model);
  const { logits, loss } = scope(() => model.forward(batch));
  const result = { logits: [...(await logits.data())], loss: await loss!.item() };
  for (const x of [logits, loss!]) x.dispose();
  model.dispose();
  return result;
}

function expectSame(ours: Outputs, theirs: Outputs): void {
  expect(distance(ours.logits, theirs.logits)).toBeLessThan(1e-4);
  expect(Math.abs(ours.loss - theirs.loss)).toBeLessThan(1e-5 * theirs.loss);
}

const python = pythonWith("peft");
const title = "interoperability";

describe.skipIf(!python)(python ? title : `${title} (skipped: no Python with peft)`, () => {
  let theirs: Results;

  beforeAll(async () => {
    const trained = tinyT5();
    await checkpointOf(trained, "checkpoint");
    trained.dispose();
    const adapted = tinyT5({ seed: 2 });
    await adapted.savePretrained(folder("base"));
    const options = { r: 4, loraAlpha: 12, targetModules: ["q", "v", "wi_0"] };
    const patterns = { rankPattern: { "EncDecAttention.q": 2 }, alphaPattern: { v: 5 } };
    addLora(adapted, new LoraConfig({ ...options, ...patterns, initLoraWeights: false }));
    await checkpointOf(adapted, "adapter");
    adapted.dispose();
    const { inputIds: input_ids, attentionMask: attention_mask, labels } = batch;
    await writeFile(folder("inputs.json"), JSON.stringify({ input_ids, attention_mask, labels }));
    const text = await readFile(script, "utf8");
    const environment = { GRADLOOM_FOLDER: folder(""), HF_HUB_OFFLINE: "1" };
    theirs = (await runPython(python!, text, environment)) as Results;
  });

  it("transformers loads checkpoint-N and gives our logits", async () => {
    expectSame(await outputsOf("checkpoint"), theirs.checkpoint);
  });

  it("peft loads checkpoint-N of an adapter and gives our logits, merged or not", async () => {
    expectSame(await outputsOf("base", "adapter"), theirs.adapter);
    expectSame(await outputsOf("base", "adapter", true), theirs.merged);
  });

  it("we load peft's adapter and give its logits", async () => {
    expectSame(await outputsOf("base", "peft"), theirs.peft);
    const options = { device: cpu, adapter: folder("peft") };
    const model = await T5ForConditionalGeneration.fromPretrained(folder("base"), options);
    expect(model.numParameters({ trainableOnly: true })).toBe(theirs.trainable);
    model.dispose();
  });

  it("transformers reads trainer_state.json, which has its keys and no others", async () => {
    const text = await readFile(folder("checkpoint/trainer_state.json"), "utf8");
    const ours = JSON.parse(text) as Record<string, unknown>;
    expect(Object.keys(ours)).toEqual(Object.keys(theirs.state).sort());
    expect(ours).toEqual(theirs.state);
  });
});

describe.skipIf(!hasShared)(needsShared("log records"), () => {
  it("have the keys of transformers' in golden/run-full", async () => {
    const golden = JSON.parse(await readFile(shared("golden", "run-full", "run.json"), "utf8")) as {
      readonly log_history: Record<string, number>[];
    };
    const model = tinyT5();
    const args = {
      outputDir: folder(),
      maxSteps: 1,
      loggingSteps: 1,
      evalStrategy: "steps",
    } as const;
    const trainer = new Trainer({
      ...{ model, trainDataset: rows, evalDataset: rows },
      args: { ...args, saveStrategy: "no", disableTqdm: true },
    });
    await trainer.train();
    model.dispose();
    // The golden file leaves out what differs from run to run.
    const isTiming = (key: string): boolean => /_(runtime|per_second)$/.test(key);
    const kinds = (history: readonly Record<string, number>[]) => {
      const keys = history.map((record) => Object.keys(record).filter((key) => !isTiming(key)));
      return [...new Set(keys.map((list) => list.sort().join(" ")))].sort();
    };
    expect(kinds(trainer.state.logHistory)).toEqual(kinds(golden.log_history));
  });
});
