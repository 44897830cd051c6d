// Folders as google-t5/t5-small, google/t5-v1_1-small, google/mt5-small and google/umt5-small have them on the Hub: their
// configurations and names of tensors, around weights small enough for a test whose logits PyTorch computed.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Tokenizer } from "../../src/model/tokenizer.ts";
import { T5Config } from "../../src/t5/config.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { CheckpointError } from "../../src/tensor/errors.ts";
import { readSafetensors, writeSafetensors } from "../../src/tensor/safetensors.ts";
import { scope } from "../../src/tensor/scope.ts";
import { setWarningHandler } from "../../src/tensor/warnings.ts";
import { distance } from "../support/describeOp.ts";
import { cpu } from "../support/device.ts";
import { temporaryFolder } from "../support/folder.ts";
import { golden, hasGolden } from "../support/golden.ts";
import { floats, rows } from "../support/goldenRows.ts";
import { needsShared } from "../support/shared.ts";

const folder = temporaryFolder();

const COMMON = {
  ...{ decoder_start_token_id: 0, dropout_rate: 0.1, eos_token_id: 1, initializer_factor: 1.0 },
  ...{ is_encoder_decoder: true, layer_norm_epsilon: 1e-6, pad_token_id: 0 },
  ...{ relative_attention_num_buckets: 32, use_cache: true, d_kv: 64, d_model: 512 },
};
const V1_1 = {
  ...{ d_ff: 1024, feed_forward_proj: "gated-gelu", num_decoder_layers: 8, num_heads: 6 },
  ...{ num_layers: 8, tie_word_embeddings: false },
};
/** What pytorch_model.bin of the later ones holds beside shared.weight. */
const COPIES = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"];
const OBSOLETE = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";

interface Released {
  readonly config: Record<string, unknown>;
  /** Weights that the released model has. */
  readonly parameters: number;
  /** The golden model whose weights and sizes a test puts in. */
  readonly golden: string;
  /** Other names under which the file holds the embedding, too. */
  readonly copies: readonly string[];
  /** What PyTorch's logits of the golden model are multiplied by: its configuration may scale, and the released one not. */
  readonly scale: number;
}

const RELEASED: Readonly<Record<string, Released>> = {
  "google-t5/t5-small": {
    config: {
      ...COMMON,
      ...{ architectures: ["T5ForConditionalGeneration"], model_type: "t5", vocab_size: 32128 },
      ...{ d_ff: 2048, feed_forward_proj: "relu", num_decoder_layers: 6, num_heads: 8 },
      ...{ num_layers: 6, n_positions: 512, output_past: true },
      task_specific_params: { summarization: { num_beams: 4, prefix: "summarize: " } },
      transformers_version: "4.27.0.dev0",
    },
    parameters: 60_506_624,
    golden: "t5-relu",
    copies: [],
    scale: 1,
  },
  "google/t5-v1_1-small": {
    config: {
      ...{ ...COMMON, ...V1_1, architectures: ["T5ForConditionalGeneration"], model_type: "t5" },
      ...{ n_positions: 512, output_past: true, vocab_size: 32128 },
    },
    parameters: 76_961_152,
    golden: "t5-odd",
    copies: COPIES,
    scale: 1,
  },
  "google/mt5-small": {
    config: {
      ...{ ...COMMON, ...V1_1, architectures: ["MT5ForConditionalGeneration"], model_type: "mt5" },
      ...{ tokenizer_class: "T5Tokenizer", vocab_size: 250112 },
      transformers_version: "4.10.0.dev0",
    },
    parameters: 300_176_768,
    golden: "mt5-odd",
    copies: COPIES,
    scale: 1,
  },
  "google/umt5-small": {
    config: {
      ...{ ...COMMON, ...V1_1, architectures: ["UMT5ForConditionalGeneration"] },
      ...{ model_type: "umt5", classifier_dropout: 0, dense_act_fn: "gelu_new" },
      ...{ is_gated_act: true, output_past: true, relative_attention_max_distance: 128 },
      ...{ scalable_attention: true, tokenizer_class: "T5Tokenizer", vocab_size: 256384 },
      transformers_version: "4.31.0.dev0",
    },
    parameters: 306_601_984,
    golden: "umt5-odd",
    copies: COPIES,
    scale: Math.sqrt(12), // transformers 5 multiplied by 12 ** -0.5, as it wrote the golden model
  },
};

/** Sizes of the golden model, which the released configuration takes over. */
const SIZES = [
  ...["vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_decoder_layers", "num_heads"],
  ...["relative_attention_num_buckets", "relative_attention_max_distance"],
];
const GENERATION = { decoder_start_token_id: 0, eos_token_id: 1, pad_token_id: 0 };

const special = (id: number, content: string) => ({
  ...{ id, content, special: true, normalized: false },
  ...{ single_word: false, lstrip: false, rstrip: false },
});
const SENTENCE = [{ Sequence: { id: "A" } }, { SpecialToken: { id: "</s>" } }];
const TOKENIZER = {
  version: "1.0",
  added_tokens: ["<pad>", "</s>", "<unk>"].map((content, id) => special(id, content)),
  normalizer: { type: "NFKC" },
  pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "always" },
  post_processor: { type: "TemplateProcessing", single: SENTENCE, pair: SENTENCE },
  decoder: { type: "Metaspace", replacement: "▁" },
  model: {
    type: "Unigram",
    unk_id: 2,
    vocab: [..."pau▁abcdefghijklmnop"].map((piece, id) =>
      id < 3 ? [["<pad>", "</s>", "<unk>"][id], 0] : [piece, -3],
    ),
  },
};
const TOKENIZER_CONFIG = { pad_token: "<pad>", eos_token: "</s>", unk_token: "<unk>" };

