// T5Config: config.json as transformers writes it, checked, with its parameter count.
//
// Source: transformers' models/t5/configuration_t5.py, 4.57 and 5.x.

import { above, atLeast, shareBelow1 } from "../fields/rules.ts";
import { ConfigError } from "../tensor/errors.ts";
import {
  canonical,
  ARCHITECTURES,
  DEFAULTS,
  readBuckets,
  readModelType,
  readProjection,
  scalesByDefault,
  withModelDefaults,
  withReplaced,
  type Activation,
  type ModelType,
} from "./configRules.ts";
import { JsonFields, type JsonObject } from "../model/jsonFields.ts";
import type { HubOptions } from "../hub/options.ts";
import { configCure } from "../model/missingWeights.ts";
import { openModelFolder, type ModelSource } from "../model/modelFolder.ts";
import { locateModel } from "../model/pretrained.ts";
import { requireThat } from "../tensor/requireTensors.ts";

export type { Activation, ModelType };

/** Weights are listed one by one: a file that says a million layers would take the memory for their names. T5-XXL has 24. */
const MOST_LAYERS = 4096;

/** The fields of config.json of a T5, mT5 or UMT5, checked, in camelCase. Made by `fromPretrained`, or by hand from such an object. */
export class T5Config {
  readonly modelType: ModelType;
  readonly vocabSize: number;
  readonly dModel: number;
  /** Width of one head; numHeads * dKv may differ from dModel. */
  readonly dKv: number;
  readonly dFf: number;
  /** Blocks of the encoder. */
  readonly numLayers: number;
  readonly numDecoderLayers: number;
  readonly numHeads: number;
  readonly relativeAttentionNumBuckets: number;
  readonly relativeAttentionMaxDistance: number;
  /** In [0, 1). */
  readonly dropoutRate: number;
  readonly layerNormEpsilon: number;
  readonly initializerFactor: number;
  /** As the file has it: "relu", "gated-gelu", ... */
  readonly feedForwardProj: string;
  readonly isGated: boolean;
  readonly activation: Activation;
  /** What the file says. Whether a checkpoint's head is tied, its tensors decide: see `withTying`. */
  readonly tieWordEmbeddings: boolean;
  /** Whether the decoder's output is multiplied by dModel ** -0.5 before the head. */
  readonly scaleDecoderOutputs: boolean;
  readonly padTokenId: number;
  /** The first of `eosTokenIds`. */
  readonly eosTokenId: number;
  /** Any of these ends a sequence; mostly one. */
  readonly eosTokenIds: readonly number[];
  /** The pad token, with which T5 was trained to start, where the file does not say. */
  readonly decoderStartTokenId: number;
  /** Every key of the file and its overrides, aliases under their own name; of mT5 and UMT5 their own defaults too. */
  readonly raw: JsonObject;

  private constructor(raw: JsonObject, source: string, overrides: JsonObject) {
    const fields = new JsonFields(source, raw, overrides);
    const size = (key: keyof typeof DEFAULTS) => fields.whole(key, Number(DEFAULTS[key]), 1);
    const token = (key: string, fallback: number) => fields.tokenId(key, fallback, this.vocabSize);
    this.modelType = readModelType(fields);
    this.raw = raw;
    this.vocabSize = size("vocab_size");
    this.dModel = size("d_model");
    this.dKv = size("d_kv");
    this.dFf = size("d_ff");
    this.numLayers = fields.whole("num_layers", DEFAULTS.num_layers, 1, MOST_LAYERS);
    this.numDecoderLayers =
      raw.num_decoder_layers === null
        ? this.numLayers
        : fields.whole("num_decoder_layers", this.numLayers, 1, MOST_LAYERS);
    this.numHeads = size("num_heads");
    [this.relativeAttentionNumBuckets, this.relativeAttentionMaxDistance] = readBuckets(fields);
    this.dropoutRate = fields.number("dropout_rate", DEFAULTS.dropout_rate, {
      ...shareBelow1,
      must: "a number in [0, 1)",
    });
    this.layerNormEpsilon = fields.number(
      "layer_norm_epsilon",
      DEFAULTS.layer_norm_epsilon,
      above(0),
    );
    this.initializerFactor = fields.number(
      "initializer_factor",
      DEFAULTS.initializer_factor,
      atLeast(0),
    );
    [this.feedForwardProj, this.isGated, this.activation] = readProjection(fields);
    this.tieWordEmbeddings = fields.boolean("tie_word_embeddings", DEFAULTS.tie_word_embeddings);
    this.scaleDecoderOutputs = fields.boolean(
      "scale_decoder_outputs",
      scalesByDefault(raw, this.modelType, this.tieWordEmbeddings),
    );
    this.padTokenId = token("pad_token_id", DEFAULTS.pad_token_id);
    this.eosTokenIds = [
      fields.tokenIds("eos_token_id", this.vocabSize) ?? DEFAULTS.eos_token_id,
    ].flat();
    this.eosTokenId = this.eosTokenIds[0]!;
    this.decoderStartTokenId = token("decoder_start_token_id", this.padTokenId);
  }

