// Training steps of a T5 on webgpu, as the host sees them: memory and pipelines stay flat, whatever the lengths.

import { afterAll, describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { T5Config } from "../../src/t5/config.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { openNullGpu } from "../../scripts/adapters/nullGpu.ts";
import { uniform } from "../support/random.ts";

const device = await openNullGpu();
afterAll(() => device.close());

const config = T5Config.fromJSON(
  {
    ...{ model_type: "t5", vocab_size: 96, d_model: 32, d_kv: 8, d_ff: 64, num_layers: 1 },
    ...{ num_heads: 4, feed_forward_proj: "gated-gelu", tie_word_embeddings: false },
    ...{ decoder_start_token_id: 0 },
  },
  { source: "test" },
);
const model = T5ForConditionalGeneration.fromConfig(config, { device, seed: 1, tied: false });
model.train();

/** A forward and a backward pass over a batch of two. */
async function step(source: number, target: number): Promise<void> {
  const rows = (length: number) => [0, 1].map(() => new Array<number>(length).fill(5));
  const memory = new Scope();
  memory.run(() => {
    const { loss } = model.forward({
      inputIds: rows(source),
      attentionMask: rows(source).map((row) => row.map(() => 1)),
      labels: rows(target),
    });
    backward(loss!);
  });
  memory.dispose();
  await device.sync();
}

/** The same of packed rows. */
async function packedStep(lengths: readonly (readonly [source: number, target: number])[]) {
  const [S, T] = [0, 1].map((side) => Math.max(...lengths.map((pair) => pair[side]!)));
  const row = (length: number, width: number, pad: number) =>
    Array.from({ length: width }, (_, i) => (i < length ? 5 : pad));
  const memory = new Scope();
  memory.run(() => {
    const packed = model.forwardPacked({
      inputIds: lengths.map(([source]) => row(source, S!, 0)),
      attentionMask: lengths.map(([source]) => row(source, S!, 0).map((id) => (id === 0 ? 0 : 1))),
      labels: lengths.map(([, target]) => row(target, T!, -100)),
    });
    backward(packed!.loss);
  });
  memory.dispose();
  await device.sync();
}

describe("training steps on webgpu", () => {
  it("leave memory, pipelines and the number of dispatches flat over 200 equal steps", async () => {
    const seen = new Set<string>();
    for (let i = 0; i < 200; i++) {
      const before = device.dispatches;
      await step(12, 7);
      const { tensors, bytes, pooledBytes } = device.memory();
      const { pipelines, dispatches } = device;
      seen.add(JSON.stringify({ tensors, bytes, pooledBytes, pipelines, n: dispatches - before }));
    }
    expect([...seen]).toHaveLength(1);
  });

  it("need no new pipelines for 50 random lengths, nor much more memory than the longest", async () => {
    const random = uniform(3);
    const length = (): number => 33 + Math.floor(random() * 31);
    await step(64, 64);
    for (let i = 0; i < 10; i++) await step(length(), length());
    const { pipelines } = device;
    for (let i = 0; i < 50; i++) {
      await step(length(), length());
      const { bytes, pooledBytes, peakBytes } = device.memory();
      expect(bytes + pooledBytes).toBeLessThan(1.5 * peakBytes);
    }
    expect(device.pipelines).toBe(pipelines);
  });

  it("need no new pipelines for 25 packed batches of random lengths", async () => {
    const random = uniform(4);
    const length = (): number => 33 + Math.floor(random() * 31);
    const rows = () => [length(), length(), length()].map((source) => [source, length()] as const);
    for (let i = 0; i < 10; i++) await packedStep(rows());
    const { pipelines } = device;
    for (let i = 0; i < 25; i++) await packedStep(rows());
    expect(device.pipelines).toBe(pipelines);
  });
});
