// A model in 8 bits: how it is loaded and saved, what it computes, and adapters over it.

import { readFile, writeFile } from "node:fs/promises";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { AdamW } from "../../src/optim/adamw.ts";
import { addLora, mergeLora, removeLora, unmergeLora } from "../../src/t5/lora/adapter.ts";
import { LoraConfig } from "../../src/t5/lora/config.ts";
import { loadLora, saveLora } from "../../src/t5/lora/files.ts";
import { T5Config } from "../../src/t5/config.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { Trainer } from "../../src/train/trainer.ts";
import type { Device } from "../../src/tensor/device.ts";
import { dequantizeQ8, quantizeQ8 } from "../../src/tensor/q8.ts";
import { readSafetensors, writeSafetensors } from "../../src/tensor/safetensors.ts";
import { scope, Scope } from "../../src/tensor/scope.ts";
import { cpu, plain } from "../support/device.ts";
import { temporaryFolder } from "../support/folder.ts";
import { golden, hasGolden } from "../support/golden.ts";
import { floats, largest, rows } from "../support/goldenRows.ts";
import { isFull } from "../support/full.ts";
import { gpu } from "../support/gpu.ts";
import { needsShared } from "../support/shared.ts";
import { tinyBatch, tinyT5 } from "../support/tinyT5.ts";

const config = T5Config.fromJSON({
  ...{ vocab_size: 64, d_model: 32, d_kv: 16, d_ff: 64, num_heads: 2, num_layers: 1 },
  ...{ dropout_rate: 0, feed_forward_proj: "gated-gelu", tie_word_embeddings: false },
});
const batch = tinyBatch(3, 6);
const folder = temporaryFolder();
/** The f32 model that the others come from. */
let source: string;

beforeAll(async () => {
  source = folder("source");
  const model = tinyT5({ config, device: cpu });
  await model.savePretrained(source);
  model.dispose();
});
afterEach(() => void vi.restoreAllMocks());

const load = (
  options: Partial<Parameters<typeof T5ForConditionalGeneration.fromPretrained>[1]> = {},
  from = source,
) => T5ForConditionalGeneration.fromPretrained(from, { device: cpu, ...options });

async function storedBits(model: T5ForConditionalGeneration): Promise<Map<string, number[]>> {
  const entries = [...model.parameters()].map(async ([name, x]) => {
    const words = await x.device.readStored(x.storage, x.dtype, x.size);
    return [`${name} ${x.dtype}`, Array.from(words)] as const;
  });
  return new Map(await Promise.all(entries));
}

async function logitsOf(model: T5ForConditionalGeneration): Promise<Float32Array> {
  const memory = new Scope();
  const { logits } = memory.run(() => model.forward(batch));
  const data = (await logits.data()) as Float32Array;
  memory.dispose();
  return data;
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);
}

function rootMeanSquare(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
}

const hasQ8 = (name: string): boolean =>
  /\.(?:[qkvo]|wi_[01])\.weight$|^(?:shared|lm_head)\.weight$/.test(name);

