import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LoraConfig, type LoraOptions } from "../../../src/t5/lora/config.ts";
import { checkNames, countLoraParameters, loraTargets } from "../../../src/t5/lora/targets.ts";
import { T5Config } from "../../../src/t5/config.ts";
import { buildWeights, linearLayers } from "../../../src/t5/weights.ts";
import { ArgumentError, ConfigError } from "../../../src/tensor/errors.ts";
import { setWarningHandler } from "../../../src/tensor/warnings.ts";
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
    [{ bias: "some" }, 'LoraConfig: bias must be "none" or "all" or "lora_only", got "some"'],
    [
      { modulesToSave: "lm_head" },
      'LoraConfig: modulesToSave must be a list of names, got "lm_head"',
    ],
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
      "LoraConfig: every name must be one of r, loraAlpha, loraDropout, targetModules, excludeModules, layersToTransform, layersPattern, rankPattern, alphaPattern, useRslora, initLoraWeights, bias, modulesToSave, taskType, baseModelNameOrPath, revision, got lora_alpha. Did you mean loraAlpha?",
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
    expect(
      LoraConfig.fromJSON({ peft_type: "LORA", init_lora_weights: "Gaussian" }).initLoraWeights,
    ).toBe("gaussian");
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
      { peft_type: "LORA", target_modules: [] },
      "target_modules must be a name, a regular expression, or a list of names that is not empty, got []",
    ],
    [
      { peft_type: "LORA", modules_to_save: ["lm_head"], ensure_weight_tying: true },
      "ensure_weight_tying must be false where the head or modules_to_save are trained, got true",
    ],
    [
      { peft_type: "LORA", target_modules: ".*\\.?(q|lm_head)", ensure_weight_tying: true },
      "ensure_weight_tying must be false where the head or modules_to_save are trained, got true",
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

describe("what an adapter_config.json says", () => {
  const read = (object: object) => LoraConfig.fromJSON({ peft_type: "LORA", ...object }, "a.json");
  const warnings: string[] = [];
  beforeEach(() => {
    warnings.length = 0;
    setWarningHandler((text) => warnings.push(text));
  });
  afterEach(() => setWarningHandler(null));

  it.each([
    { layers_pattern: "", layers_to_transform: [], exclude_modules: [], rank_pattern: [] },
    { exclude_modules: "", layers_pattern: [], modules_to_save: [], alpha_pattern: null },
    { base_model_name_or_path: "", revision: "", task_type: "", modules_to_save: "" },
    { use_rslora: null, bias: null, r: null, target_modules: null, init_lora_weights: null },
    { use_dora: false, use_bdlora: null, loftq_config: {}, target_parameters: [], kasa_config: "" },
    { inference_mode: true, fan_in_fan_out: true, peft_version: "0.21.0", megatron_core: "m" },
    { qalora_group_size: 16, eva_config: { rho: 2 }, ensure_weight_tying: true },
    { merge_weights: false, of_later: null, of_later_too: [] },
  ])("is nothing in %j", (object) => {
    expect(read(object)).toEqual(read({}));
    expect(warnings).toEqual([]);
  });

  it("is named in a warning where nobody knows the key", () => {
    expect(read({ use_future: true, r: 4, other: "x" })).toMatchObject({ r: 4 });
    expect(warnings).toEqual([
      "a.json: not used, because peft 0.21 has no such keys: use_future, other. " +
        "If the adapter needs them, merge it into its model with the peft that wrote it.",
    ]);
  });

  it("is applied, and written again", () => {
    const said = { bias: "all", modules_to_save: ["lm_head"], revision: "v1", use_rslora: true };
    expect(read(said).toJSON()).toMatchObject(said);
  });

  it.each([
    [{ target_modules: ".*\\.(?>q)" }, "target_modules", "(?> is not read here"],
    [{ exclude_modules: "(a)\\1" }, "exclude_modules", "\\1 is not read here"],
    [{ rank_pattern: { "a++": 4 } }, "rank_pattern", "++ is not read here"],
    [{ alpha_pattern: { "(?i)q": 4 } }, "alpha_pattern", "(?i is not read here"],
    [{ modules_to_save: ["lm_head", "["] }, "modules_to_save", "[ without ]"],
    [{ layers_to_transform: 1, layers_pattern: ["\\N"] }, "layers_pattern", "\\N is not read here"],
  ])("cannot be read: %j", (object, key, reason) => {
    expect(() => read(object)).toThrow(
      `a.json: ${key} must be a regular expression that can be read (${reason}`,
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
    const whole = "decoder.block.0.layer.1.EncDecAttention.v";
    const both = { ...names, targetModules: ["SelfAttention.q", whole] };
    expect(modules(both)).toEqual([second[0], whole, second[1]]);
    expect(modules({ ...both, modulesToSave: ["SelfAttention"] })).toEqual([whole]);
    expect(() => modules({ ...names, layersToTransform: 5 })).toThrow(
      new ArgumentError(
        "LoraConfig: some layer must get an adapter, got none. Check excludeModules, layersToTransform and modulesToSave.",
      ),
    );
  });

  it("takes rank and alpha from the first pattern that a path ends in", () => {
    const found = targets({
      ...{ r: 8, loraAlpha: 16, targetModules: ["q", "v"] },
      rankPattern: { "encoder.*SelfAttention.q": 2, "SelfAttention.q": 4 },
      alphaPattern: { q: 32 },
    });
    const either = targets({ targetModules: ["q", "v"], alphaPattern: { "x|v": 24 } });
    expect(either.map(({ scale }) => scale)).toEqual(
      either.map(({ module }) => (module.endsWith("v") ? 3 : 1)),
    );
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
      /^LoraConfig: targetModules must be a regular expression that can be read \(.*\), got "\("/,
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
