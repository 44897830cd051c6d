// Rows that are encoded together get the bits that they get alone.

import { describe, expect, it } from "vitest";
import { openDevice } from "../../src/kernels/openDevice.ts";
import { T5Config } from "../../src/t5/config.ts";
import { encoderRows } from "../../src/t5/generation/encoderRows.ts";
import { HeadCaches } from "../../src/t5/generation/headCaches.ts";
import { RowEncoder } from "../../src/t5/generation/rowEncoder.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import type { Device } from "../../src/tensor/device.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";

const config = T5Config.fromJSON({
  ...{ model_type: "t5", vocab_size: 61, d_model: 64, d_kv: 12, d_ff: 96, num_heads: 3 },
  ...{ num_layers: 2, num_decoder_layers: 2, feed_forward_proj: "gated-gelu" },
  ...{ tie_word_embeddings: false, decoder_start_token_id: 0 },
});
const CAPACITY = 320;
/** On both sides of 64 tokens, and more than are encoded together. */
const LENGTHS = [65, 3, 200, 64, 131, 300, 90, 1, 257, 66, 180];
const inputIds = LENGTHS.map((length, i) =>
  Array.from({ length }, (_, j) => 2 + ((i * 31 + j * 7) % 58)),
);
const rows = encoderRows({ inputIds }, config);

type Admissions = readonly (readonly [items: readonly number[], next: readonly number[]])[];

/** Keys and values of all rows, which came into the batch so. */
async function cachesOf(
  model: T5ForConditionalGeneration,
  admissions: Admissions,
): Promise<Float32Array[]> {
  const memory = new Scope();
  const { device } = model;
  const caches = new HeadCaches(memory, device, { blocks: 2, heads: 3, headDim: 12 });
  caches.resize(rows.length, CAPACITY);
  for (const { k, v } of caches.blocks) for (const x of [k, v]) device.fillZero(x.storage);
  const context = { config, random: null, autocast: null, keepAs: null };
  const encoder = new RowEncoder(model, context, rows, memory);
  const live = device.memory().tensors;
  for (const [items, next] of admissions) {
    const admitted = items.map((item) => ({ item, slot: item }));
    encoder.admit(admitted, next, caches);
  }
  expect(device.memory().tensors).toBe(live); // nothing waits any more
  const data = await Promise.all(caches.blocks.flatMap(({ k, v }) => [k.data(), v.data()]));
  memory.dispose();
  return data as Float32Array[];
}

const everyItem = rows.map((_, i) => i);
const following = (count: number, all = everyItem): Admissions =>
  all.flatMap((_, i) => (i % count === 0 ? [[all.slice(i, i + count), all.slice(i + count)]] : []));

/** @param all items that take part */
async function expectEqualBits(device: Device, all = everyItem): Promise<void> {
  const model = T5ForConditionalGeneration.fromConfig(config, { device, seed: 5 });
  const alone = await cachesOf(
    model,
    all.map((item) => [[item], []]),
  );
  for (const admissions of [[[all, []] as const], following(1, all), following(3, all)]) {
    const together = await cachesOf(model, admissions);
    // Not toEqual: it takes a second for a million numbers.
    expect(together.map((x, i) => x.every((value, j) => Object.is(value, alone[i]![j])))).toEqual(
      together.map(() => true),
    );
  }
  model.dispose();
}

describe("rows encoded together", () => {
  it("get the bits that they get alone", async () => {
    await expectEqualBits(cpu);
  });

  it.each(["simd", "relaxed"] as const)("get them with two threads of %s", async (wasmVariant) => {
    const device = await openDevice("cpu", { threads: 2, wasmVariant });
    await expectEqualBits(device);
    await device.close();
  });

  it("get them from the plain bodies", async () => {
    await expectEqualBits(plain, [0, 1, 3, 6, 9]);
  });

  it("get nearly the same on a GPU", async () => {
    const [there, here] = await Promise.all(
      [gpu, cpu].map((device) =>
        cachesOf(T5ForConditionalGeneration.fromConfig(config, { device, seed: 5 }), following(3)),
      ),
    );
    for (const [i, values] of there!.entries()) {
      const expected = here![i]!;
      const far = values.reduce((most, x, j) => Math.max(most, Math.abs(x - expected[j]!)), 0);
      expect(far).toBeLessThan(1e-4);
    }
  });
});