describe("a model in int8", () => {
  it("has matrices in q8 but wo, and all else as the file has it", async () => {
    const model = await load({ dtype: "int8" });
    const floats = await load();
    for (const [name, x] of model.parameters()) {
      expect([name, x.dtype, x.requiresGrad]).toEqual([name, hasQ8(name) ? "q8" : "f32", false]);
      const original = await floats.parameters().get(name)!.data();
      const expected = hasQ8(name) ? dequantizeQ8(quantizeQ8(original)) : original;
      expect(await x.data()).toEqual(expected);
    }
    expect([...model.parameters().keys()].filter(hasQ8).length).toBe(2 + 4 + 8 + 2 * 2);
    model.dispose();
    floats.dispose();
  });

  it.each(["bf16", "f16"] as const)("of a file in %s", async (dtype) => {
    const half = await load({ dtype });
    const path = folder();
    await half.savePretrained(path);
    const model = await load({ dtype: "q8" }, path);
    for (const [name, x] of model.parameters()) {
      const original = await half.parameters().get(name)!.data();
      expect(await x.data()).toEqual(hasQ8(name) ? dequantizeQ8(quantizeQ8(original)) : original);
      const isWo = name.endsWith(".wo.weight");
      expect(x.dtype).toBe(hasQ8(name) ? "q8" : isWo && dtype === "f16" ? "f32" : dtype);
    }
    model.dispose();
    half.dispose();
  });

  it("of shards", async () => {
    const path = folder();
    const model = tinyT5({ config });
    await model.savePretrained(path);
    const { tensors } = await readSafetensors(`${path}/model.safetensors`);
    const shards = { "one.safetensors": new Map(), "two.safetensors": new Map() };
    const weightMap: Record<string, string> = {};
    [...tensors].forEach(([name, x], i) => {
      const file = i % 2 === 0 ? "one.safetensors" : "two.safetensors";
      shards[file].set(name, x);
      weightMap[name] = file;
    });
    const sharded = folder("sharded");
    const files = {
      "config.json": await readFile(`${path}/config.json`),
      "model.safetensors.index.json": JSON.stringify({ weight_map: weightMap }),
    };
    const { mkdir } = await import("node:fs/promises");
    await mkdir(sharded);
    for (const [name, text] of Object.entries(files)) await writeFile(`${sharded}/${name}`, text);
    for (const [name, shard] of Object.entries(shards))
      await writeSafetensors(`${sharded}/${name}`, shard, { format: "pt" });
    const whole = await load({ dtype: "int8" });
    const parts = await load({ dtype: "int8" }, sharded);
    expect(await storedBits(parts)).toEqual(await storedBits(whole));
    for (const each of [model, whole, parts]) each.dispose();
  });

  it("is saved and loaded bit for bit, on every device", async () => {
    const model = await load({ dtype: "int8" });
    const path = folder("saved");
    await model.savePretrained(path);
    const { tensors, metadata } = await readSafetensors(`${path}/model.safetensors`);
    expect(metadata).toEqual({ format: "gradloom_q8" });
    expect(tensors.has("shared.weight")).toBe(false);
    expect(tensors.get("shared.weight_q8")).toMatchObject({ dtype: "I8", shape: [64, 32] });
    expect(tensors.get("shared.weight_scale")).toMatchObject({ dtype: "F32", shape: [64, 1] });
    const text = await readFile(`${path}/config.json`, "utf8");
    expect(JSON.parse(text)).toMatchObject({
      dtype: "float32",
      quantization_config: { quant_method: "gradloom_q8", bits: 8, block_size: 32 },
    });
    const bits = await storedBits(model);
    for (const device of [cpu, plain, gpu]) {
      for (const dtype of [undefined, "int8"] as const) {
        const again = await load({ dtype, device }, path);
        expect(await storedBits(again)).toEqual(bits);
        again.dispose();
      }
    }
    model.dispose();
  });

  it("is widened where another dtype is asked for, and saved as such", async () => {
    const quantized = await load({}, folder("saved"));
    const wide = await load({ dtype: "f32" }, folder("saved"));
    for (const [name, x] of wide.parameters()) {
      expect([x.dtype, x.requiresGrad]).toEqual(["f32", true]);
      expect(await x.data()).toEqual(await quantized.parameters().get(name)!.data());
    }
    const path = folder();
    await wide.savePretrained(path);
    expect(await readFile(`${path}/config.json`, "utf8")).not.toContain("quantization_config");
    quantized.dispose();
    wide.dispose();
  });

  it("computes what the numbers of its blocks give, on every device", async () => {
    const wide = await load({ dtype: "f32" }, folder("saved"));
    const expected = await logitsOf(wide);
    const scale = largest(expected);
    for (const device of [cpu, plain, gpu]) {
      const model = await load({ dtype: "int8", device });
      expect(distance(await logitsOf(model), expected)).toBeLessThan(1e-4 * scale);
      if (device === gpu && !isFull) {
        model.dispose();
        continue; // a software GPU takes seconds for a token
      }
      const inputs = { inputIds: batch.inputIds, attentionMask: batch.attentionMask };
      const ids = await model.generate(inputs, { maxNewTokens: 6 });
      expect(ids).toEqual(await wide.generate(inputs, { maxNewTokens: 6 }));
      model.dispose();
    }
    wide.dispose();
  });

  it("says which matrices stay as they are, for their rows are no whole blocks", async () => {
    const write = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    const model = tinyT5();
    const path = folder();
    await model.savePretrained(path);
    const left = await load({ dtype: "int8" }, path);
    expect(new Set([...left.parameters().values()].map(({ dtype }) => dtype))).toEqual(
      new Set(["f32"]),
    );
    const said = [...write.mock.calls, ...warn.mock.calls].join();
    expect(said).toContain(
      "matrices as the file has them, for their rows are no multiple of 32 long",
    );
    model.dispose();
    left.dispose();
  });
});

