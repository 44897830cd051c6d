// Pre-trains the example's checkpoint with this engine and writes it to examples/model in bf16:
//   node --import ./scripts/example/runTypeScript.mjs scripts/example/pretrain.ts [steps] [steps done]
// The model learns the language of the dialogues and to find things in them (generatePretraining.ts), not the
// summaries that fine-tuning teaches.

import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { openDevice } from "../../src/kernels/openDevice.ts";
import { cast } from "../../src/autograd/ops/cast.ts";
import { noGrad } from "../../src/autograd/tape.ts";
import { T5Config } from "../../src/t5/config.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { Tokenizer } from "../../src/model/tokenizer.ts";
import { writeSafetensors } from "../../src/tensor/safetensors.ts";
import type { Example } from "../../src/data/collate.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { generateCopies, generatePretraining } from "./generatePretraining.ts";

const SEED = 7;
const BATCH = 32;
/** Steps of short copies before the dialogues begin. */
const COPY_STEPS = 1200;
/** At 2e-3 the model learns to speak and never to copy. */
const LEARNING_RATE = 6e-4;
const steps = Number(process.argv[2] ?? 5000);
/** Steps of the run in gradloom-output/pretraining that this one takes up; 0 begins anew. */
const stepsDone = Number(process.argv[3] ?? 0);
const folder = fileURLToPath(new URL("../../examples/model", import.meta.url));

const device = await openDevice("cpu");
const tokenizer = await Tokenizer.fromPretrained(folder);
const config = T5Config.fromJSON(
  {
    model_type: "t5",
    architectures: ["T5ForConditionalGeneration"],
    vocab_size: 8 * Math.ceil(tokenizer.vocabSize / 8),
    ...{ d_model: 128, d_kv: 32, d_ff: 256, num_layers: 3, num_decoder_layers: 3, num_heads: 4 },
    ...{ relative_attention_num_buckets: 32, relative_attention_max_distance: 128 },
    ...{ feed_forward_proj: "gated-gelu", tie_word_embeddings: false, dropout_rate: 0.0 },
    ...{ layer_norm_epsilon: 1e-6, initializer_factor: 1.0, is_encoder_decoder: true },
    ...{ pad_token_id: 0, eos_token_id: 1, decoder_start_token_id: 0 },
  },
  { source: "scripts/example/pretrain.ts" },
);
const model = T5ForConditionalGeneration.fromConfig(config, { device, seed: SEED, tied: false });

await startHeadAtEmbedding();

function* pairs(): Generator<{ readonly input: string; readonly target: string }> {
  let copies = COPY_STEPS * BATCH;
  for (const pair of generateCopies(SEED)) {
    if (copies-- === 0) break;
    yield pair;
  }
  yield* generatePretraining(SEED);
}

/** Examples as they are generated; the Trainer takes them in this order. */
async function* examples(): AsyncGenerator<Example, void, undefined> {
  let index = 0;
  for (const { input, target } of pairs()) {
    if (index++ < stepsDone * BATCH) continue;
    const { inputIds, attentionMask } = tokenizer.encode(input, {
      truncation: true,
      maxLength: 256,
    });
    const labels = tokenizer.encode(target, { truncation: true, maxLength: 64 }).inputIds;
    yield { inputIds: inputIds[0]!, attentionMask: attentionMask[0]!, labels: labels[0]! };
  }
}

/**
 * Gives the output projection the embedding's rows, scaled as tied models scale their output. transformers draws both
 * from N(0, 1), so that logits start near 11 and the loss at 60: a run this short would spend itself on unlearning that,
 * while a head that already tells the tokens apart finds copying early.
 */
async function startHeadAtEmbedding(): Promise<void> {
  const weights = model.parameters();
  const embedding = await weights.get("shared.weight")!.data();
  const scaled = Float32Array.from(embedding, (value) => value * config.dModel ** -0.5);
  device.write(weights.get("lm_head.weight")!.storage, "f32", scaled);
}

const trainer = new Trainer({
  model,
  args: {
    outputDir: "gradloom-output/pretraining",
    maxSteps: steps,
    perDeviceTrainBatchSize: BATCH,
    learningRate: LEARNING_RATE,
    lrSchedulerType: "cosine",
    warmupSteps: Math.min(100, steps),
    weightDecay: 0.01,
    loggingSteps: 50,
    saveStrategy: "steps",
    saveSteps: 500,
    saveTotalLimit: 1,
    seed: SEED,
  },
  trainDataset: { [Symbol.asyncIterator]: examples },
});
const output = await trainer.train({ resumeFromCheckpoint: stepsDone > 0 });
console.error(output);

const stored = new Map<string, { dtype: "BF16"; shape: readonly number[]; data: Uint16Array }>();
for (const [name, weight] of model.parameters()) {
  const half = noGrad(() => cast(weight, "bf16"));
  const data = (await device.readStored(half.storage, "bf16", half.size)) as Uint16Array;
  stored.set(name, { dtype: "BF16", shape: weight.shape, data });
}
await writeSafetensors(`${folder}/model.safetensors`, stored, { format: "pt" });
const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
await writeFile(`${folder}/config.json`, json({ ...config.toJSON(), torch_dtype: "bfloat16" }));
await writeFile(`${folder}/generation_config.json`, json(model.generationConfig.toJSON()));
console.error(`${model.numParameters()} parameters written to ${folder}`);
await device.close();
