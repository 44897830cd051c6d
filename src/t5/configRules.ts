// What config.json may say: names of fields, defaults, and the fields whose values hang together.

import { ConfigError } from "../tensor/errors.ts";
import type { JsonFields, JsonObject } from "../model/jsonFields.ts";

/** Functions of the feed-forward layer, by the names of our ops: `gelu` is the tanh approximation of `geluErf`. */
export type Activation = "relu" | "gelu" | "geluErf" | "silu" | "tanh";

const ACTIVATIONS: ReadonlyMap<string, Activation> = new Map([
  ["relu", "relu"],
  ["gelu_new", "gelu"],
  ["gelu_pytorch_tanh", "gelu"],
  ["gelu_python_tanh", "gelu"],
  ["gelu_fast", "gelu"],
  ["gelu_accurate", "gelu"],
  ["gelu", "geluErf"],
  ["gelu_python", "geluErf"],
  ["silu", "silu"],
  ["swish", "silu"],
  ["tanh", "tanh"],
]);

/** Other names of fields, as transformers' attribute_map has them. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ["hidden_size", "d_model"],
  ["num_attention_heads", "num_heads"],
  ["num_hidden_layers", "num_layers"],
  ["head_dim", "d_kv"],
]);

/** Values of fields that a file leaves out. */
export const DEFAULTS = {
  vocab_size: 32128,
  d_model: 512,
  d_kv: 64,
  d_ff: 2048,
  num_layers: 6,
  num_heads: 8,
  relative_attention_num_buckets: 32,
  relative_attention_max_distance: 128,
  dropout_rate: 0.1,
  layer_norm_epsilon: 1e-6,
  initializer_factor: 1,
  feed_forward_proj: "relu",
  tie_word_embeddings: true,
  pad_token_id: 0,
  eos_token_id: 1,
} as const;

/** Fields that may be overridden even where the file leaves them out. */
const OVERRIDABLE: ReadonlySet<string> = new Set([
  ...Object.keys(DEFAULTS),
  "decoder_start_token_id",
  "is_encoder_decoder",
  "model_type",
  "num_decoder_layers",
  "scale_decoder_outputs",
]);

/** What `model_type` may be: T5 and its variants that differ by a table here and a default there. */
export type ModelType = "t5" | "mt5" | "umt5";

/** The variants, by what transformers calls their class. */
export const ARCHITECTURES: Readonly<Record<ModelType, string>> = {
  t5: "T5ForConditionalGeneration",
  mt5: "MT5ForConditionalGeneration",
  umt5: "UMT5ForConditionalGeneration",
};

/** Where MT5Config and UMT5Config have other defaults than T5Config. */
const MT5_DEFAULTS: JsonObject = {
  vocab_size: 250112,
  d_ff: 1024,
  num_layers: 8,
  num_heads: 6,
  feed_forward_proj: "gated-gelu",
  decoder_start_token_id: 0,
};

/** Relatives of T5 whose config.json looks like one, and what is missing for them here. */
const RELATIVES: Readonly<Record<string, string>> = {
  longt5: "LongT5 attends to local windows and global blocks",
  switch_transformers: "Switch Transformers choose among experts in the feed-forward layer",
  pop2piano: "Pop2Piano reads sound",
  udop: "UDOP reads page layouts",
};

/** Attributes that transformers derives from feed_forward_proj and saves beside it. */
const DERIVED_FROM_PROJECTION = ["dense_act_fn", "is_gated_act"];

/** The object with aliases under the names of their fields. */
export function canonical(source: string, object: JsonObject): JsonObject {
  const fields = Object.entries(object).map(([key, value]): [string, unknown] => {
    const name = ALIASES.get(key) ?? key;
    if (name !== key && Object.hasOwn(object, name) && object[name] !== value) {
      throw new ConfigError(
        `${source}: ${key} and ${name} are the same field and must agree, got ${JSON.stringify(value)} and ${JSON.stringify(object[name])}. Remove one of them.`,
      );
    }
    return [name, value];
  });
  return Object.fromEntries(fields);
}

/**
 * The file's object with some of its fields replaced, both canonical.
 * @throws {ConfigError} for a key that is no field and not in the file
 */
