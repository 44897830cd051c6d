// Adapters on disk: peft's format, what does not fit, and training that resumes from it.

import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { addLora, mergeLora } from "../../../src/t5/lora/adapter.ts";
import { LoraConfig } from "../../../src/t5/lora/config.ts";
import { loadLora, saveLora } from "../../../src/t5/lora/files.ts";
import { T5ForConditionalGeneration } from "../../../src/t5/model.ts";
import { GradloomError } from "../../../src/tensor/errors.ts";
import { setWarningHandler } from "../../../src/tensor/warnings.ts";
import { readSafetensors, writeSafetensors } from "../../../src/tensor/safetensors.ts";
import { Trainer } from "../../../src/train/trainer.ts";
import { cpu } from "../../support/device.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { tinyBatch, tinyConfig, tinyT5, weightsOf } from "../../support/tinyT5.ts";
import { torchFile } from "../../support/torchArchive.ts";

const folder = temporaryFolder();
const config = new LoraConfig({
  r: 4,
  loraAlpha: 12,
  initLoraWeights: false,
  rankPattern: { v: 2 },
});

beforeAll(async () => {
  const base = tinyT5();
  await base.savePretrained(folder("base"));
  addLora(base, config);
  await saveLora(base, folder("adapter"));
  base.dispose();
});

const load = (path: string, adapter?: string) =>
  T5ForConditionalGeneration.fromPretrained(path, { device: cpu, adapter });

