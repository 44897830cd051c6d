import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { T5Config } from "../../src/t5/config.ts";
import { GenerationConfig } from "../../src/t5/generationConfig.ts";
import type { JsonObject } from "../../src/model/jsonFields.ts";
import { ConfigError } from "../../src/tensor/errors.ts";
import { readSafetensors } from "../../src/tensor/safetensors.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gradloom-config-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const flanBase = {
  model_type: "t5",
  d_model: 768,
  d_kv: 64,
  d_ff: 2048,
  num_layers: 12,
  num_heads: 12,
  feed_forward_proj: "gated-gelu",
  tie_word_embeddings: false,
};

describe("T5Config", () => {
  it("takes transformers' defaults for what is left out", () => {
    const config = T5Config.fromJSON({});
    expect(config).toMatchObject({
      modelType: "t5",
      vocabSize: 32128,
      dModel: 512,
      dKv: 64,
      dFf: 2048,
      numLayers: 6,
      numDecoderLayers: 6,
      numHeads: 8,
      relativeAttentionNumBuckets: 32,
      relativeAttentionMaxDistance: 128,
      dropoutRate: 0.1,
      layerNormEpsilon: 1e-6,
      initializerFactor: 1,
      feedForwardProj: "relu",
      isGated: false,
      activation: "relu",
      tieWordEmbeddings: true,
      scaleDecoderOutputs: true,
      padTokenId: 0,
      eosTokenId: 1,
      decoderStartTokenId: 0,
      innerDim: 512,
    });
  });

  it("takes the decoder's depth and start from the encoder's and the pad token, also for null", () => {
    const config = T5Config.fromJSON({
      num_layers: 3,
      num_decoder_layers: null,
      pad_token_id: 5,
      decoder_start_token_id: null,
      tie_word_embeddings: null,
    });
    expect(config.numDecoderLayers).toBe(3);
    expect(config.decoderStartTokenId).toBe(5);
    expect(config.tieWordEmbeddings).toBe(true);
  });

  it("counts parameters as transformers does", () => {
    const count = (fields: object) => T5Config.fromJSON({ ...flanBase, ...fields }).numParameters();
    expect(count({})).toBe(247_577_856);
    expect(count({ d_model: 512, d_ff: 1024, num_layers: 8, num_heads: 6 })).toBe(76_961_152);
    expect(count({ d_model: 1024, d_ff: 2816, num_layers: 24, num_heads: 16 })).toBe(783_150_080);
    expect(count({ d_model: 2048, d_ff: 5120, num_layers: 24, num_heads: 32 })).toBe(2_849_757_184);
    expect(T5Config.fromJSON({}).numParameters()).toBe(60_506_624);
    const base = T5Config.fromJSON({ d_model: 768, d_ff: 3072, num_layers: 12, num_heads: 12 });
    expect(base.numParameters()).toBe(222_903_552);
    expect(T5Config.fromJSON(flanBase).numParametersWithoutEmbeddings()).toBe(222_902_784);
    // A tied head is the embedding, and no embedding is counted.
    expect(T5Config.fromJSON({}).numParametersWithoutEmbeddings()).toBe(
      60_506_624 - 32128 * 512 - 2 * 32 * 8,
    );
  });

  it("takes transformers' defaults of mT5 and UMT5 for what is left out", () => {
    for (const model_type of ["mt5", "umt5"]) {
      const expected = {
        ...{ modelType: model_type, vocabSize: 250112, dModel: 512, dKv: 64, dFf: 1024 },
        ...{ numLayers: 8, numDecoderLayers: 8, numHeads: 6, feedForwardProj: "gated-gelu" },
        ...{ isGated: true, activation: "gelu", decoderStartTokenId: 0 },
      };
      expect(T5Config.fromJSON({ model_type })).toMatchObject(expected);
      expect(T5Config.fromJSON({}, { overrides: { model_type } })).toMatchObject(expected);
    }
    expect(T5Config.fromJSON({ model_type: "mt5" }).numParameters()).toBe(172_119_424);
    const umt5 = T5Config.fromJSON({ model_type: "umt5", vocab_size: 256384 });
    expect(umt5.numParameters()).toBe(175_333_376);
    expect(umt5.numParametersWithoutEmbeddings()).toBe(44_061_696);
    expect(umt5.toJSON()).toMatchObject({
      model_type: "umt5",
      architectures: ["UMT5ForConditionalGeneration"],
    });
    expect(T5Config.fromJSON({ model_type: "mt5" }).toJSON()).toMatchObject({
      model_type: "mt5",
      architectures: ["MT5ForConditionalGeneration"],
    });
  });

  it.each([
    ["relu", false, "relu"],
    ["gated-relu", true, "relu"],
    ["gelu_new", false, "gelu"],
    ["gated-gelu", true, "gelu"],
    ["gated-gelu_new", true, "gelu"],
    ["gated-gelu_pytorch_tanh", true, "gelu"],
    ["gelu", false, "geluErf"],
    ["gated-gelu_python", true, "geluErf"],
    ["gated-silu", true, "silu"],
    ["swish", false, "silu"],
    ["tanh", false, "tanh"],
  ])("reads feed_forward_proj %s", (feed_forward_proj, isGated, activation) => {
    expect(T5Config.fromJSON({ feed_forward_proj })).toMatchObject({ isGated, activation });
  });

  it("accepts attribute names, and refuses two that disagree", () => {
    const names = { hidden_size: 8, num_attention_heads: 2, num_hidden_layers: 1, head_dim: 4 };
    const config = T5Config.fromJSON(names);
    expect(config).toMatchObject({ dModel: 8, numHeads: 2, numLayers: 1, dKv: 4 });
    expect(config.toJSON()).not.toHaveProperty("hidden_size");
    expect(T5Config.fromJSON({ hidden_size: 8, d_model: 8 }).dModel).toBe(8);
    expect(() => T5Config.fromJSON({ hidden_size: 8, d_model: 16 })).toThrow(
      "config.json: hidden_size and d_model are the same field and must agree, got 8 and 16.",
    );
  });

  it("keeps whether the decoder's output is scaled apart from tying", () => {
    const scale = (fields: JsonObject) => T5Config.fromJSON(fields).scaleDecoderOutputs;
    expect(scale({})).toBe(true);
    expect(scale({ tie_word_embeddings: false })).toBe(false);
    // As transformers 5 saves FLAN-T5.
    expect(scale({ tie_word_embeddings: true, scale_decoder_outputs: false })).toBe(false);
    const untied = T5Config.fromJSON({ num_layers: 1 }).withTying(false);
    expect(untied).toMatchObject({ tieWordEmbeddings: false, scaleDecoderOutputs: true });
    expect(untied.numParameters() - untied.withTying(true).numParameters()).toBe(32128 * 512);
  });

  it("saves untied models so that transformers 4 and 5 read them right", () => {
    const saved = T5Config.fromJSON(flanBase).toJSON();
    expect(saved).toMatchObject({ tie_word_embeddings: false, scale_decoder_outputs: false });
    const tied = T5Config.fromJSON({}).toJSON();
    expect(tied.tie_word_embeddings).toBe(true);
    expect(tied).not.toHaveProperty("scale_decoder_outputs");
    const unscaled = { tie_word_embeddings: true, scale_decoder_outputs: false };
    expect(T5Config.fromJSON(unscaled).toJSON()).toMatchObject(unscaled);
  });

  it("saves every key it read, and reads back what it saved", () => {
    const object = {
      ...flanBase,
      n_positions: 512,
      output_past: true,
      task_specific_params: { a: 1 },
    };
    const config = T5Config.fromJSON(object);
    expect(config.toJSON()).toMatchObject(object);
    const again = T5Config.fromJSON(config.toJSON());
    expect(again.toJSON()).toEqual(config.toJSON());
    const hostile = '{"__proto__":{"d_model":1},"constructor":2}';
    const odd = T5Config.fromJSON(JSON.parse(hostile) as JsonObject);
    expect(odd.dModel).toBe(512);
    expect(Object.keys(odd.raw)).toEqual(["__proto__", "constructor"]);
  });

  it("overrides fields, even one that the file has wrong", () => {
    const overrides = { dropout_rate: 0, hidden_size: 64 };
    expect(T5Config.fromJSON({ d_model: 32, dropout_rate: "no" }, { overrides })).toMatchObject({
      dropoutRate: 0,
      dModel: 64,
    });
    expect(() => T5Config.fromJSON({}, { overrides: { dropout: 0 } })).toThrow(
      "config overrides: dropout must be a field of config.json, got an unknown key. Known: vocab_size,",
    );
    expect(() => T5Config.fromJSON({}, { overrides: { d_model: 0 } })).toThrow(
      "config overrides: d_model must be a whole number of at least 1, got 0. Correct the override.",
    );
    const own = T5Config.fromJSON({ n_positions: 512 }).withOverrides({ n_positions: 256 });
    expect(own.raw.n_positions).toBe(256);
  });

  it("drops what transformers derived from a projection that is overridden", () => {
    const saved = { ...flanBase, dense_act_fn: "gelu_new", is_gated_act: true };
    expect(T5Config.fromJSON(saved).toJSON()).toMatchObject(saved);
    const config = T5Config.fromJSON(saved).withOverrides({ feed_forward_proj: "relu" });
    expect(config.toJSON()).not.toHaveProperty("dense_act_fn");
  });

  it("takes a saved dense_act_fn and is_gated_act before feed_forward_proj, as transformers does", () => {
    const saved = { feed_forward_proj: "gated-gelu", dense_act_fn: "gelu", is_gated_act: true };
    const config = T5Config.fromJSON(saved);
    expect(config).toMatchObject({ isGated: true, activation: "geluErf" });
    expect(config.toJSON()).toMatchObject(saved);
    expect(T5Config.fromJSON({ ...saved, dense_act_fn: "relu" }).activation).toBe("relu");
    expect(T5Config.fromJSON({ ...saved, is_gated_act: false }).isGated).toBe(false);
    expect(T5Config.fromJSON({ feed_forward_proj: "relu", is_gated_act: true }).isGated).toBe(true);
    expect(() => T5Config.fromJSON({ ...saved, dense_act_fn: "mish" })).toThrow(
      'dense_act_fn must be one of relu, gelu_new, gelu_pytorch_tanh, gelu_python_tanh, gelu_fast, gelu_accurate, gelu, gelu_python, silu, swish, tanh, got "mish".',
    );
  });

  it("takes a list of end tokens, and writes it again", () => {
    const config = T5Config.fromJSON({ eos_token_id: [1, 15] });
    expect(config).toMatchObject({ eosTokenId: 1, eosTokenIds: [1, 15] });
    expect(config.toJSON().eos_token_id).toEqual([1, 15]);
    expect(T5Config.fromJSON({}).toJSON().eos_token_id).toBe(1);
    expect(() => T5Config.fromJSON({ eos_token_id: [] })).toThrow("or a list of them, got [].");
    expect(() => T5Config.fromJSON({ eos_token_id: [1, 32128] })).toThrow("got [1,32128].");
  });

  it.each<[object, string]>([
    [
      { d_model: "768" },
      'model/config.json: d_model must be a whole number of at least 1, got "768". ' +
        "Correct the file, or override the field with { config: { d_model: ... } }.",
    ],
    [{ vocab_size: 0 }, "vocab_size must be a whole number of at least 1, got 0."],
    [{ vocab_size: null }, "vocab_size must be a whole number of at least 1, got null."],
    [{ num_heads: 1.5 }, "num_heads"],
    [{ num_layers: -1 }, "num_layers"],
    [{ num_decoder_layers: 0 }, "num_decoder_layers"],
    [{ d_kv: NaN }, "d_kv"],
    [{ d_ff: 2 ** 60 }, "d_ff"],
    [
      { relative_attention_num_buckets: 2 },
      "relative_attention_num_buckets must be a whole number",
    ],
    [{ relative_attention_num_buckets: 31 }, "must be an even number, got 31."],
    [
      { relative_attention_max_distance: 16 },
      "relative_attention_max_distance must be a whole number of at least 17, got 16.",
    ],
    [{ dropout_rate: 1 }, "dropout_rate must be a number in [0, 1), got 1."],
    [{ dropout_rate: -0.1 }, "dropout_rate"],
    [{ layer_norm_epsilon: 0 }, "layer_norm_epsilon must be a number above 0, got 0."],
    [{ initializer_factor: Infinity }, "initializer_factor"],
    [{ tie_word_embeddings: "false" }, 'tie_word_embeddings must be true or false, got "false".'],
    [{ scale_decoder_outputs: 1 }, "scale_decoder_outputs must be true or false, got 1."],
    [{ pad_token_id: 32128 }, "pad_token_id must be a token id below vocab_size 32128, got 32128."],
    [
      { eos_token_id: 32128 },
      "eos_token_id must be a token id below vocab_size 32128 or a list of them, got 32128.",
    ],
    [{ decoder_start_token_id: -1 }, "decoder_start_token_id"],
    [
      { feed_forward_proj: "dense-gelu" },
      "feed_forward_proj must be gated-gelu, or one of relu, gelu_new, gelu_pytorch_tanh, gelu_python_tanh, gelu_fast, gelu_accurate, " +
        'gelu, gelu_python, silu, swish, tanh, alone or after "gated-", got "dense-gelu". Correct the file',
    ],
    [{ feed_forward_proj: "mish" }, 'got "mish". Correct the file'],
    [{ feed_forward_proj: "constructor" }, "feed_forward_proj"],
    [{ feed_forward_proj: "dense-relu" }, "feed_forward_proj"],
    [{ feed_forward_proj: "gated-gelu-new" }, "feed_forward_proj"],
    [{ feed_forward_proj: true }, "feed_forward_proj must be a text, got true."],
    ...["bart", "pegasus", "marian", "t5gemma", "led"].map((model): [object, string] => [
      { model_type: model },
      `model_type must be "t5", "mt5" or "umt5", got "${model}". Other architectures are not supported.`,
    ]),
    [
      { model_type: "longt5" },
      'got "longt5". LongT5 attends to local windows and global blocks: that is not',
    ],
    [{ model_type: "switch_transformers" }, "Switch Transformers choose among experts in the feed"],
    [{ model_type: "constructor" }, 'got "constructor". Other architectures are not supported.'],
    [{ is_encoder_decoder: false }, "is_encoder_decoder must be true, got false. Encoder-only"],
  ])("refuses %j", (fields, message) => {
    const read = () => T5Config.fromJSON({ ...fields }, { source: "model/config.json" });
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(message);
    expect(read).toThrow(/^model\/config\.json: [^\n]*$/);
  });

  it("reads a folder, or files by name", async () => {
    writeFileSync(join(folder, "config.json"), JSON.stringify({ d_model: 16 }));
    expect((await T5Config.fromPretrained(folder)).dModel).toBe(16);
    expect((await T5Config.fromPretrained(`${folder}/`, { d_model: 8 })).dModel).toBe(8);
    const files = new Map([["config.json", new Blob(['{"d_model":24}'])]]);
    expect((await T5Config.fromPretrained(files)).dModel).toBe(24);
  });

  it("names what is missing or broken in a folder", async () => {
    const read = (path: string) => T5Config.fromPretrained(path);
    await expect(read(join(folder, "no"))).rejects.toThrow(ConfigError);
    await expect(read(join(folder, "no"))).rejects.toThrow(
      "must be a model folder with config.json, model.safetensors and tokenizer.json, got nothing there.",
    );
    await expect(read(join(folder, "config.json"))).rejects.toThrow("got a file. Check the path.");
    const outside = mkdtempSync(join(folder, "outside-"));
    mkdirSync(join(outside, "t5-v1.1"));
    writeFileSync(join(outside, "t5-v1.1/config.json"), "{}");
    await expect(read(outside)).rejects.toThrow("There is one in t5-v1.1: pass that folder");
    const empty = mkdtempSync(join(folder, "empty-"));
    await expect(read(empty)).rejects.toThrow(
      `${empty}: must hold config.json, got an empty folder`,
    );
    writeFileSync(join(empty, "adapter_config.json"), "{}");
    await expect(read(empty)).rejects.toThrow("This is a LoRA adapter: load its base model");
    writeFileSync(join(empty, "config.json"), "{\n");
    await expect(read(empty)).rejects.toThrow(/config\.json: must be JSON, got [^\n]*again\.$/);
    writeFileSync(join(empty, "config.json"), "[1]");
    await expect(read(empty)).rejects.toThrow("must hold a JSON object, got [1]");
  });
});

