import { describe, expect, it } from "vitest";
import { LoraConfig, type LoraOptions } from "../../../src/t5/lora/config.ts";
import { checkNames, countLoraParameters, loraTargets } from "../../../src/t5/lora/targets.ts";
import { T5Config } from "../../../src/t5/config.ts";
import { buildWeights, linearLayers } from "../../../src/t5/weights.ts";
import { ArgumentError, ConfigError } from "../../../src/tensor/errors.ts";
import { tinyConfig } from "../../support/tinyT5.ts";

const layersOf = (config: T5Config) =>
  linearLayers(buildWeights(config, config.tieWordEmbeddings, (_name, shape) => shape));
const layers = layersOf(tinyConfig);

const targets = (options: LoraOptions) => loraTargets(layers, new LoraConfig(options));
const modules = (options: LoraOptions) => targets(options).map(({ module }) => module);

describe("LoraConfig", () => {
  it("has peft's defaults", () => {
    expect(new LoraConfig()).toMatchObject({
      ...{ r: 8, loraAlpha: 8, loraDropout: 0, targetModules: ["q", "v"], bias: "none" },
      ...{ useRslora: false, initLoraWeights: true, rankPattern: {}, alphaPattern: {} },
    });
  });

  it.each([
    [{ r: 0 }, "LoraConfig: r must be a whole number of at least 1, got 0"],
    [{ r: 2.5 }, "LoraConfig: r must be a whole number of at least 1, got 2.5"],
    [{ loraAlpha: 0 }, "LoraConfig: loraAlpha must be a number above 0, got 0"],
    [
      { loraDropout: 1 },
      "LoraConfig: loraDropout must be a number of at least 0 and below 1, got 1",
    ],
    [{ bias: "all" }, 'LoraConfig: bias must be "none", for T5 has no biases, got "all"'],
    [
      { targetModules: [] },
      "LoraConfig: targetModules must be a name, a regular expression, or a list of names that is not empty, got []",
    ],
    [
      { initLoraWeights: "pissa" },
      'LoraConfig: initLoraWeights must be true, false or "gaussian" (other ways change the base model), got "pissa"',
    ],
    [
      { targetModules: "all-linear", layersToTransform: 1 },
      "LoraConfig: layersToTransform must be left out beside a targetModules of one text, got 1",
    ],
    [
      { layersPattern: "block" },
      'LoraConfig: layersPattern must be beside layersToTransform, got "block"',
    ],
    [
      { lora_alpha: 4 },
      "LoraConfig: every name must be one of r, loraAlpha, loraDropout, targetModules, excludeModules, layersToTransform, layersPattern, rankPattern, alphaPattern, useRslora, initLoraWeights, bias, taskType, baseModelNameOrPath, revision, got lora_alpha. Did you mean loraAlpha?",
    ],
  ])("refuses %j", (options, message) => {
    expect(() => new LoraConfig(options as LoraOptions)).toThrow(new ArgumentError(message));
  });

  it("goes to peft's keys and back", () => {
    const options: LoraOptions = {
      ...{ r: 4, loraAlpha: 12, loraDropout: 0.1, targetModules: ["k"], excludeModules: ["o"] },
      ...{ layersToTransform: [0, 1], layersPattern: "block", useRslora: true },
      ...{ rankPattern: { q: 2 }, alphaPattern: { "0.SelfAttention.q": 3 } },
      ...{ initLoraWeights: "gaussian", baseModelNameOrPath: "base" },
    };
    const json = new LoraConfig(options).toJSON();
    expect(Object.keys(json)).toEqual(Object.keys(json).sort());
    expect(json).toMatchObject({
      ...{ peft_type: "LORA", task_type: "SEQ_2_SEQ_LM", r: 4, lora_alpha: 12 },
      ...{ target_modules: ["k"], inference_mode: true, fan_in_fan_out: false },
      ...{ modules_to_save: null, use_dora: false, base_model_name_or_path: "base" },
    });
    expect(LoraConfig.fromJSON(json)).toEqual(new LoraConfig(options));
  });

  it("reads the least that peft reads, and how adapters of peft may have begun", () => {
    expect(LoraConfig.fromJSON({ peft_type: "LORA" })).toEqual(new LoraConfig({ taskType: null }));
    expect(
      LoraConfig.fromJSON({ peft_type: "LORA", init_lora_weights: "eva" }).initLoraWeights,
    ).toBe(true);
  });

  it.each([
    [{}, 'peft_type must be "LORA", got nothing'],
    [{ peft_type: "IA3" }, 'peft_type must be "LORA", got "IA3"'],
    [{ peft_type: "LORA", r: "4" }, 'r must be a whole number of at least 1, got "4"'],
    [
      { peft_type: "LORA", use_dora: true },
      "use_dora must be absent, for this variant of LoRA is not supported, got true",
    ],
    [
      { peft_type: "LORA", modules_to_save: ["lm_head"] },
      'modules_to_save must be absent, for this variant of LoRA is not supported, got ["lm_head"]',
    ],
  ])("refuses the file %j", (object, message) => {
    const read = () => LoraConfig.fromJSON(object, "a/adapter_config.json");
    expect(read).toThrow(
      new ConfigError(
        `a/adapter_config.json: ${message}. Use a plain LoRA adapter for a T5 model.`,
      ),
    );
  });
});