async function failure(action: Promise<unknown>): Promise<string> {
  const error: unknown = await action.then(
    () => new Error("no error"),
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(GradloomError);
  return (error as Error).message.replaceAll(folder(""), "");
}

/** A copy of the adapter with its configuration and tensors changed. */
async function changed(
  name: string,
  json: Record<string, unknown>,
  tensors: (all: Awaited<ReturnType<typeof readSafetensors>>["tensors"]) => void = () => undefined,
): Promise<string> {
  await mkdir(folder(name), { recursive: true });
  const text = await readFile(folder("adapter/adapter_config.json"), "utf8");
  const changedText = JSON.stringify({ ...(JSON.parse(text) as object), ...json });
  await writeFile(folder(`${name}/adapter_config.json`), changedText);
  const file = await readSafetensors(folder("adapter/adapter_model.safetensors"));
  const all = new Map(file.tensors);
  tensors(all);
  await writeSafetensors(folder(`${name}/adapter_model.safetensors`), all, { format: "pt" });
  return folder(name);
}

describe("adapter files", () => {
  it("hold what peft expects, under its names", async () => {
    expect(await readdir(folder("adapter"))).toEqual([
      "adapter_config.json",
      "adapter_model.safetensors",
    ]);
    const { tensors, metadata } = await readSafetensors(
      folder("adapter/adapter_model.safetensors"),
    );
    expect(metadata).toEqual({ format: "pt" });
    expect(tensors.size).toBe(2 * 2 * 6);
    const shapeOf = (name: string) => tensors.get(`base_model.model.${name}.weight`)?.shape;
    expect(shapeOf("encoder.block.0.layer.0.SelfAttention.q.lora_A")).toEqual([4, 24]);
    expect(shapeOf("decoder.block.1.layer.1.EncDecAttention.v.lora_B")).toEqual([16, 2]);
  });

  it("come back bit for bit, and name the model that they belong to", async () => {
    const model = await load(folder("base"), folder("adapter"));
    await saveLora(model, folder("again"));
    for (const file of ["adapter_model.safetensors", "adapter_config.json"]) {
      const [one, other] = await Promise.all(
        ["adapter", "again"].map((name) => readFile(folder(`${name}/${file}`))),
      );
      if (file.endsWith("tensors")) expect(other!.equals(one!)).toBe(true);
      else expect(other!.toString()).toContain(`"base_model_name_or_path": "${folder("base")}"`);
    }
    // The folder of such an adapter loads like a model.
    const alone = await load(folder("again"));
    expect(await weightsOf(alone)).toEqual(await weightsOf(model));
    expect(alone.numParameters({ trainableOnly: true })).toBe(
      model.numParameters({ trainableOnly: true }),
    );
    model.dispose();
    alone.dispose();
  });

  it("are all that savePretrained writes, until the adapter is merged", async () => {
    const model = await load(folder("base"), folder("adapter"));
    await model.savePretrained(folder("unmerged"));
    expect(await readdir(folder("unmerged"))).toEqual(await readdir(folder("adapter")));
    mergeLora(model);
    await model.savePretrained(folder("merged"));
    const merged = await load(folder("merged"));
    expect(merged.lora).toBeNull();
    const weights = await weightsOf(model);
    for (const [name, x] of await weightsOf(merged)) expect(x).toEqual(weights.get(name));
    model.dispose();
    merged.dispose();
  });

  it("may be adapter_model.bin, as peft wrote them before safetensors", async () => {
    const { tensors } = await readSafetensors(folder("adapter/adapter_model.safetensors"));
    await changed("bin", {});
    await writeFile(folder("bin/adapter_model.bin"), torchFile(tensors));
    await rm(folder("bin/adapter_model.safetensors"));
    const expected = await load(folder("base"), folder("adapter"));
    const model = await load(folder("base"), folder("bin"));
    const values = await weightsOf(expected);
    for (const [name, x] of await weightsOf(model)) expect(x, name).toEqual(values.get(name));
    model.dispose();
    expected.dispose();
  });

  it("are refused, in one line, when they do not fit", async () => {
    const before = cpu.memory();
    const q = "base_model.model.encoder.block.0.layer.0.SelfAttention.q.lora_A.weight";
    const bad = (name: string) => failure(load(folder("base"), folder(name)));
    await changed("other", { target_modules: ["query_key_value"] });
    await changed("rank", { r: 3 });
    await changed("fewer", {}, (all) => all.delete(q));
    await changed("more", { target_modules: ["q"] });
    await changed("dora", { use_dora: true });
    await changed("no-weights", {});
    await rm(folder("no-weights/adapter_model.safetensors"));
    await changed("damaged-bin", {});
    await rm(folder("damaged-bin/adapter_model.safetensors"));
    await writeFile(folder("damaged-bin/adapter_model.bin"), "PK");
    await changed("no-base", { base_model_name_or_path: null });
    expect(await bad("nowhere")).toMatchInlineSnapshot(
      `"/nowhere: must be a folder with adapter_config.json and adapter_model.safetensors, got nothing there. Check the path. A Hub id reads organisation/name, as google/flan-t5-base."`,
    );
    expect(await bad("base")).toMatchInlineSnapshot(
      `"/base: must hold adapter_config.json, got config.json, generation_config.json, model.safetensors. Pass the folder of a LoRA adapter in peft's format."`,
    );
    expect(await bad("no-weights")).toMatchInlineSnapshot(
      `"/no-weights: must hold adapter_model.safetensors, got adapter_config.json. Copy or download the file."`,
    );
    expect(await bad("damaged-bin")).toMatchInlineSnapshot(
      `"/damaged-bin/adapter_model.bin: must end with the directory of a zip archive, got 2 bytes without one. The file is damaged: download it again, or save it again as safetensors with save_pretrained."`,
    );
    expect(await bad("other")).toMatchInlineSnapshot(
      `"/other/adapter_config.json: target_modules must match layers of the model, got ["query_key_value"]. Is the adapter for another architecture?"`,
    );
    expect(await bad("rank")).toMatchInlineSnapshot(
      `"/rank/adapter_model.safetensors: must hold base_model.model.encoder.block.0.layer.0.SelfAttention.q.lora_A.weight as [3, 24], got [4, 24]. Is the adapter for another model?"`,
    );
    expect(await bad("fewer")).toMatchInlineSnapshot(
      `"/fewer/adapter_model.safetensors: must hold base_model.model.encoder.block.0.layer.0.SelfAttention.q.lora_A.weight as [4, 24], got no such tensor. Is the adapter for another model?"`,
    );
    expect(await bad("more")).toMatchInlineSnapshot(
      `"/more/adapter_model.safetensors: must hold LoRA weights of the layers that adapter_config.json names and nothing else, got base_model.model.decoder.block.0.layer.0.SelfAttention.v.lora_A.weight. Is the adapter for another architecture?"`,
    );
    expect(await bad("dora")).toMatchInlineSnapshot(
      `"/dora/adapter_config.json: use_dora must be absent, for this variant of LoRA is not supported, got true. Use a plain LoRA adapter for a T5 model."`,
    );
    expect(await failure(load(folder("no-base")))).toMatchInlineSnapshot(
      `"/no-base/adapter_config.json: base_model_name_or_path must be a text, got null. Load the base model, and this folder as its adapter."`,
    );
    const wide = tinyT5({ config: tinyConfig.withOverrides({ d_model: 32 }) });
    expect(await failure(loadLora(wide, folder("adapter")))).toMatchInlineSnapshot(
      `"/adapter/adapter_model.safetensors: must hold base_model.model.encoder.block.0.layer.0.SelfAttention.q.lora_A.weight as [4, 32], got [4, 24]. Is the adapter for another model?"`,
    );
    expect(wide.lora).toBeNull();
    addLora(wide);
    expect(await failure(loadLora(wide, folder("adapter")))).toMatchInlineSnapshot(
      `"loadLora: the model must have no adapter, got one of rank 8. Call removeLora(model) first."`,
    );
    wide.dispose();
    const bare = tinyT5();
    expect(await failure(saveLora(bare, folder("none")))).toMatchInlineSnapshot(
      `"saveLora: the model must have an adapter, got none. Call addLora or loadLora first."`,
    );
    bare.dispose();
    expect(cpu.memory()).toMatchObject({ tensors: before.tensors, bytes: before.bytes });
  });
});

describe("tensors of the base model in an adapter's file", () => {
  type Tensors = Awaited<ReturnType<typeof readSafetensors>>["tensors"];
  const PREFIX = "base_model.model.";
  const ones = (...shape: number[]) => ({
    dtype: "F32" as const,
    shape,
    data: new Float32Array(shape.reduce((a, b) => a * b)).fill(1),
  });
  const tensorsOf = async (place: string) =>
    (await readSafetensors(folder(`${place}/model.safetensors`))).tensors;
  const add = (name: string, x: ReturnType<typeof ones>) => (all: Tensors) =>
    (all as Map<string, unknown>).set(PREFIX + name, x);
  const bad = (name: string) => failure(load(folder("base"), folder(name)));

  it("are passed over when the model holds the same", async () => {
    const base = await tensorsOf("base");
    const name = await changed("same", {}, (all) => {
      for (const key of ["shared.weight", "lm_head.weight"]) add(key, base.get(key) as never)(all);
      // Other names of the embedding, as a file of transformers 4 may have them.
      add("encoder.embed_tokens.weight", base.get("shared.weight") as never)(all);
    });
    const [model, plain] = [
      await load(folder("base"), name),
      await load(folder("base"), folder("adapter")),
    ];
    expect(model.lora!.whole).toEqual([]);
    expect(await weightsOf(model)).toEqual(await weightsOf(plain));
    model.dispose();
    plain.dispose();
  });

  it("take the place of the model's, in its dtype, and are frozen", async () => {
    const name = await changed("others", {}, add("encoder.final_layer_norm.weight", ones(24)));
    const model = await T5ForConditionalGeneration.fromPretrained(folder("base"), {
      ...{ device: cpu, adapter: name, dtype: "bfloat16" },
    });
    const weight = model.parameters().get("encoder.final_layer_norm.weight")!;
    expect([weight.dtype, weight.requiresGrad]).toEqual(["bf16", false]);
    expect([...(await weight.data())]).toEqual(Array(24).fill(1));
    model.dispose();
  });

  it("are refused by name where they have no place", async () => {
    const embedding = (module: string, part: string) => add(`${module}.${part}`, ones(4, 64));
    await changed(
      "embedding",
      { target_modules: ["q", "v", "shared"] },
      embedding("shared", "lora_embedding_A"),
    );
    await changed("tokens", {}, embedding("shared", "token_adapter.trainable_tokens_delta"));
    await changed("resized", {}, add("shared.weight", ones(70, 24)));
    await changed("wide", {}, add("shared.weight", ones(64, 32)));
    await changed("unknown", {}, add("classifier.weight", ones(2, 24)));
    await changed("two", {}, (all) => {
      add("shared.weight", ones(64, 24))(all);
      add("decoder.embed_tokens.weight", { ...ones(64, 24), data: new Float32Array(64 * 24) })(all);
    });
    await changed("missing", { modules_to_save: ["lm_head", "classifier"] });
    await changed("saved-embedding", { modules_to_save: ["embed_tokens"] });
    expect(await bad("embedding")).toMatchInlineSnapshot(
      `"/embedding/adapter_model.safetensors: adapters of embeddings are not supported, got base_model.model.shared.lora_embedding_A. Leave the embeddings out of target_modules, and train again."`,
    );
    expect(await bad("tokens")).toMatchInlineSnapshot(
      `"/tokens/adapter_model.safetensors: adapters of embeddings are not supported, got base_model.model.shared.token_adapter.trainable_tokens_delta. Leave the embeddings out of target_modules, and train again."`,
    );
    expect(await bad("resized")).toMatchInlineSnapshot(
      `"/resized/adapter_model.safetensors: base_model.model.shared.weight must have the base model's 64 rows, got 70: the vocabulary was resized before training. Resize the base model as well, with model.resize_token_embeddings(70) in Python, save it, and load the adapter for that."`,
    );
    expect(await bad("wide")).toMatchInlineSnapshot(
      `"/wide/adapter_model.safetensors: must hold base_model.model.shared.weight as [64, 24], got [64, 32]. Is the adapter for another model?"`,
    );
    expect(await bad("unknown")).toMatchInlineSnapshot(
      `"/unknown/adapter_model.safetensors: must hold LoRA weights of the layers that adapter_config.json names and nothing else, got base_model.model.classifier.weight. Is the adapter for another architecture?"`,
    );
    expect(await bad("two")).toMatchInlineSnapshot(
      `"/two/adapter_model.safetensors: base_model.model.shared.weight must be the same as the file's other copy of shared.weight, got other values. Save the adapter again with one of them."`,
    );
    expect(await bad("missing")).toMatchInlineSnapshot(
      `"/missing/adapter_model.safetensors: must hold base_model.model.lm_head.weight as [64, 24], got no such tensor. Is the adapter for another model?"`,
    );
    expect(await bad("saved-embedding")).toMatchInlineSnapshot(
      `"/saved-embedding/adapter_config.json: modules_to_save must name no token embedding, got "embed_tokens" (encoder.embed_tokens). Leave it out, or train the whole model."`,
    );
  });

  it("are refused where they would part a head from the embedding that it is", async () => {
    const tied = tinyT5({ config: tinyConfig.withOverrides({ tie_word_embeddings: true }) });
    await changed(
      "tied-saved",
      { modules_to_save: ["lm_head"] },
      add("lm_head.weight", ones(64, 24)),
    );
    await changed(
      "tied-target",
      { target_modules: ["q", "v", "lm_head"] },
      add("lm_head.lora_A.weight", ones(4, 24)),
    );
    expect(await failure(loadLora(tied, folder("tied-saved")))).toMatchInlineSnapshot(
      `"/tied-saved/adapter_config.json: modules_to_save must name no head that is the token embedding, got "lm_head" (lm_head). Leave it out, or train the whole model."`,
    );
    expect(await failure(loadLora(tied, folder("tied-target")))).toMatchInlineSnapshot(
      `"/tied-target/adapter_model.safetensors: a head that is the token embedding can have no adapter of its own, got base_model.model.lm_head.lora_A.weight. Leave lm_head out of target_modules, and train again."`,
    );
    expect(tied.lora).toBeNull();
    tied.dispose();
  });
});

describe("an adapter beside a model", () => {
  const warnings: string[] = [];
  beforeEach(() => {
    warnings.length = 0;
    setWarningHandler((text) => warnings.push(text.replaceAll(folder(""), "")));
  });
  afterEach(() => setWarningHandler(null));

  it("changes that one, with a warning; without its weights it is not used", async () => {
    await cp(folder("base"), folder("both"), { recursive: true });
    await cp(await changed("named", { base_model_name_or_path: "some/where" }), folder("both"), {
      recursive: true,
    });
    const [both, apart] = [
      await load(folder("both")),
      await load(folder("base"), folder("adapter")),
    ];
    expect(await weightsOf(both)).toEqual(await weightsOf(apart));
    expect(warnings.splice(0)).toMatchInlineSnapshot(`
      [
        "/both: holds a model and a LoRA adapter, and both are loaded, as in transformers. For the model alone (the adapter may have been merged into it), move adapter_config.json away.",
      ]
    `);
    // An adapter that is asked for goes before.
    const asked = await load(folder("both"), folder("adapter"));
    expect(asked.lora!.config.baseModelNameOrPath).toBe(apart.lora!.config.baseModelNameOrPath);
    expect(warnings).toEqual([]);
    await rm(folder("both/adapter_model.safetensors"));
    const plain = await load(folder("both"));
    expect(plain.lora).toBeNull();
    expect(warnings).toMatchInlineSnapshot(`
      [
        "/both/adapter_config.json: not used, because no adapter_model.safetensors lies beside it.",
      ]
    `);
    for (const model of [both, apart, asked, plain]) model.dispose();
  });
});

describe("training an adapter", () => {
  const { inputIds, labels } = tinyBatch(24, 6);
  const trainDataset = inputIds.map((ids, i) => ({ inputIds: ids, labels: labels[i]! }));
  const args = {
    ...{ learningRate: 0.02, perDeviceTrainBatchSize: 4, loggingSteps: 1, disableTqdm: true },
    ...{ weightDecay: 0.1, saveSteps: 4, maxSteps: 8, gradientCheckpointing: true },
  } as const;

  function trainerIn(name: string, extra: object = {}) {
    const model = tinyT5();
    addLora(model, new LoraConfig({ r: 4, loraDropout: 0.1, targetModules: "all-linear" }));
    const options = { ...args, ...extra, outputDir: folder(name) };
    const trainer = new Trainer({ model, args: options, trainDataset, evalDataset: trainDataset });
    return { model, trainer };
  }

  it("leaves the model alone, learns, and resumes bit for bit from peft's files", async () => {
    const { model, trainer } = trainerIn("run");
    const base = await weightsOf(model);
    const { metrics } = await trainer.train();
    const trained = await weightsOf(model);
    for (const [name, x] of trained) {
      if (name.includes("lora_")) expect(x, name).not.toEqual(base.get(name));
      else expect(x, name).toEqual(base.get(name));
    }
    const losses = trainer.state.logHistory.flatMap(({ loss }) => loss ?? []);
    expect(losses.at(-1)!).toBeLessThan(0.8 * losses[0]!);
    expect(metrics.train_loss).toBeGreaterThan(0);

    const files = await readdir(folder("run/checkpoint-4"));
    expect(files).toContain("adapter_config.json");
    expect(files).not.toContain("model.safetensors");
    const { tensors } = await readSafetensors(folder("run/checkpoint-4/optimizer.safetensors"));
    expect(tensors.size).toBe(2 * 2 * model.lora!.targets.length);

    const resumed = trainerIn("run");
    await resumed.trainer.train({ resumeFromCheckpoint: folder("run/checkpoint-4") });
    expect(await weightsOf(resumed.model)).toEqual(trained);
    expect(resumed.trainer.state.logHistory.flatMap(({ loss }) => loss ?? [])).toEqual(losses);
    model.dispose();
    resumed.model.dispose();
  });

  it("ends with the best adapter", async () => {
    const best = { evalStrategy: "steps", evalSteps: 2, saveSteps: 2, loadBestModelAtEnd: true };
    const { model, trainer } = trainerIn("best", { ...best, learningRate: 0.5, warmupSteps: 4 });
    await trainer.train();
    const { bestModelCheckpoint } = trainer.state;
    const { tensors } = await readSafetensors(`${bestModelCheckpoint}/adapter_model.safetensors`);
    const weights = await weightsOf(model);
    for (const [name, { data }] of tensors) {
      expect(weights.get(name.replace("base_model.model.", ""))).toEqual([
        ...(data as Float32Array),
      ]);
    }
    model.dispose();
  });
});
