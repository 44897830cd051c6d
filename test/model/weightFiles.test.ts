import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openWeightFiles } from "../../src/model/weightFiles.ts";
import { CheckpointError, SafetensorsError } from "../../src/tensor/errors.ts";
import { readSafetensors, writeSafetensors } from "../../src/tensor/safetensors.ts";
import { torchFile } from "../support/torchArchive.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "gradloom-checkpoint-"));
});
afterAll(() => rmSync(root, { recursive: true }));

/** A folder with these texts as files. */
function folderOf(files: Record<string, string>): string {
  const folder = mkdtempSync(join(root, "model-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

function writeShard(folder: string, name: string, tensors: Record<string, number[]>) {
  const entries = Object.entries(tensors).map(
    ([tensor, values]) =>
      [tensor, { dtype: "F32", shape: [values.length], data: Float32Array.from(values) }] as const,
  );
  return writeSafetensors(join(folder, name), new Map(entries), { format: "pt" });
}

/** A folder of two shards, with an index that says `weightMap` besides what is true. */
async function sharded(weightMap: Record<string, unknown> = {}): Promise<string> {
  const index = {
    metadata: { total_size: 16 },
    weight_map: { a: "one.safetensors", b: "two.safetensors", c: "two.safetensors", ...weightMap },
  };
  const folder = folderOf({
    "config.json": "{}",
    "model.safetensors.index.json": JSON.stringify(index),
  });
  await writeShard(folder, "one.safetensors", { a: [1] });
  await writeShard(folder, "two.safetensors", { b: [2, 3], c: [4] });
  return folder;
}

describe("openCheckpoint", () => {
  it("opens one file and reads its tensors by name", async () => {
    const folder = folderOf({ "config.json": "{}" });
    await writeShard(folder, "model.safetensors", { x: [1, 2], y: [3] });
    const checkpoint = await openWeightFiles(folder);
    expect(checkpoint.source).toBe(`${folder}/model.safetensors`);
    expect([...checkpoint.names.keys()]).toEqual(["x", "y"]);
    expect(checkpoint.names.get("x")).toMatchObject({ dtype: "F32", shape: [2] });
    expect((await checkpoint.read("x")).data).toEqual(Float32Array.of(1, 2));
    await expect(checkpoint.read("z")).rejects.toThrow('has no tensor "z"');
    await checkpoint.close();
    await expect(checkpoint.read("x")).rejects.toThrow("must be open to be read, got closed");
  });

  it("opens shards by their index", async () => {
    const folder = await sharded();
    const checkpoint = await openWeightFiles(folder);
    expect(checkpoint.source).toBe(`${folder}/model.safetensors.index.json`);
    expect([...checkpoint.names].map(([name, { shape }]) => [name, shape])).toEqual([
      ["a", [1]],
      ["b", [2]],
      ["c", [1]],
    ]);
    expect((await checkpoint.read("b")).data).toEqual(Float32Array.of(2, 3));
    expect((await checkpoint.read("a")).data).toEqual(Float32Array.of(1));
    await expect(checkpoint.read("d")).rejects.toThrow("has no tensor d among its 3");
    await checkpoint.close();
    await expect(checkpoint.read("a")).rejects.toThrow(SafetensorsError);
    await expect(checkpoint.read("b")).rejects.toThrow(SafetensorsError);
  });

  it("prefers the whole file, as transformers does", async () => {
    const folder = await sharded();
    await writeShard(folder, "model.safetensors", { whole: [1] });
    const checkpoint = await openWeightFiles(folder);
    expect([...checkpoint.names.keys()]).toEqual(["whole"]);
    await checkpoint.close();
  });

  it("forgives an index that lists other names of the embedding, which no shard holds", async () => {
    const folder = await sharded({
      "encoder.embed_tokens.weight": "one.safetensors",
      "decoder.embed_tokens.weight": "one.safetensors",
      "lm_head.weight": "two.safetensors",
    });
    const checkpoint = await openWeightFiles(folder);
    expect([...checkpoint.names.keys()]).toEqual(["a", "b", "c"]);
    await checkpoint.close();
  });

  it("reads files by name where there is no disk", async () => {
    const folder = await sharded();
    const files = new Map(
      readdirSync(folder).map((name) => [name, new Blob([readFileSync(join(folder, name))])]),
    );
    const checkpoint = await openWeightFiles(files);
    expect((await checkpoint.read("c")).data).toEqual(Float32Array.of(4));
    await checkpoint.close();
  });

  /** The one-line message of a CheckpointError. */
  async function refusal(folder: string): Promise<string> {
    const error = await openWeightFiles(folder).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(CheckpointError);
    const { message } = error as Error;
    expect(message.startsWith(folder)).toBe(true);
    expect(message).not.toContain("\n");
    return message;
  }

  it("names what a folder lacks, and what it holds", async () => {
    const missing = join(root, "missing");
    expect(await refusal(missing)).toContain("must be a model folder with config.json");
    const other = folderOf({ "README.md": "", "weights.txt": "" });
    expect(await refusal(other)).toContain(
      "must hold config.json, got README.md, weights.txt. Pass the folder of a T5 model",
    );
    const many = folderOf(Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`f${i}`, ""])));
    expect(await refusal(many)).toContain("got f0, f1, f10, f11, f2, f3, f4, f5 and 4 more.");
    const adapter = folderOf({ "adapter_config.json": "{}", "adapter_model.safetensors": "" });
    expect(await refusal(adapter)).toContain("This is a LoRA adapter");
    const bare = folderOf({ "config.json": "{}" });
    expect(await refusal(bare)).toContain(
      "must hold model.safetensors or model.safetensors.index.json or pytorch_model.bin or pytorch_model.bin.index.json, got config.json. Download the weights as safetensors.",
    );
  });

  it("reads files of torch.save where there are no safetensors, as transformers does", async () => {
    const save = (...tensors: [string, number][]) =>
      torchFile(
        tensors.map(([name, value]) => [
          name,
          { dtype: "F32", shape: [1], data: Float32Array.of(value) },
        ]),
      );
    const folder = folderOf({
      "config.json": "{}",
      "pytorch_model.bin.index.json": JSON.stringify({ weight_map: { a: "1.bin", b: "2.bin" } }),
    });
    writeFileSync(join(folder, "1.bin"), save(["a", 1]));
    writeFileSync(join(folder, "2.bin"), save(["b", 2]));
    /** Each tensor's value, and which file was read. */
    const read = async () => {
      const checkpoint = await openWeightFiles(folder);
      const values: Record<string, number> = {};
      for (const name of checkpoint.names.keys()) {
        values[name] = Number((await checkpoint.read(name)).data[0]);
      }
      await checkpoint.close();
      return [checkpoint.source.slice(folder.length + 1), values];
    };
    expect(await read()).toEqual(["pytorch_model.bin.index.json", { a: 1, b: 2 }]);
    writeFileSync(join(folder, "pytorch_model.bin"), save(["whole", 3]));
    expect(await read()).toEqual(["pytorch_model.bin", { whole: 3 }]);
    const index = { weight_map: { c: "3.safetensors" } };
    writeFileSync(join(folder, "model.safetensors.index.json"), JSON.stringify(index));
    await writeShard(folder, "3.safetensors", { c: [4] });
    expect(await read()).toEqual(["model.safetensors.index.json", { c: 4 }]);
    await writeShard(folder, "model.safetensors", { d: [5] });
    expect(await read()).toEqual(["model.safetensors", { d: 5 }]);
  });

  it("leaves no file open when one of torch.save is damaged", async () => {
    const folder = folderOf({ "config.json": "{}", "pytorch_model.bin": "PK" });
    const before = openFiles();
    expect(await refusal(folder)).toContain(
      "pytorch_model.bin: must end with the directory of a zip archive, got 2 bytes without one. The file is damaged",
    );
    expect(openFiles()).toBe(before);
  });

  it("says what to do with weights of other names", async () => {
    const cases: Record<string, string> = {
      "model.fp16.safetensors": 'of the variant fp16: in a copy of the folder, leave ".fp16" out',
      "model.fp16-00001-of-00002.safetensors": "of the variant fp16",
      "model-00001-of-00002.safetensors": "Download it too.",
      "flax_model.msgpack": "from_flax=True",
      "tf_model.h5": "from_tf=True",
      "t5.safetensors": "rename it to model.safetensors",
      "model.onnx": "look for the model that they were made from",
    };
    for (const [name, cure] of Object.entries(cases)) {
      const message = await refusal(folderOf({ "config.json": "{}", [name]: "x" }));
      expect(message).toContain(`got ${name}. `);
      expect(message).toContain(cure);
    }
    const folder = folderOf({ "config.json": "{}" });
    mkdirSync(join(folder, "text_encoder"));
    writeFileSync(join(folder, "text_encoder/model.safetensors"), "x");
    expect(await refusal(folder)).toContain(
      "got text_encoder/model.safetensors. They lie in its folder text_encoder: pass that one",
    );
  });

  it("notices shards that are missing, or do not hold what the index says", async () => {
    const gone = await sharded();
    rmSync(join(gone, "two.safetensors"));
    expect(await refusal(gone)).toContain(
      "the folder must hold every shard, got no two.safetensors, which has 2 of 3 tensors.",
    );
    const lacking = await sharded({ d: "one.safetensors" });
    expect(await refusal(lacking)).toContain(
      "tensor d must be in one.safetensors, got a shard without it.",
    );
    const twice = await sharded({ d: "three.safetensors" });
    await writeShard(twice, "three.safetensors", { a: [1], d: [1] });
    expect(await refusal(twice)).toContain("tensor a must be in one shard, got it in");
  });

  it("refuses an index that is none, or that leads out of the folder", async () => {
    const folder = folderOf({ "config.json": "{}", "model.safetensors.index.json": "{}" });
    expect(await refusal(folder)).toContain("weight_map must be an object from tensor to file");
    const outside = await sharded({ d: "../one.safetensors" });
    expect(await refusal(outside)).toContain(
      'weight_map of d must name a file of the same folder, got "../one.safetensors"',
    );
    expect(await refusal(await sharded({ d: 1 }))).toContain("got 1");
  });

  it("leaves safetensors' own complaints as they are, and no file open", async () => {
    const folder = await sharded();
    const before = openFiles();
    writeFileSync(join(folder, "two.safetensors"), "short");
    await expect(openWeightFiles(folder)).rejects.toThrow(SafetensorsError);
    expect(openFiles()).toBe(before);
    mkdirSync(join(folder, "model.safetensors"));
    await expect(openWeightFiles(folder)).rejects.toThrow("must be a file, got a folder");
    expect(openFiles()).toBe(before);
  });

  describe.skipIf(!hasShared)(needsShared("models"), () => {
    it.each(["golden/t5-gated", "models/t5-mini-dialogsum"])(
      "%s opens, with every tensor it holds",
      async (name) => {
        const checkpoint = await openWeightFiles(shared(name));
        const { tensors } = await readSafetensors(shared(name, "model.safetensors"));
        expect([...checkpoint.names.keys()]).toEqual([...tensors.keys()]);
        const q = "encoder.block.0.layer.0.SelfAttention.q.weight";
        expect(await checkpoint.read(q)).toEqual(tensors.get(q));
        await checkpoint.close();
      },
    );

    it("flan-t5-base, which comes without weights, is refused", async () => {
      expect(await refusal(shared("models", "flan-t5-base"))).toContain(
        "must hold model.safetensors or model.safetensors.index.json or pytorch_model.bin or pytorch_model.bin.index.json, got config.json",
      );
    });
  });
});

/** File descriptors of this process; Linux only, elsewhere always 0. */
function openFiles(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0;
  }
}