  /**
   * Reads a configuration from its JSON. Fields left out take transformers' defaults for its model type.
   * @param object keys as in config.json, or attribute names such as hidden_size; unknown keys are kept
   * @param options `source` names the file in messages; `overrides` replace fields, by the file's keys
   * @throws {ConfigError} naming the field, what it must be, and what it is
   */
  static fromJSON(
    object: JsonObject,
    options: { readonly source?: string; readonly overrides?: JsonObject | undefined } = {},
  ): T5Config {
    const { source = "config.json" } = options;
    const isObject = typeof object === "object" && object !== null;
    requireThat(
      isObject,
      "T5Config",
      "config must be an object",
      object,
      "Pass what config.json holds.",
    );
    const overrides = canonical("config overrides", options.overrides ?? {});
    const raw = withModelDefaults(withReplaced(canonical(source, object), overrides));
    return new T5Config(raw, source, overrides);
  }

  /**
   * Reads config.json of a model folder, or of a repository of the Hub (nothing else is downloaded).
   * @throws {ConfigError} as fromJSON, and when there is no such folder or file
   * @throws {HubError} when the repository or its file cannot be had
   */
  static async fromPretrained(
    source: ModelSource,
    overrides?: JsonObject,
    hub?: HubOptions,
  ): Promise<T5Config> {
    const folder = await openModelFolder(await locateModel(source, ["config"], hub), ConfigError);
    const cure = "Pass the folder of a T5 model in Hugging Face's format.";
    if (!folder.has("config.json")) {
      folder.require("config.json", configCure(await folder.namesBelow(), cure));
    }
    const object = await folder.json("config.json");
    return T5Config.fromJSON(object, { source: folder.path("config.json"), overrides });
  }

  /**
   * A copy with some fields replaced.
   * @param overrides keys as in config.json
   * @throws {ConfigError} for a key that is no field and not in the file, or a value out of range
   */
  withOverrides(overrides: JsonObject): T5Config {
    return T5Config.fromJSON(this.raw, { overrides });
  }

  /** A copy for weights whose head turned out to be tied or not; the decoder's scaling stays what the file says. */
  withTying(tied: boolean): T5Config {
    return this.withOverrides({
      tie_word_embeddings: tied,
      scale_decoder_outputs: this.scaleDecoderOutputs,
    });
  }

  /** Width of all heads together. */
  get innerDim(): number {
    return this.numHeads * this.dKv;
  }

  /** Whether every block has a table of position biases of its own (UMT5), or block 0 one for its stack. */
  get hasBiasInEveryBlock(): boolean {
    return this.modelType === "umt5";
  }

  /** Number of weights, tied ones once: 247,577,856 for FLAN-T5-base. */
  numParameters(): number {
    const embeddings = (this.tieWordEmbeddings ? 1 : 2) * this.vocabSize * this.dModel;
    return embeddings + this.#stack(this.numLayers, 1) + this.#stack(this.numDecoderLayers, 2);
  }

  /**
   * Weights that are no embedding: without the token embedding and the tables of position biases,
   * with an untied head. What transformers counts for total_flos: 222,902,784 for FLAN-T5-base.
   */
  numParametersWithoutEmbeddings(): number {
    const { numLayers, numDecoderLayers } = this;
    const tables = this.#biases(numLayers) + this.#biases(numDecoderLayers);
    return this.numParameters() - this.vocabSize * this.dModel - tables;
  }

  /** Weights of one stack: `attentions` a block, each with its norm; the feed-forward; the last norm; the position bias. */
  #stack(blocks: number, attentions: number): number {
    const { dModel, dFf, innerDim } = this;
    const attention = 4 * dModel * innerDim + dModel;
    const feedForward = (this.isGated ? 3 : 2) * dModel * dFf + dModel;
    return blocks * (attentions * attention + feedForward) + dModel + this.#biases(blocks);
  }

  /** Weights of a stack's tables of position biases. */
  #biases(blocks: number): number {
    const tables = this.hasBiasInEveryBlock ? blocks : 1;
    return tables * this.relativeAttentionNumBuckets * this.numHeads;
  }

  /**
   * What to write to config.json: the file's own keys, and every field under its name. A model that does not
   * scale says so in a key of its own, for transformers 5, beside tie_word_embeddings, from which 4 derives it.
   */
  toJSON(): Record<string, unknown> {
    return {
      architectures: [ARCHITECTURES[this.modelType]],
      is_encoder_decoder: true,
      ...this.raw,
      model_type: this.modelType,
      vocab_size: this.vocabSize,
      d_model: this.dModel,
      d_kv: this.dKv,
      d_ff: this.dFf,
      num_layers: this.numLayers,
      num_decoder_layers: this.numDecoderLayers,
      num_heads: this.numHeads,
      relative_attention_num_buckets: this.relativeAttentionNumBuckets,
      relative_attention_max_distance: this.relativeAttentionMaxDistance,
      dropout_rate: this.dropoutRate,
      layer_norm_epsilon: this.layerNormEpsilon,
      initializer_factor: this.initializerFactor,
      feed_forward_proj: this.feedForwardProj,
      tie_word_embeddings: this.tieWordEmbeddings,
      ...(this.scaleDecoderOutputs ? {} : { scale_decoder_outputs: false }),
      pad_token_id: this.padTokenId,
      eos_token_id: this.raw.eos_token_id ?? this.eosTokenId,
      decoder_start_token_id: this.decoderStartTokenId,
    };
  }
}