describe("GenerationConfig", () => {
  it("takes the special tokens, one end token or several, and keeps the rest", () => {
    const object = {
      decoder_start_token_id: 0,
      eos_token_id: [1, 2],
      pad_token_id: null,
      num_beams: 4,
      transformers_version: "4.27.0.dev0",
    };
    const config = GenerationConfig.fromJSON(object);
    expect(config.decoderStartTokenId).toBe(0);
    expect(config.eosTokenId).toEqual([1, 2]);
    expect(config.padTokenId).toBeUndefined();
    expect(config.toJSON()).toEqual(object);
    expect(() => GenerationConfig.fromJSON({ eos_token_id: [1, "2"] })).toThrow(
      'generation_config.json: eos_token_id must be a token id or a list of them, got [1,"2"].',
    );
  });

  it("falls back to config.json and the options that old models keep there", async () => {
    const empty = mkdtempSync(join(folder, "generation-"));
    const model = T5Config.fromJSON({ pad_token_id: 3, num_beams: 4, n_positions: 512 });
    const config = await GenerationConfig.fromPretrained(empty, model);
    expect(config).toMatchObject({ decoderStartTokenId: 3, eosTokenId: 1, padTokenId: 3 });
    expect(config.toJSON()).toEqual({
      _from_model_config: true,
      num_beams: 4,
      decoder_start_token_id: 3,
      eos_token_id: 1,
      pad_token_id: 3,
    });
    writeFileSync(join(empty, "generation_config.json"), '{"num_beams":2}');
    const file = await GenerationConfig.fromPretrained(empty, model);
    expect(file.toJSON()).toEqual({ num_beams: 2 });
    writeFileSync(join(empty, "generation_config.json"), '{"pad_token_id":"0"}');
    await expect(GenerationConfig.fromPretrained(empty, model)).rejects.toThrow(ConfigError);
  });
});

