// What a run leaves in its output folder beside checkpoints: a model that loads, figures by split, its state; files of
// others stay as they are.

import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { addLora } from "../../src/t5/lora/adapter.ts";
import { LoraConfig } from "../../src/t5/lora/config.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { cpu } from "../support/device.ts";
import { temporaryFolder } from "../support/folder.ts";
import { TinyModel } from "../support/tinyModel.ts";
import { tinyT5, weightsOf } from "../support/tinyT5.ts";

const folder = temporaryFolder();
const contents = async (path: string): Promise<Record<string, string>> =>
  Object.fromEntries(
    await Promise.all(
      (await readdir(path)).map(async (name) => [
        name,
        await readFile(`${path}/${name}`, "latin1"),
      ]),
    ),
  ) as Record<string, string>;

const trainerOf = (model: TinyModel | T5ForConditionalGeneration, outputDir: string): Trainer =>
  new Trainer({ model, args: { outputDir, disableTqdm: true, learningRate: 0.01 } });

describe("saveModel", () => {
  it("makes outputDir a model that loads, and keeps what others put there", async () => {
    const outputDir = folder();
    await mkdir(outputDir);
    await writeFile(`${outputDir}/notes.txt`, "mine");
    await writeFile(`${outputDir}/model.safetensors`, "an older one");
    const model = tinyT5();
    await trainerOf(model, outputDir).saveModel();
    expect((await readdir(outputDir)).sort()).toEqual([
      ...["config.json", "generation_config.json", "model.safetensors", "notes.txt"],
      "training_args.json",
    ]);
    const { "notes.txt": notes, "training_args.json": args } = await contents(outputDir);
    expect(notes).toBe("mine");
    expect(JSON.parse(args!)).toMatchObject({ learning_rate: 0.01 });
    const loaded = await T5ForConditionalGeneration.fromPretrained(outputDir, { device: cpu });
    expect(await weightsOf(loaded)).toEqual(await weightsOf(model));
  });

  it("leaves a folder as it was when the model cannot be written", async () => {
    const outputDir = folder();
    const model = new TinyModel();
    await trainerOf(model, outputDir).saveModel();
    const before = await contents(outputDir);
    const write = model.savePretrained.bind(model);
    model.dense.dispose();
    model.savePretrained = async (path) => {
      await writeFile(`${path}/config.json`, "another");
      await write(path);
    };
    await expect(trainerOf(model, outputDir).saveModel()).rejects.toThrow();
    expect(await contents(outputDir)).toEqual(before);
  });

  it("refuses an adapter beside another model, and a model beside an adapter", async () => {
    const [base, models, adapters] = [folder(), folder(), folder()];
    const model = tinyT5();
    await model.savePretrained(base);
    await trainerOf(model, models).saveModel();
    addLora(model, new LoraConfig({ r: 2 }));
    model.nameOrPath = base;
    await trainerOf(model, adapters).saveModel();
    await trainerOf(model, base).saveModel(); // beside its own model
    const before = await contents(models);
    await expect(trainerOf(model, models).saveModel()).rejects.toThrow(
      /must hold no model besides what is saved there, got model\.safetensors, with which/,
    );
    expect(await contents(models)).toEqual(before);
    await expect(trainerOf(tinyT5(), adapters).saveModel()).rejects.toThrow(
      /must hold no adapter besides what is saved there, got adapter_config\.json/,
    );
    const device = cpu;
    for (const place of [adapters, base]) {
      const loaded = await T5ForConditionalGeneration.fromPretrained(place, { device });
      expect(loaded.lora?.config.r).toBe(2);
      loaded.dispose();
    }
  });
});

describe("saveMetrics and saveState", () => {
  it("write figures by split and all together, as transformers' json.dump with four blanks", async () => {
    const outputDir = folder();
    const trainer = trainerOf(new TinyModel(), outputDir);
    await trainer.saveMetrics("train", { train_loss: 2.5, epoch: 3 });
    await trainer.saveMetrics("eval", { eval_loss: 1.5, epoch: 2 });
    await trainer.saveMetrics("own", { other: 1 }, false);
    await trainer.saveState();
    const files = await contents(outputDir);
    expect(files["train_results.json"]).toBe('{\n    "epoch": 3,\n    "train_loss": 2.5\n}\n');
    expect(JSON.parse(files["all_results.json"]!)).toEqual({
      ...{ epoch: 2, eval_loss: 1.5, train_loss: 2.5 },
    });
    expect(JSON.parse(files["own_results.json"]!)).toEqual({ other: 1 });
    expect(files["trainer_state.json"]).toBe(trainer.state.toJSONText());
  });

  it("say that all_results.json is no JSON, and leave it", async () => {
    const outputDir = folder();
    await mkdir(outputDir);
    await writeFile(`${outputDir}/all_results.json`, "[1]");
    await expect(trainerOf(new TinyModel(), outputDir).saveMetrics("a", { b: 1 })).rejects.toThrow(
      /all_results\.json: must be a JSON object/,
    );
    expect(await contents(outputDir)).toEqual({ "all_results.json": "[1]" });
  });
});

describe("createModelCard", () => {
  it("writes README.md and gives its text", async () => {
    const outputDir = folder("my-model");
    const text = await trainerOf(new TinyModel(), outputDir).createModelCard({ dataset: "notes" });
    expect(await contents(outputDir)).toEqual({ "README.md": text });
    expect(text).toContain(
      "\n# my-model\n\nThis model was trained from scratch on the notes dataset.\n",
    );
  });
});
