// A T5 small enough for a test, with random weights.

import { T5Config } from "../../src/t5/config.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import type { Device } from "../../src/tensor/device.ts";
import type { Batch } from "../../src/data/collate.ts";
import { cpu } from "./device.ts";
import { uniform } from "./random.ts";

export const tinyConfig = T5Config.fromJSON({
  ...{ vocab_size: 64, d_model: 24, d_kv: 8, d_ff: 40, num_heads: 2, num_layers: 2 },
  ...{ dropout_rate: 0.1, feed_forward_proj: "gated-gelu", tie_word_embeddings: false },
});

/** The same weights for the same seed. */
export function tinyT5(
  options: { readonly config?: T5Config; readonly device?: Device; readonly seed?: number } = {},
): T5ForConditionalGeneration {
  const { config = tinyConfig, device = cpu, seed = 1 } = options;
  return T5ForConditionalGeneration.fromConfig(config, { device, seed });
}

/** Random token ids; row i hides its last i positions. */
export function tinyBatch(rows: number, length: number, seed = 9): Required<Batch> {
  const next = uniform(seed);
  const ids = (): number[][] =>
    Array.from({ length: rows }, () =>
      Array.from({ length }, () => 2 + Math.floor(next() * (tinyConfig.vocabSize - 2))),
    );
  const attentionMask = Array.from({ length: rows }, (_, row) =>
    Array.from({ length }, (_, i) => (i < length - row ? 1 : 0)),
  );
  return { inputIds: ids(), attentionMask, labels: ids() };
}

/** Every weight by name, to compare bit for bit. */
export async function weightsOf(
  model: T5ForConditionalGeneration,
): Promise<Map<string, readonly number[]>> {
  const entries = [...model.parameters()].map(
    async ([name, x]) => [name, [...(await x.data())]] as const,
  );
  return new Map(await Promise.all(entries));
}