export function withReplaced(raw: JsonObject, overrides: JsonObject): JsonObject {
  for (const key of Object.keys(overrides)) {
    if (OVERRIDABLE.has(key) || Object.hasOwn(raw, key)) continue;
    throw new ConfigError(
      `config overrides: ${key} must be a field of config.json, got an unknown key. Known: ${[...OVERRIDABLE].join(", ")}.`,
    );
  }
  const replaced = { ...raw, ...overrides };
  if (Object.hasOwn(overrides, "feed_forward_proj")) {
    for (const key of DERIVED_FROM_PROJECTION) delete replaced[key];
  }
  return replaced;
}

/** The object with those defaults of its model type that are not T5's. */
export function withModelDefaults(raw: JsonObject): JsonObject {
  return raw.model_type === "mt5" || raw.model_type === "umt5" ? { ...MT5_DEFAULTS, ...raw } : raw;
}

/** The model type, "t5" where the file does not say. Throws unless the file describes a model that src/t5 builds. */
export function readModelType(fields: JsonFields): ModelType {
  const modelType = fields.text("model_type", "t5");
  if (!isModelType(modelType)) {
    const reason = Object.hasOwn(RELATIVES, modelType)
      ? `${RELATIVES[modelType]!}: that is not supported.`
      : undefined;
    fields.fail(
      "model_type",
      '"t5", "mt5" or "umt5"',
      reason ?? "Other architectures are not supported.",
    );
  }
  if (!fields.boolean("is_encoder_decoder", true)) {
    fields.fail("is_encoder_decoder", "true", "Encoder-only T5 models are not supported.");
  }
  return modelType;
}

function isModelType(text: string): text is ModelType {
  return Object.hasOwn(ARCHITECTURES, text);
}

/**
 * Whether decoder outputs are scaled, where scale_decoder_outputs does not say. To transformers 4 an untied head meant
 * that they are not. 5 calls every head tied, keeps that meaning for T5 alone, and scales no mT5 and every UMT5
 * (docs/guide/hugging-face-semantics.md 1.1). So files of mT5 and UMT5 mean what the version that wrote them meant.
 */
export function scalesByDefault(raw: JsonObject, modelType: ModelType, tied: boolean): boolean {
  if (modelType === "t5") return tied;
  const { transformers_version: version, tie_word_embeddings: said } = raw;
  const isOld = typeof version === "string" && /^[0-4]\./.test(version);
  return isOld && typeof said === "boolean" ? said : modelType === "umt5";
}

/** Number of buckets for relative positions, and the distance from which all share the last one. */
export function readBuckets(fields: JsonFields): [buckets: number, distance: number] {
  const buckets = fields.whole(
    "relative_attention_num_buckets",
    DEFAULTS.relative_attention_num_buckets,
    4,
  );
  // The encoder gives half of its buckets to keys on the left and half to keys on the right.
  if (buckets % 2 !== 0) fields.fail("relative_attention_num_buckets", "an even number");
  // The first half of the buckets holds one distance each; the others divide what is beyond, up to the maximum.
  const least = buckets / 2 + 1;
  const distance = fields.whole(
    "relative_attention_max_distance",
    DEFAULTS.relative_attention_max_distance,
    least,
  );
  return [buckets, distance];
}

/**
 * Whether the feed-forward layer is gated, and its activation: "gated-gelu_new" is (true, gelu). As in transformers, a
 * dense_act_fn or is_gated_act that is saved beside feed_forward_proj goes before what feed_forward_proj says.
 */
export function readProjection(fields: JsonFields): [text: string, gated: boolean, Activation] {
  const text = fields.text("feed_forward_proj", DEFAULTS.feed_forward_proj);
  const parts = text.split("-");
  const isGated = parts[0] === "gated" && parts.length === 2;
  if (!isGated && parts.length > 1) refuseActivation(fields, "feed_forward_proj");
  // "gated-gelu" was released before gelu_new had its name, and means that.
  const derived = text === "gated-gelu" ? "gelu_new" : parts.at(-1)!;
  const saved = fields.text("dense_act_fn", "");
  const activation =
    ACTIVATIONS.get(saved || derived) ??
    refuseActivation(fields, saved === "" ? "feed_forward_proj" : "dense_act_fn");
  return [text, fields.boolean("is_gated_act", isGated), activation];
}

function refuseActivation(fields: JsonFields, key: string): never {
  const names = [...ACTIVATIONS.keys()].join(", ");
  return fields.fail(
    key,
    key === "dense_act_fn"
      ? `one of ${names}`
      : `gated-gelu, or one of ${names}, alone or after "gated-"`,
  );
}