describe("golden models in int8", () => {
  // The bound for models as narrow as these (32 wide): logits move by 5% in the root mean square, 8% of the largest at most.
  for (const name of ["t5-gated", "t5-gated-trained"]) {
    it.skipIf(!hasGolden(name))(hasGolden(name) ? name : needsShared(name), async () => {
      const io = await readSafetensors(golden("t5-gated", "io.safetensors"));
      const inputs = {
        inputIds: rows(io, "input_ids"),
        attentionMask: rows(io, "attention_mask"),
        labels: rows(io, "labels"),
      };
      const results = [];
      for (const dtype of ["f32", "int8"] as const) {
        const model = await T5ForConditionalGeneration.fromPretrained(golden(name), {
          device: cpu,
          dtype,
        });
        const memory = new Scope();
        const { logits, loss } = memory.run(() => model.forward(inputs));
        results.push({ logits: (await logits.data()) as Float32Array, loss: await loss!.item() });
        memory.dispose();
        model.dispose();
      }
      const [full, quantized] = results as [(typeof results)[0], (typeof results)[0]];
      if (name === "t5-gated")
        expect(distance(full.logits, floats(io, "logits"))).toBeLessThan(1e-4);
      const moved = distance(quantized.logits, full.logits);
      const change = quantized.logits.map((x, i) => x - full.logits[i]!);
      expect(moved).toBeGreaterThan(1e-3 * largest(full.logits));
      expect(moved).toBeLessThan(0.08 * largest(full.logits));
      expect(rootMeanSquare(change)).toBeLessThan(0.05 * rootMeanSquare(full.logits));
      expect(Math.abs(quantized.loss - full.loss)).toBeLessThan(0.005 * full.loss);
    });
  }
});

/** Losses of some updates of an adapter over a model, and what became of the weights. */
async function trainAdapter(device: Device, dtype: "int8" | undefined, from: string) {
  const model = await load({ device, dtype }, from);
  addLora(model, new LoraConfig({ r: 4, targetModules: "all-linear" }));
  const before = await storedBits(model);
  const trained = new Map([...model.parameters()].filter(([, x]) => x.requiresGrad));
  const optimizer = new AdamW(trained);
  const losses: number[] = [];
  for (let step = 0; step < 2; step++) {
    const memory = new Scope();
    const loss = memory.run(() => model.forward(batch).loss!);
    losses.push(await loss.item());
    const gradients = memory.run(() => backward(loss));
    memory.run(() => optimizer.step(gradients, 0.02));
    memory.dispose();
  }
  const after = await storedBits(model);
  return { model, before, after, losses };
}

describe("an adapter over int8", () => {
  it("trains alike on every device, and as over the widened model", async () => {
    const wide = folder();
    const model = await load({ dtype: "f32" }, folder("saved"));
    await model.savePretrained(wide);
    model.dispose();
    const expected = await trainAdapter(cpu, undefined, wide);
    expect(expected.losses.at(-1)!).toBeLessThan(0.95 * expected.losses[0]!);
    for (const device of [cpu, plain, gpu]) {
      const ours = await trainAdapter(device, "int8", source);
      ours.losses.forEach((loss, i) => expect(loss).toBeCloseTo(expected.losses[i]!, 3));
      for (const [name, bits] of ours.before) {
        if (name.endsWith(" q8")) expect(ours.after.get(name)).toEqual(bits);
      }
      expect([...ours.before.keys()].filter((name) => name.endsWith(" q8")).length).toBe(18);
      ours.model.dispose();
    }
    expected.model.dispose();
  });

  it("is merged into f32 weights, and taken out again bit for bit", async () => {
    const { model } = await trainAdapter(cpu, "int8", source);
    const bits = await storedBits(model);
    const expected = await logitsOf(model);
    mergeLora(model);
    const q = model.parameters().get("encoder.block.0.layer.0.SelfAttention.q.weight")!;
    expect(q.dtype).toBe("f32");
    expect(distance(await logitsOf(model), expected)).toBeLessThan(1e-4 * largest(expected));
    unmergeLora(model);
    expect(await storedBits(model)).toEqual(bits);
    const path = folder();
    await saveLora(model, path);
    mergeLora(model, { unload: true });
    expect(distance(await logitsOf(model), expected)).toBeLessThan(1e-4 * largest(expected));
    // A merged model is saved with what it has: q8 where no adapter was, f32 elsewhere.
    const merged = folder();
    await model.savePretrained(merged);
    const again = await load({}, merged);
    expect(await storedBits(again)).toEqual(await storedBits(model));
    const base = await load({ dtype: "int8" });
    await loadLora(base, path);
    expect(distance(await logitsOf(base), expected)).toBeLessThan(1e-4 * largest(expected));
    removeLora(base);
    expect([...base.parameters().values()].some((x) => x.requiresGrad)).toBe(false);
    for (const each of [model, again, base]) each.dispose();
  });

  it("leaves no tensor behind when it is merged and unloaded", async () => {
    const { liveTensors } = cpu;
    const model = await load({ dtype: "int8" });
    addLora(model, new LoraConfig({ r: 2 }));
    scope(() => mergeLora(model));
    scope(() => unmergeLora(model));
    scope(() => mergeLora(model, { unload: true }));
    await logitsOf(model);
    model.dispose();
    expect(cpu.liveTensors).toBe(liveTensors);
  });
});