describe("loraTargets", () => {
  it("matches names as the end of a path", () => {
    expect(modules({ targetModules: ["q"] })).toHaveLength(2 + 2 * 2);
    expect(modules({ targetModules: ["EncDecAttention.v"] })).toEqual([
      "decoder.block.0.layer.1.EncDecAttention.v",
      "decoder.block.1.layer.1.EncDecAttention.v",
    ]);
    expect(
      modules({ targetModules: ["decoder.block.1.layer.2.DenseReluDense.wo", "lm_head"] }),
    ).toEqual(["decoder.block.1.layer.2.DenseReluDense.wo", "lm_head"]);
    // A name is no fragment: neither "Attention.q" nor "i_0" ends a path at a dot.
    expect(() => modules({ targetModules: ["Attention.q"] })).toThrow(ArgumentError);
  });

  it("matches a text as a regular expression for whole paths, and all-linear", () => {
    expect(modules({ targetModules: ".*encoder.*SelfAttention\\.(q|o)" })).toHaveLength(2 * 2);
    expect(() => modules({ targetModules: "SelfAttention\\.q" })).toThrow(ArgumentError);
    const all = modules({ targetModules: "all-linear" });
    expect(all).toHaveLength(layers.length - 1);
    expect(all).not.toContain("lm_head");
  });

  it("leaves out what is excluded, and other blocks", () => {
    expect(modules({ targetModules: ["q"], excludeModules: ["EncDecAttention.q"] })).toHaveLength(
      4,
    );
    expect(modules({ targetModules: ["q"], excludeModules: "decoder.*" })).toHaveLength(2);
    const second = [
      "encoder.block.1.layer.0.SelfAttention.q",
      "decoder.block.1.layer.0.SelfAttention.q",
    ];
    const names = { targetModules: ["SelfAttention.q"], layersToTransform: 1 };
    expect(modules(names)).toEqual(second);
    expect(modules({ ...names, layersPattern: "block" })).toEqual(second);
    expect(modules({ ...names, layersToTransform: [1, 7], layersPattern: ["h", "block"] })).toEqual(
      second,
    );
    expect(() => modules({ ...names, layersToTransform: 5 })).toThrow(
      new ArgumentError(
        "LoraConfig: some layer must get an adapter, got none. Check excludeModules and layersToTransform.",
      ),
    );
  });

  it("takes rank and alpha from the first pattern that a path ends in", () => {
    const found = targets({
      ...{ r: 8, loraAlpha: 16, targetModules: ["q", "v"] },
      rankPattern: { "encoder.*SelfAttention.q": 2, "SelfAttention.q": 4 },
      alphaPattern: { q: 32 },
    });
    const of = (module: string) => found.find((target) => target.module === module);
    expect(of("encoder.block.0.layer.0.SelfAttention.q")).toMatchObject({ r: 2, scale: 16 });
    expect(of("decoder.block.0.layer.0.SelfAttention.q")).toMatchObject({ r: 4, scale: 8 });
    expect(of("decoder.block.0.layer.1.EncDecAttention.q")).toMatchObject({ r: 8, scale: 4 });
    expect(of("encoder.block.0.layer.0.SelfAttention.v")).toMatchObject({ r: 8, scale: 2 });
    expect(targets({ r: 16, loraAlpha: 8, useRslora: true })[0]!.scale).toBe(2);
  });

  it("names the layers there are when a name is unknown", () => {
    const config = new LoraConfig({ targetModules: ["q", "query"] });
    expect(loraTargets(layers, config)).toHaveLength(6); // as peft, which reads such files
    expect(() => checkNames(layers, config)).toThrow(
      new ArgumentError(
        'LoraConfig: targetModules must match linear layers of the model, got "query". ' +
          "Layers are called q, k, v, o, wi_0, wi_1, wo, lm_head.",
      ),
    );
    expect(() => modules({ targetModules: ["query"] })).toThrow('got "query"');
    expect(() => modules({ targetModules: "(" })).toThrow(
      /^LoraConfig: names must be regular expressions, got "\("/,
    );
  });

  it("knows no head of its own in a tied model", () => {
    const tied = layersOf(tinyConfig.withOverrides({ tie_word_embeddings: true }));
    expect(() => loraTargets(tied, new LoraConfig({ targetModules: ["lm_head"] }))).toThrow(
      ArgumentError,
    );
  });
});

describe("countLoraParameters", () => {
  it("is 3,538,944 for rank 32 on q and v of FLAN-T5-base", () => {
    const base = T5Config.fromJSON({
      ...{ d_model: 768, d_kv: 64, d_ff: 2048, num_layers: 12, num_heads: 12 },
      ...{ feed_forward_proj: "gated-gelu", tie_word_embeddings: false, vocab_size: 32128 },
    });
    const adapter = countLoraParameters(base, new LoraConfig({ r: 32 }));
    expect(adapter).toBe(3_538_944);
    expect(base.numParameters() + adapter).toBe(251_116_800);
  });
});