/** @returns the path of a folder that holds the golden model as a released one */
async function release(
  { config, golden: name, copies }: Released,
  more: readonly string[] = [],
): Promise<string> {
  const sizes = (await T5Config.fromPretrained(golden(name))).toJSON();
  const { tensors } = await readSafetensors(golden(name, "model.safetensors"));
  const files = new Map(tensors);
  for (const copy of copies) files.set(copy, tensors.get("shared.weight")!);
  const bias = "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";
  for (const other of more) files.set(other, tensors.get(bias)!);
  const path = folder();
  await mkdir(path, { recursive: true });
  const texts = {
    "config.json": { ...config, ...Object.fromEntries(SIZES.map((key) => [key, sizes[key]])) },
    "generation_config.json": GENERATION,
    "tokenizer.json": TOKENIZER,
    "tokenizer_config.json": TOKENIZER_CONFIG,
  };
  for (const [file, value] of Object.entries(texts)) {
    await writeFile(join(path, file), JSON.stringify(value));
  }
  await writeSafetensors(join(path, "model.safetensors"), files, { format: "pt" });
  return path;
}

const warnings: string[] = [];
beforeEach(() => {
  warnings.length = 0;
  setWarningHandler((text) => warnings.push(text));
});
afterEach(() => setWarningHandler(null));

describe.each(Object.entries(RELEASED))("%s", (_name, released) => {
  it("has as many weights as the released one", () => {
    expect(T5Config.fromJSON(released.config).numParameters()).toBe(released.parameters);
  });

  const isHere = hasGolden(released.golden);
  const title = (text: string): string => (isHere ? text : needsShared(text));

  it.skipIf(!isHere)(title("gives PyTorch's logits, without a word"), async () => {
    const path = await release(released, released.golden === "t5-relu" ? [OBSOLETE] : []);
    const io = await readSafetensors(golden(released.golden, "io.safetensors"));
    const model = await T5ForConditionalGeneration.fromPretrained(path, { device: cpu });
    const { logits, loss } = scope(() =>
      model.forward({
        inputIds: rows(io, "input_ids"),
        attentionMask: rows(io, "attention_mask"),
        labels: rows(io, "labels"),
      }),
    );
    const expected = floats(io, "logits").map((x) => x * released.scale);
    expect(distance(await logits.data(), expected)).toBeLessThan(1e-4);
    expect(model.unusedTensors).toEqual([]);
    expect(warnings).toEqual([]);
    for (const x of [logits, loss!]) x.dispose();
    model.dispose();
  });

  it.skipIf(!isHere)(title("writes with its tokenizer"), async () => {
    const path = await release(released);
    const tokenizer = await Tokenizer.fromPretrained(path);
    const { inputIds, attentionMask } = tokenizer.encode("a bad cab");
    expect(inputIds).toEqual([[3, 4, 3, 5, 4, 7, 3, 6, 4, 5, 1]]);
    const model = await T5ForConditionalGeneration.fromPretrained(path, { device: cpu });
    const [ids] = await model.generate({ inputIds, attentionMask }, { maxNewTokens: 5 });
    expect(ids![0]).toBe(0);
    expect(ids!.length).toBeGreaterThan(1);
    expect(ids!.every((id) => id < model.config.vocabSize)).toBe(true);
    expect(typeof tokenizer.decode(ids!)).toBe("string");
    expect(warnings).toEqual([]);
    model.dispose();
  });

  it.skipIf(!isHere)(title("names a tensor that nothing uses in one line"), async () => {
    const surplus = ["classifier.weight", "encoder.block.9.layer.0.layer_norm.weight"];
    const path = await release(released, surplus);
    const model = await T5ForConditionalGeneration.fromPretrained(path, { device: cpu });
    expect(model.unusedTensors).toEqual(surplus);
    expect(warnings).toEqual([
      `${path}/model.safetensors: not used, because the model of config.json has no such tensors: ${surplus.join(", ")}. Do config.json and the weights belong together?`,
    ]);
    model.dispose();
  });
});

describe("a UMT5 that calls itself something else", () => {
  it.each(["t5", "mt5"])("is refused as %s, with its tensor and the cure", async (modelType) => {
    const umt5 = RELEASED["google/umt5-small"]!;
    const path = await release({ ...umt5, config: { ...umt5.config, model_type: modelType } });
    const load = (config: object) =>
      T5ForConditionalGeneration.fromPretrained(path, { device: cpu, config: { ...config } });
    await expect(load({})).rejects.toThrow(CheckpointError);
    await expect(load({})).rejects.toThrow(
      `a ${modelType} must have position biases in block 0 alone, got decoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight, as UMT5 has.`,
    );
    (await load({ model_type: "umt5" })).dispose();
  });

  it("and the reverse: a T5 that calls itself a UMT5 lacks a tensor by name", async () => {
    const mt5 = RELEASED["google/mt5-small"]!;
    const path = await release({ ...mt5, config: { ...mt5.config, model_type: "umt5" } });
    await expect(T5ForConditionalGeneration.fromPretrained(path, { device: cpu })).rejects.toThrow(
      /must hold tensor encoder\.block\.1\.layer\.0\.SelfAttention\.relative_attention_bias\.weight/,
    );
  });
});
