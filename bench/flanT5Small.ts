// The model and the batch that the benches of training and generation run: FLAN-T5-small's configuration with
// random weights, so that nothing is downloaded. bench/pytorchStep.py runs the same.

import { T5Config } from "../src/t5/config.ts";
import { T5ForConditionalGeneration } from "../src/t5/model.ts";
import type { Device } from "../src/tensor/device.ts";

export const FLAN_T5_SMALL = {
  model_type: "t5",
  ...{ vocab_size: 32128, d_model: 512, d_kv: 64, d_ff: 1024, num_layers: 8, num_heads: 6 },
  ...{ feed_forward_proj: "gated-gelu", tie_word_embeddings: false, decoder_start_token_id: 0 },
};

export function flanT5Small(device: Device): T5ForConditionalGeneration {
  const parsed = T5Config.fromJSON(FLAN_T5_SMALL, { source: "bench/flanT5Small.ts" });
  return T5ForConditionalGeneration.fromConfig(parsed, { device, seed: 1, tied: false });
}

/** Ids below 2 + count that only their place decides, none the end token; the Python script computes the same. */
export function ids(rows: number, columns: number, count = 30000): number[][] {
  const id = (i: number, j: number) => 2 + ((i * 7919 + j * 104729) % count);
  return Array.from({ length: rows }, (_, i) =>
    Array.from({ length: columns }, (_, j) => id(i, j)),
  );
}

/** 8 texts of 256 tokens, some of them padded, with 64 tokens of target each. */
export function trainingBatch() {
  const mask = (_: unknown, i: number) =>
    Array.from({ length: 256 }, (_, j) => (j < 256 - 9 * i ? 1 : 0));
  return {
    inputIds: ids(8, 256),
    attentionMask: Array.from({ length: 8 }, mask),
    labels: ids(8, 64),
  };
}

/** One text of 128 tokens. */
export function prompt(): number[][] {
  return ids(1, 128);
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
