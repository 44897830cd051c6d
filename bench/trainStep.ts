// One training step of flan-t5-small's configuration: random weights, batch 8, 256 source and 64 target
// tokens, f32, dropout on. Prints forward, backward and memory. Run: node scripts/... see package.json.

import { backward } from "../src/autograd/backward.ts";
import { openDevice } from "../src/kernels/openDevice.ts";
import { T5Config } from "../src/t5/config.ts";
import { T5ForConditionalGeneration } from "../src/t5/model.ts";
import { Scope } from "../src/tensor/scope.ts";

const flanT5Small = {
  model_type: "t5",
  ...{ vocab_size: 32128, d_model: 512, d_kv: 64, d_ff: 1024, num_layers: 8, num_heads: 6 },
  ...{ feed_forward_proj: "gated-gelu", tie_word_embeddings: false, decoder_start_token_id: 0 },
};
const [batch, source, target] = [8, 256, 64];
const threads = Number(process.argv[2] ?? 2);
const steps = Number(process.argv[3] ?? 3);

const device = await openDevice("cpu", { threads });
const config = T5Config.fromJSON(flanT5Small, { source: "bench" });
const model = T5ForConditionalGeneration.fromConfig(config, { device, seed: 1, tied: false });
model.train();
const ids = (rows: number, cols: number) =>
  Array.from({ length: rows }, (_, i) =>
    Array.from({ length: cols }, (_, j) => 2 + ((i * 7919 + j * 104729) % 30000)),
  );
const inputs = {
  inputIds: ids(batch, source),
  attentionMask: ids(batch, source).map((row, i) =>
    row.map((_, j) => (j < source - 9 * i ? 1 : 0)),
  ),
  labels: ids(batch, target),
};
for (let step = 0; step < steps; step++) {
  device.resetPeak();
  const memory = new Scope();
  const begun = performance.now();
  const { loss } = memory.run(() => model.forward(inputs));
  const value = await loss!.item();
  const forward = performance.now();
  const gradients = memory.run(() => backward(loss!));
  await device.sync();
  const end = performance.now();
  const peak = device.memory().peakBytes / 2 ** 20;
  console.log(
    `loss ${value.toFixed(4)} forward ${(forward - begun).toFixed(0)} ms, backward ${(end - forward).toFixed(0)} ms, ` +
      `${gradients.size} gradients, peak ${peak.toFixed(0)} MiB, rss ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB`,
  );
  memory.dispose();
}
await device.close();