describe.skipIf(!hasShared)(needsShared("configurations of real models"), () => {
  const counts = {
    "flan-t5-small": 76_961_152,
    "flan-t5-base": 247_577_856,
    "flan-t5-large": 783_150_080,
    "t5-small": 60_506_624,
  };
  it.each(Object.entries(counts))("%s has %i parameters", async (name, count) => {
    const path = shared("models", name);
    const config = await T5Config.fromPretrained(path);
    expect(config.numParameters()).toBe(count);
    const json = JSON.parse(readFileSync(join(path, "config.json"), "utf8")) as Record<
      string,
      unknown
    >;
    expect(config.toJSON()).toMatchObject(json);
    const generation = await GenerationConfig.fromPretrained(path, config);
    expect(generation).toMatchObject({ decoderStartTokenId: 0, eosTokenId: 1, padTokenId: 0 });
  });

  const folders = hasShared
    ? ["golden", "models"].flatMap((top) =>
        (readdirSync(shared(top), { recursive: true }) as string[])
          .filter((file) => /(^|\/)model\.safetensors$/.test(file))
          .map((file) => join(top, file, "..")),
      )
    : [];
  it.each(folders)("%s holds as many weights as the formula says", async (name) => {
    const config = await T5Config.fromPretrained(shared(name));
    const { tensors } = await readSafetensors(shared(name, "model.safetensors"));
    const total = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
    expect(config.numParameters()).toBe(total);
  });
});