describe("what int8 weights are not for is refused by name:", () => {
  it("training without an adapter", async () => {
    const model = await load({ dtype: "int8" });
    const trainer = new Trainer({
      model,
      args: { outputDir: folder(), maxSteps: 1 },
      trainDataset: [{ inputIds: [3, 1], labels: [4, 1] }],
    });
    await expect(trainer.train()).rejects.toThrow(
      /train: weights in int8 cannot be trained, got shared\.weight in int8 and no adapter\. Give the model an adapter \(addLora, --lora\), or load/,
    );
    model.dispose();
  });

  it("modulesToSave", async () => {
    const model = await load({ dtype: "int8" });
    expect(() => addLora(model, new LoraConfig({ modulesToSave: ["lm_head"] }))).toThrow(
      "modulesToSave must name modules whose weights are floats, got lm_head.weight in int8",
    );
    expect(model.lora).toBe(null);
    addLora(model, new LoraConfig({ modulesToSave: ["final_layer_norm"] }));
    model.dispose();
  });

  it("adapters with weights of their own", async () => {
    const model = await load();
    addLora(model, new LoraConfig({ modulesToSave: ["lm_head"] }));
    const path = folder();
    await saveLora(model, path);
    const quantized = await load({ dtype: "int8" });
    await expect(loadLora(quantized, path)).rejects.toThrow(
      /lm_head\.weight, so the model's must be floats, got int8/,
    );
    model.dispose();
    quantized.dispose();
  });
});

describe("weights that others quantised are refused by name:", () => {
  it.each([
    ["bitsandbytes", { quant_method: "bitsandbytes", load_in_8bit: true }],
    ["gptq", { quant_method: "gptq", bits: 4 }],
    ["awq", { quant_method: "awq" }],
  ])("config.json of %s", async (method, quantization) => {
    const path = folder();
    const { cp } = await import("node:fs/promises");
    await cp(source, path, { recursive: true });
    const text = JSON.parse(await readFile(`${path}/config.json`, "utf8")) as object;
    await writeFile(
      `${path}/config.json`,
      JSON.stringify({ ...text, quantization_config: quantization }),
    );
    await expect(load({}, path)).rejects.toThrow(
      `quantization_config must be {"quant_method":"gradloom_q8","bits":8,"block_size":32}, got quant_method "${method}"`,
    );
  });

  it.each([
    ["decoder.block.0.layer.0.SelfAttention.q.SCB", "bitsandbytes in 8 bits"],
    ["decoder.block.0.layer.0.SelfAttention.q.weight.absmax", "bitsandbytes in 4 bits"],
    ["decoder.block.0.layer.0.SelfAttention.q.qweight", "GPTQ or AWQ"],
  ])("tensors like %s", async (tensor, library) => {
    const path = folder();
    const { cp } = await import("node:fs/promises");
    await cp(source, path, { recursive: true });
    const { tensors } = await readSafetensors(`${path}/model.safetensors`);
    const more = new Map([
      ...tensors,
      [tensor, { dtype: "F32", shape: [1], data: Float32Array.of(1) } as const],
    ]);
    await writeSafetensors(`${path}/model.safetensors`, more, { format: "pt" });
    await expect(load({}, path)).rejects.toThrow(
      `weights must be floats, got ${tensor}, as ${library} has it`,
    );
  });

  it("our own with half a pair", async () => {
    const path = folder();
    const { cp } = await import("node:fs/promises");
    await cp(folder("saved"), path, { recursive: true });
    const { tensors, metadata } = await readSafetensors(`${path}/model.safetensors`);
    const less = new Map([...tensors].filter(([name]) => name !== "shared.weight_scale"));
    await writeSafetensors(`${path}/model.safetensors`, less, metadata);
    await expect(load({}, path)).rejects.toThrow(
      "shared.weight_q8 must be I8 with a row's length a multiple of 32, beside shared.weight_scale, F32 [64, 1], got I8 [64, 32] and no such tensor",
    );
  });
});
